"""Rows of new vehicles: CSV as people make it, and what is wrong by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from motorcade.errors import Invalid
from motorcade.fleet import rows
from motorcade.fleet.rows import (
    NewVehicle,
    Problems,
    check,
    frame_of_rows,
    frames_of_csv,
)
from motorcade.fleet.vin import build
from motorcade.limits import IMPORT_ERRORS_MAX

V = build(np.random.default_rng(3), "LSV", 8)


def _read(source: bytes | Path, *, check_digit: bool = True) -> tuple[pl.DataFrame, Problems]:
    problems = Problems()
    frames = [
        check(frame, problems, check_digit=check_digit)
        for _, frame in frames_of_csv(source, problems)
    ]
    return pl.concat(frames) if frames else frame_of_rows([]), problems


def test_a_file_as_a_spreadsheet_writes_it() -> None:
    text = (
        "\ufeffVIN;Model;Labels\r\n"
        f'{V[0]};"Model; X";a|b\r\n'
        "\r\n"
        f"{V[1]}\r\n"
        f" {V[2].lower()} ;é\r\n"
        f'"{V[3]}";"say ""hi""";'
    )
    frame, problems = _read(text.encode())
    assert problems.count == 0
    assert frame["line"].to_list() == [2, 4, 5, 6]
    assert frame["vin"].to_list() == V[:4]
    assert frame["model"].to_list() == ["Model; X", "", "é", 'say "hi"']
    assert frame["labels"].to_list() == ["a|b", "", "", ""]
    assert frame["plate"].to_list() == [""] * 4


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("last", [True, False])
def test_separators_and_line_ends(end: str, separator: str, last: bool) -> None:
    lines = [separator.join(("model", "vin"))] + [separator.join(("M", vin)) for vin in V]
    frame, problems = _read((end.join(lines) + (end if last else "")).encode())
    assert problems.count == 0
    assert frame["vin"].to_list() == V
    assert frame["model"].to_list() == ["M"] * 8


def test_every_fault_by_its_line() -> None:
    wrong = V[0][:8] + ("1" if V[0][8] != "1" else "2") + V[0][9:]
    lines = ["vin,model", "SHORT,", "LSVOAAAA0AA000001,", wrong, f"{V[1]},{'m' * 65}"]
    lines += [f"{V[2]},a,b", "", f"{V[3]},fine", ",", f"{V[4]},tab\there"]
    frame, problems = _read("\n".join(lines).encode())
    assert frame["line"].to_list() == [8]
    assert problems.count == 7
    assert [(error.line, error.code) for error in problems.errors] == [
        (2, "vin_length"),
        (3, "vin_characters"),
        (4, "vin_check_digit"),
        (5, "value"),
        (6, "columns"),
        (9, "vin_length"),
        (10, "value"),
    ]
    lax, problems = _read("\n".join(lines).encode(), check_digit=False)
    assert lax["line"].to_list() == [4, 8]
    assert problems.count == 6


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "first line"),
        (b"\n", "first line"),
        (b"model\n", "first line"),
        (b"vin,colour\n", "colour"),
        (b"vin,vin\n", "once"),
        (b"vin\n\xff\xfe\n", "line 2 is not UTF-8"),
        (b"vin\nA\n\xb0\n", "line 3 is not UTF-8"),
        (b"\xff\xfev\0i\0n\0", "UTF-8"),
        (b'vin,model\nA,"x\ny"\n', "line 2: a quoted value"),
    ],
)
def test_files_that_cannot_be_read(data: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        _read(data)


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file read in blocks of any size gives the same rows and lines."""
    lines = ["vin,model,plate"] + [f'{vin},"m {n}",京A{n}' for n, vin in enumerate(V * 5)]
    lines.insert(7, "")
    lines.insert(9, "BAD")
    path = tmp_path / "cars.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    whole, expected = _read(path)
    for size in (64, 100, 257, 1000):
        monkeypatch.setattr(rows, "IMPORT_BLOCK_BYTES", size)
        parts, found = _read(path)
        assert parts.equals(whole)
        assert found.errors == expected.errors
    monkeypatch.setattr(rows, "IMPORT_BLOCK_BYTES", 8)
    with pytest.raises(Invalid):
        _read(path)


def test_headers_alone_are_no_rows() -> None:
    for data in (b"vin", b"vin\n", b"vin\n\n"):
        frame, problems = _read(data)
        assert frame.height == problems.count == 0


def test_errors_are_counted_all_and_kept_bounded() -> None:
    frame, problems = _read(b"vin\n" + b"X\n" * 5000 + b"Y,1\n" * 5000)
    assert frame.height == 0
    assert problems.count == 10_000
    assert problems.unread == 5000
    assert len(problems.errors) == IMPORT_ERRORS_MAX
    assert problems.errors[0].line == 2


def test_rows_as_structs() -> None:
    given = [NewVehicle(vin=V[0].lower(), labels=("a", "b")), NewVehicle(vin="X\0")]
    problems = Problems()
    frame = check(frame_of_rows(given), problems, check_digit=True)
    assert frame.to_dicts() == [
        {
            "line": 1,
            "vin": V[0],
            "model": "",
            "plate": "",
            "iccid": "",
            "labels": "a|b",
            "phone": "",
            "imei": "",
            "device": "",
        }
    ]
    assert [error.line for error in problems.errors] == [2]
    with pytest.raises(Invalid, match="row 1"):
        frame_of_rows([NewVehicle(vin=V[0], labels=("a|b",))])
