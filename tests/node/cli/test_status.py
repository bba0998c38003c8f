"""What is said of processes: their own addresses as long as they are the ones that said them."""

from __future__ import annotations

from pathlib import Path

from motorcade.node.cli.status import _row
from motorcade.node.config import load
from motorcade.node.lag import Lag
from motorcade.node.run_files import RoleFile, read_states, write_states


def test_addresses_of_an_earlier_process_are_not_shown(tmp_path: Path) -> None:
    assert read_states(tmp_path) == []
    file = RoleFile(tmp_path, "gateway", 0)
    file.write({"listeners": {"gbt32960": ["0.0.0.0:32960"]}})
    pid = (file.read() or {})["pid"]
    engine = {"name": "nats", "pid": 7, "ready": False, "restarts": 2}
    write_states(
        tmp_path, [engine, {"name": "gateway-0", "pid": pid, "ready": True, "restarts": 0}]
    )
    settings = load(None, {})
    nats, gateway = (_row(state, None, settings) for state in read_states(tmp_path))
    assert nats == {
        "process": "nats", "pid": 7, "state": "does not serve", "restarts": 2,
        "lag": None, "addresses": [],
    }  # fmt: skip
    assert (gateway["state"], gateway["addresses"]) == ("serves", ["0.0.0.0:32960"])
    write_states(tmp_path, [{"name": "gateway-0", "pid": 1, "ready": True, "restarts": 1}])
    assert _row(read_states(tmp_path)[0], None, settings)["addresses"] == []


def test_doors_and_lag_are_told(tmp_path: Path) -> None:
    listeners = {"jt808": ["0.0.0.0:10808", "0.0.0.0:10808"]}
    state = {"name": "x", "pid": 1, "ready": True, "restarts": 0, "addresses": listeners}
    settings = load(
        None,
        {},
        ["gateway.jt808.listen=0.0.0.0:10808", "gateway.jt808.udp_listen=0.0.0.0:10808"],
    )
    row = _row(state, Lag(12.34, 4096), settings)
    assert row["addresses"] == ["0.0.0.0:10808", "udp 0.0.0.0:10808"]
    assert row["lag"] == "12.3 s, 4,096 records"
