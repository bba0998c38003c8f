"""Rows of new vehicles: read from a CSV in blocks or from a list, checked column by column.

In: bytes of a CSV with a header line (``vin`` and any other of ``COLUMNS``; comma, semicolon or
tab; with or without byte-order mark and carriage returns; labels separated by ``|``), or
``NewVehicle`` structs. Out: Polars frames with ``line`` and ``COLUMNS`` of good rows, and what is
wrong with the others, by line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.fleet.names import FORMS
from motorcade.fleet.vin import FAULTS, faults_of
from motorcade.limits import IMPORT_BLOCK_BYTES, IMPORT_ERRORS_MAX

__all__ = [
    "COLUMNS",
    "NewVehicle",
    "RowError",
    "Problems",
    "frames_of_csv",
    "frame_of_rows",
    "check",
]

COLUMNS: Final = ("vin", "model", "plate", "iccid", "labels", "phone", "imei", "device")
"""What a row may say; only ``vin`` must be there."""

LABELS_SEPARATOR: Final = "|"

_LENGTHS_MAX: Final = {"model": 64, "plate": 16, "iccid": 20, "labels": 512}
_QUOTE: Final = ord('"')
_NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")


class NewVehicle(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A vehicle to register."""

    vin: str
    model: str = ""
    plate: str = ""
    iccid: str = ""
    labels: tuple[str, ...] = ()
    phone: str = ""
    """The number its JT/T 808 terminal names itself by."""
    imei: str = ""
    """Its satellite modem's."""
    device: str = ""
    """Its name in compact datagrams."""


class RowError(msgspec.Struct, kw_only=True, frozen=True):
    """What is wrong with one row. ``line`` counts from 1: a CSV's header is line 1, the first row
    of a list is 1. ``code`` is stable, ``reason`` a sentence."""

    line: int
    code: str
    reason: str
    vin: str = ""


class Problems:
    """Every problem counted, the first of each kind of check kept up to ``IMPORT_ERRORS_MAX``.

    ``unread`` counts lines that were too broken to become a row.
    """

    def __init__(self) -> None:
        self.count = 0
        self.unread = 0
        self._kept: list[RowError] = []

    @property
    def errors(self) -> list[RowError]:
        """The problems kept, by line."""
        return sorted(self._kept, key=lambda error: error.line)[:IMPORT_ERRORS_MAX]

    def add(self, count: int, first: Sequence[RowError]) -> None:
        """``count`` more problems, of which ``first`` are worth keeping."""
        self.count += count
        self._kept.extend(first[: max(0, 2 * IMPORT_ERRORS_MAX - len(self._kept))])

    def add_rows(self, frame: pl.DataFrame, code: str, reason: str) -> None:
        """One problem for each row of ``frame`` (columns ``line`` and ``vin``)."""
        head = frame.head(IMPORT_ERRORS_MAX)
        lines, vins = head["line"].to_list(), head["vin"].to_list()
        kept = [
            RowError(line=line, code=code, reason=reason, vin=vin[:32])
            for line, vin in zip(lines, vins, strict=True)
        ]
        self.add(frame.height, kept)


def frames_of_csv(source: Path | bytes, problems: Problems) -> Iterator[tuple[int, pl.DataFrame]]:
    """Frames of a CSV block by block, each with the bytes read so far.

    Raises ``Invalid`` for a file that cannot be read at all: no header, not UTF-8, a quoted value
    that runs over its line.
    """
    if isinstance(source, bytes):
        yield from _blocks_of(source, problems)
        return
    with source.open("rb") as file:
        header = file.readline(IMPORT_BLOCK_BYTES)
        yield from _frames(header, _whole_lines(file), problems)


def frame_of_rows(rows: Sequence[NewVehicle]) -> pl.DataFrame:
    """A frame of rows that came as structs; their place counts as line.

    Raises ``Invalid`` where a label holds the sign that separates labels.
    """
    for place, row in enumerate(rows, 1):
        if any(LABELS_SEPARATOR in label for label in row.labels):
            raise Invalid(f"row {place}: a label must not hold {LABELS_SEPARATOR!r}")
    return pl.DataFrame(
        {
            "line": np.arange(1, len(rows) + 1, dtype=np.int64),
            "vin": [row.vin for row in rows],
            "model": [row.model for row in rows],
            "plate": [row.plate for row in rows],
            "iccid": [row.iccid for row in rows],
            "labels": [LABELS_SEPARATOR.join(row.labels) for row in rows],
            **{name: [getattr(row, name) for row in rows] for name in FORMS},
        },
        schema={"line": pl.Int64, **dict.fromkeys(COLUMNS, pl.String)},
    )


def check(frame: pl.DataFrame, problems: Problems, *, check_digit: bool) -> pl.DataFrame:
    """The rows whose values are good, tidied (VINs in capitals, no space around); the others go to
    ``problems``."""
    frame = frame.with_columns(pl.col(COLUMNS).fill_null("").str.strip_chars())
    frame = frame.with_columns(pl.col("vin").str.to_uppercase())
    found = np.ones(frame.height, dtype=np.uint8)
    sized = (frame["vin"].str.len_bytes() == 17).to_numpy()
    characters = np.frombuffer("".join(frame["vin"].filter(sized).to_list()).encode(), np.uint8)
    found[sized] = faults_of(characters.reshape(-1, 17), check=check_digit)
    for number, code in enumerate(FAULTS):
        if number and (found == number).any():
            problems.add_rows(frame.filter(found == number), code, _REASONS[code])
    good = _lengths(frame, found == 0, problems)
    good = _names(frame, good, problems)
    frame = frame.with_columns(
        pl.col("phone").str.strip_chars_start("0"), pl.col("device").str.to_lowercase()
    )
    return frame if good.all() else frame.filter(good)


