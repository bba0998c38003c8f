"""Names and credentials from the command line, on a registry that is started for each command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from platforms import command

pytestmark = [pytest.mark.engines, pytest.mark.processes]

VIN = "LSGTESTA0XX000001"


def test_named_proven_and_ended(tmp_path: Path) -> None:
    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command("--data", str(tmp_path / "data"), *arguments, "--tenant", "acme"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        return done

    (tmp_path / "data" / "postgres").mkdir(parents=True)  # as `up` does
    made = command("--data", str(tmp_path / "data"), "tenant", "add", "acme")
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    run("vehicle", "add", VIN, "--device", "00A1B2C3D4E5F607")
    run("vehicle", "identity", "add", VIN, "phone", "013800001111")
    lines = run("vehicle", "identity", "list", VIN, "--json").stdout.splitlines()
    assert [json.loads(line)["value"] for line in lines] == ["00a1b2c3d4e5f607", "13800001111"]
    assert [json.loads(line)["terminal"] for line in lines] == [None, None]
    refused = run("vehicle", "identity", "add", VIN, "imei", "12", code=1)
    assert "15 digits" in refused.stderr
    refused = run("vehicle", "identity", "add", VIN, "device", "00a1", code=1)
    assert "16 hexadecimal digits" in refused.stderr
    run("vehicle", "identity", "remove", VIN, "device", "00a1b2c3d4e5f607")
    token = json.loads(run("vehicle", "token", "create", VIN, "--json").stdout)
    assert token["secret"].startswith("vt_")
    assert "kind" in run("vehicle", "token", "create", VIN, "--kind", "x", code=1).stderr
    (tmp_path / "vins").write_text(f"vin\n{VIN}\n\n")
    head, line = run("vehicle", "token", "bulk", str(tmp_path / "vins")).stdout.splitlines()
    assert (head, line.split(",")[0]) == ("vin,token", VIN)
    run("vehicle", "token", "revoke", VIN, token["id"])
    lines = run("vehicle", "token", "list", VIN, "--json").stdout.splitlines()
    assert sorted(json.loads(line)["revoked"] is None for line in lines) == [False, True]
