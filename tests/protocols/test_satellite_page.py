"""``docs/protocols/satellite.md``: its client works, its tables are the code's."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

from motorcade.protocols.compact import DEFAULT_PORT, Session, proof_of
from motorcade.wire.compact.command import CODES, KINDS
from motorcade.wire.compact.report import GROUPS, PARTS

PAGE = (Path(__file__).parents[2] / "docs" / "protocols" / "satellite.md").read_text("utf-8")
KEY = bytes(range(16))


def test_the_client_sends_a_report_and_believes_its_acknowledgement(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script = tmp_path / "client.py"
    script.write_text(code, encoding="utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(20)
        port = str(door.getsockname()[1])
        client = subprocess.Popen(
            [sys.executable, str(script), "127.0.0.1", port, "00a1b2c3d4e5f607", KEY.hex()],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        datagram, address = door.recvfrom(100)
        session = Session(KEY)
        session.receive_data(datagram)
        answer = session.data_to_send()
        assert answer[-8:] == proof_of(datagram, KEY)
        door.sendto(answer[:-8] + bytes(8), address)
        datagram, address = door.recvfrom(100)
        door.sendto(answer, address)
        said, _ = client.communicate(timeout=20)
    assert client.returncode == 0
    assert said == "stored\n"


def test_every_part_and_kind_is_on_the_page() -> None:
    for part in PARTS:
        assert f"`{part.path.removeprefix('Vehicle.')}`" in PAGE
        for number, word in enumerate(part.words, start=1):
            assert f"{number} {word}" in PAGE
    for bit, group in enumerate(GROUPS):
        assert re.search(rf"^\| {bit} \| {group.size} \|", PAGE, re.MULTILINE)
    for kind in KINDS:
        assert f"`{kind}`" in PAGE
    for number, word in enumerate(CODES):
        assert f"{number} {word}" in PAGE
    assert f"port {DEFAULT_PORT}" in PAGE
