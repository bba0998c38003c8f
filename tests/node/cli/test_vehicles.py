"""Single vehicles from the command line, on a registry that is started for each command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from platforms import command

pytestmark = [pytest.mark.engines, pytest.mark.processes]

VIN = "LSGTESTA0XX000001"


def test_a_vehicle_is_added_listed_and_removed(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command("--data", str(tmp_path / "data"), *arguments, "--tenant", "acme"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    (tmp_path / "data" / "postgres").mkdir(parents=True)  # as `up` does
    made = command("--data", str(tmp_path / "data"), "tenant", "add", "acme")
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    added = run("vehicle", "add", VIN, "--model", "Sea Gull", "--label", "a", "--label", "b")
    assert added.returncode == 0, added.stderr
    again = run("vehicle", "add", VIN)
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    assert VIN in again.stderr
    head, line = run("vehicle", "list").stdout.splitlines()
    assert head.split() == ["vin", "model", "plate", "iccid", "labels", "created"]
    assert line.startswith(f"{VIN}  Sea Gull  ")
    assert line.split()[-2] == "a,b"
    assert line.endswith("Z")
    (tmp_path / "one.csv").write_text("vin\nLSGTESTA0XX000002\n")
    imported = run("vehicle", "import", str(tmp_path / "one.csv"))
    assert imported.stdout == "1 vehicle registered for acme\n"
    assert run("vehicle", "remove", VIN).returncode == 0
    gone = run("vehicle", "remove", VIN)
    assert (gone.returncode, "no vehicle" in gone.stderr) == (1, True)