def _lengths(frame: pl.DataFrame, good: NDArray[np.bool_], problems: Problems) -> NDArray[np.bool_]:
    """Which of the ``good`` rows hold no text that is too long or no text at all."""
    for name, longest in _LENGTHS_MAX.items():
        long = (frame[name].str.len_chars() > longest).to_numpy()
        control = frame[name].str.contains("[\x00-\x1f]").to_numpy()
        bad = good & (long | control)
        if bad.any():
            reason = f"{name} is longer than {longest} characters or holds control characters"
            problems.add_rows(frame.filter(bad), "value", reason)
            good = good & ~bad
    return good


def _names(frame: pl.DataFrame, good: NDArray[np.bool_], problems: Problems) -> NDArray[np.bool_]:
    """Which of the ``good`` rows have names of the right form, or none."""
    for name, form in FORMS.items():
        if not (frame[name] != "").any():
            continue
        bad = good & ~frame[name].str.contains(f"^(?:{form.pattern.pattern})?$").to_numpy()
        if bad.any():
            problems.add_rows(frame.filter(bad), "value", f"{name}: {form.words}")
            good = good & ~bad
    return good


_REASONS: Final = {
    "vin_length": "a VIN has 17 characters",
    "vin_characters": "a VIN consists of digits and capitals without I, O and Q",
    "vin_check_digit": "the VIN's check digit (position 9) is wrong",
}


def _blocks_of(data: bytes, problems: Problems) -> Iterator[tuple[int, pl.DataFrame]]:
    end = data.find(b"\n") + 1 or len(data)
    rest = [data[end:]] if end < len(data) else []
    if rest and not rest[0].endswith(b"\n"):
        rest[0] += b"\n"
    yield from _frames(data[:end], iter(rest), problems)


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file in blocks that end with a line's end."""
    kept = b""
    while block := file.read(IMPORT_BLOCK_BYTES):
        end = block.rfind(b"\n") + 1
        if end == 0:
            kept += block
            if len(kept) > 2 * IMPORT_BLOCK_BYTES:
                raise Invalid(f"a line is longer than {IMPORT_BLOCK_BYTES} bytes")
            continue
        yield kept + block[:end]
        kept = block[end:]
    if kept:
        yield kept + b"\n"


def _frames(
    header: bytes, blocks: Iterator[bytes], problems: Problems
) -> Iterator[tuple[int, pl.DataFrame]]:
    names, separator = _header(header)
    line, done = 2, len(header)
    for block in blocks:
        frame, lines = _read(block, line, names, separator, problems)
        line += lines
        done += len(block)
        yield done, frame


def _header(line: bytes) -> tuple[list[str], str]:
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise Invalid("the file is not UTF-8; save it as CSV UTF-8") from error
    separator = max(",;\t", key=text.count)
    names = [name.strip().strip('"').strip().lower() for name in text.split(separator)]
    if "vin" not in names:
        seen = ", ".join(name[:40] for name in names[:20]) or "nothing"
        hint = "" if len(names) > 1 else "; separate columns by commas, semicolons or tabs"
        must = "the first line must name the columns, vin among them"
        raise Invalid(f"{must}; it names {seen}{hint}")
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) < len(names):
        raise Invalid(f"the columns may be {', '.join(COLUMNS)}, each once; found {names}")
    return names, separator


def _read(
    block: bytes, first_line: int, names: Sequence[str], separator: str, problems: Problems
) -> tuple[pl.DataFrame, int]:
    """One block as a frame, and how many lines it had; blank lines count and are left out."""
    _check_text(block, first_line)
    data = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    separators = np.flatnonzero(data == ord(separator))
    if _QUOTE in data:
        inside = (np.cumsum(data == _QUOTE) & 1).astype(bool)
        if inside[ends].any():
            line = first_line + int(np.flatnonzero(inside[ends])[0])
            raise Invalid(f"line {line}: a quoted value runs over the end of the line")
        separators = separators[~inside[separators]]
    content = ends - starts - ((ends > starts) & (data[ends - 1] == _RETURN))
    fields = 1 + np.searchsorted(separators, ends) - np.searchsorted(separators, starts)
    lines = first_line + np.arange(len(ends), dtype=np.int64)
    wide = (fields > len(names)) & (content > 0)
    problems.unread += int(wide.sum())
    problems.add(
        int(wide.sum()),
        [
            RowError(line=int(line), code="columns", reason=f"more than {len(names)} columns")
            for line in lines[wide][:IMPORT_ERRORS_MAX]
        ],
    )
    kept = (content > 0) & ~wide
    if not kept.all():
        block = data[np.repeat(kept, ends - starts + 1)].tobytes()
    return _parse(block, lines[kept], names, separator), len(ends)


def _check_text(block: bytes, first_line: int) -> None:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + block.count(b"\n", 0, error.start)
        raise Invalid(f"line {line} is not UTF-8; save the file as CSV UTF-8") from error


def _parse(
    block: bytes, lines: NDArray[np.int64], names: Sequence[str], separator: str
) -> pl.DataFrame:
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(names, pl.String)
    try:
        frame = (
            pl.read_csv(block, has_header=False, separator=separator, schema=schema)
            if block
            else pl.DataFrame(schema=schema)
        )
    except pl.exceptions.PolarsError as error:
        raise Invalid(f"lines {lines[0]} to {lines[-1]} cannot be read: {error}") from error
    if frame.height != len(lines):
        raise Invalid(f"lines {lines[0]} to {lines[-1]} cannot be told apart: check their quotes")
    missing = [pl.lit("").alias(name) for name in COLUMNS if name not in names]
    frame = frame.with_columns(pl.Series("line", lines), *missing)
    return frame.select("line", *COLUMNS)
