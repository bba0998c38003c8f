"""What is said of processes: their own addresses as long as they are the ones that said them."""

from __future__ import annotations

from pathlib import Path

from motorcade.node.cli.status import _row
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
    nats, gateway = map(_row, read_states(tmp_path))
    assert nats == {
        "process": "nats", "pid": 7, "state": "does not serve", "restarts": 2, "addresses": [],
    }  # fmt: skip
    assert (gateway["state"], gateway["addresses"]) == ("serves", ["0.0.0.0:32960"])
    write_states(tmp_path, [{"name": "gateway-0", "pid": 1, "ready": True, "restarts": 1}])
    assert _row(read_states(tmp_path)[0])["addresses"] == []
