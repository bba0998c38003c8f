"""Fixed ports that somebody has, addresses that are not ours: told before anything starts."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from motorcade.errors import Conflict, Invalid
from motorcade.node.config import Settings, load
from motorcade.node.ports import check_free, fixed
from platforms import FREE_PORTS


def _settings(api: str, gateway: str, *more: str) -> Settings:
    own = [f"api.listen={api}", f"gateway.gbt32960.listen={gateway}"]
    return load(None, {}, [*FREE_PORTS, *own, *more])


def test_a_port_another_platform_shares_is_told() -> None:
    """With SO_REUSEPORT, as our listeners are: a plain second bind of theirs would be let."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port} is held .* --set api.listen="):
            check_free(_settings(f"127.0.0.1:{port}", "127.0.0.1:0"))
        tls = f"gateway.gbt32960.tls_listen=0.0.0.0:{port}"
        with pytest.raises(Conflict, match=r"--set gateway\.gbt32960\.tls_listen="):
            check_free(_settings("127.0.0.1:0", "127.0.0.1:0", tls))
    check_free(_settings(f"127.0.0.1:{port}", "127.0.0.1:0"))


def test_all_ports_that_others_hold_are_named_with_options_to_paste() -> None:
    with socket.socket() as one, socket.socket() as two:
        for other in (one, two):
            other.bind(("127.0.0.1", 0))
            other.listen()
        doors = [f"127.0.0.1:{other.getsockname()[1]}" for other in (one, two)]
        with pytest.raises(Conflict) as told:
            check_free(_settings(*doors))
        options = re.findall(r"--set (\S+)", told.value.detail)
        check_free(load(None, {}, [*FREE_PORTS, *options]))
    assert [option.partition("=")[0] for option in options] == [
        "api.listen", "gateway.gbt32960.listen",
    ]  # fmt: skip
    assert "held by other programs" in told.value.detail


def test_a_platform_that_holds_a_port_is_named(tmp_path: Path) -> None:
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    settings = tmp_path / "run" / "settings.json"
    with subprocess.Popen(
        [sys.executable, "-c", program, "motorcade", "gateway", "--config", str(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with pytest.raises(Conflict, match=f"another motorcade .data in {tmp_path}."):
            check_free(_settings(f"127.0.0.1:{port}", "127.0.0.1:0"))
        process.communicate()


def test_two_listeners_of_ours_at_one_port_are_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Conflict, match=r"api\.listen and gateway\.gbt32960\.listen name the same"):
        check_free(_settings(f"127.0.0.1:{port}", f"127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("listen", "told"),
    [
        ("1.2.3.4:8000", "cannot listen at 1.2.3.4:8000: Cannot assign requested address"),
        ("no-such-host.invalid:8000", "cannot listen at no-such-host.invalid:8000: "),
    ],
)
def test_an_address_that_is_not_ours_is_told(listen: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        check_free(_settings(listen, "127.0.0.1:0"))


def test_free_ports_are_not_looked_at() -> None:
    assert list(fixed(_settings("127.0.0.1:0", "[::1]:0"))) == []
