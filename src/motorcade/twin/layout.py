"""The files of one twin partition: header, row columns, cells, heap, and how they grow.

A vehicle's row is ``vehicle // partitions`` in the partition ``vehicle % partitions``. In
``<dir>/p<partition>/``:

=====================  ============================================================================
``head``               4 KiB, little-endian uint64 words: the ``Head`` indices
``columns.json``       number, path and kind of every signal column in use
``row.state``          per row 16 bytes: ``time`` int64, the newest event time, microseconds UTC, 0
                       where it never reported; ``seen`` uint32, the newest ingest time, seconds
                       since 2020-01-01 UTC; ``sequence`` uint32, odd while the row is being written
``row.tenant``         uint32: the tenant of the newest record; 0 none
``<number>.<kind>``    a cell per row: uint32 stamp (seconds since 2020 << 2 | ``Quality``), then
                       the value in 4 bytes, or, for wide kinds, 4 bytes of nothing and 8 of value
``heap``               blocks of lists and strings (see ``twin/heap.py``)
``checkpoint.json``    the log sequence the files are durable through
``lock``               held by the writer's process
=====================  ============================================================================

Files are sparse and grow by doubling. A writer that grew them, or added a column, raises the
generation in ``head`` last; readers look at it and map anew.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from motorcade.errors import Conflict, CorruptionError
from motorcade.signals.batch import Quality

__all__ = [
    "FORMAT",
    "EPOCH_S",
    "Head",
    "KINDS",
    "ROW_STATE",
    "ROW_COLUMNS",
    "Kind",
    "Column",
    "Lock",
    "partition_directory",
    "map_array",
    "open_head",
    "check_head",
    "read_columns",
    "write_columns",
    "write_atomically",
    "stamps_of",
]

FORMAT: Final = 0x314E_4957_5443_4D01  # "\x01MCTWIN1" read as a little-endian word
EPOCH_S: Final = 1_577_836_800
"""2020-01-01 UTC: stamps count seconds from here, in 30 bits, to the year 2054."""

HEAD_BYTES: Final = 4096
_SECONDS_MAX: Final = (1 << 30) - 1


class Head(IntEnum):
    """Index of each uint64 word in ``head``."""

    FORMAT = 0
    PARTITIONS = 1
    PARTITION = 2
    CAPACITY = 3
    """Rows every column file has room for."""
    ROWS = 4
    """Highest row ever written, plus one: scans stop here."""
    GENERATION = 5
    HEAP_END = 6
    """First free heap unit."""
    HEAP_UNITS = 7
    """Heap units the file has room for."""
    WRITING = 8
    """1 from opening to a clean close: row sequences may be odd after a crash."""
    DROPPED = 9
    """Rows of the log that no row here can hold (another partition's, no tenant, too high)."""


ROW_STATE: Final = np.dtype([("time", "<i8"), ("seen", "<u4"), ("sequence", "<u4")])
ROW_COLUMNS: Final[dict[str, Any]] = {"row.state": ROW_STATE, "row.tenant": np.uint32}


class Kind(msgspec.Struct, frozen=True):
    """How a catalogue type lies in a cell: ``value`` dtype in the file, and what it stands for."""

    name: str
    value: Any
    cell_bytes: int = 8
    item: Any = None
    """Element dtype of heap kinds; None elsewhere."""

    @property
    def is_heap(self) -> bool:
        """Whether the cell's value is the handle of a heap block."""
        return self.item is not None


def _kinds() -> dict[str, Kind]:
    table = [
        Kind("float", np.float32),
        Kind("boolean", np.uint32),
        Kind("position", np.int32),
        Kind("word", np.uint32),
        Kind("double", np.float64, 16),
        Kind("int64", np.int64, 16),
        Kind("uint64", np.uint64, 16),
        Kind("string", np.uint32, 8, np.uint8),
        Kind("string[]", np.uint32, 8, np.uint8),
    ]
    table += [Kind(f"int{bits}", np.int32) for bits in (8, 16, 32)]
    table += [Kind(f"uint{bits}", np.uint32) for bits in (8, 16, 32)]
    items: dict[str, Any] = {"float": np.float32, "double": np.float64, "boolean": np.uint8}
    items |= {f"int{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)}
    items |= {f"uint{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)}
    table += [Kind(f"{name}[]", np.uint32, 8, item) for name, item in items.items()]
    return {kind.name: kind for kind in table}


KINDS: Final = _kinds()
"""Kinds of cell by name. ``position`` is a double of degrees as int32 of 1e-7 degrees (1.1 cm);
``word`` the code of an enumeration."""


class Column(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One signal column in use, as ``columns.json`` says it."""

    number: int
    path: str
    kind: str

    @property
    def file_name(self) -> str:
        """The cells' file."""
        return f"{self.number}.{self.kind.replace('[]', '-list')}"


class Lock:
    """The writer's hold on a partition: one process at a time, released by its death."""

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise Conflict(
                f"The twin partition {directory} is written by process {holder}; "
                "stop that worker first, or give this one another partition.",
                holder=holder,
            ) from None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another process write."""
        self._file.close()


def partition_directory(directory: Path, partition: int) -> Path:
    """Where a partition's files are."""
    return directory / f"p{partition}"


def map_array(path: Path, dtype: Any, count: int, *, write: bool, columns: int = 1) -> NDArray[Any]:
    """The file as an array of ``count`` rows (times ``columns`` where more than one).

    A writer makes the file and lets it grow; a reader of a file that is too short gets
    ``FileNotFoundError`` (the writer is about to make it: look again).
    """
    item = np.dtype(dtype)
    size = count * columns * item.itemsize
    fd = os.open(path, os.O_RDWR | os.O_CREAT if write else os.O_RDONLY, 0o640)
    try:
        if os.fstat(fd).st_size < size:
            if not write:
                raise FileNotFoundError(path)
            os.ftruncate(fd, size)
        access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
        mapped = mmap.mmap(fd, size, access=access)
    finally:
        os.close(fd)
    array: NDArray[Any] = np.frombuffer(mapped, dtype=item)
    return array.reshape(count, columns) if columns > 1 else array


def open_head(directory: Path, partition: int, partitions: int) -> NDArray[np.uint64]:
    """The header for writing; made where there is none. ``CorruptionError`` on a mismatch."""
    directory.mkdir(parents=True, exist_ok=True)
    head = map_array(directory / "head", np.uint64, HEAD_BYTES // 8, write=True)
    if head[Head.FORMAT] == 0:
        head[Head.PARTITIONS] = partitions
        head[Head.PARTITION] = partition
        head[Head.HEAP_END] = 1
        head[Head.FORMAT] = FORMAT
    check_head(head, directory, partition, partitions)
    return head


def check_head(head: NDArray[np.uint64], directory: Path, partition: int, partitions: int) -> None:
    """Raise ``CorruptionError`` where the files were made for something else."""
    if int(head[Head.FORMAT]) != FORMAT:
        raise CorruptionError(
            f"{directory} is not a twin of this version; move it away and start again: "
            "the twin fills from the log and from new reports."
        )
    made = (int(head[Head.PARTITION]), int(head[Head.PARTITIONS]))
    if made != (partition, partitions):
        raise CorruptionError(
            f"{directory} was made as partition {made[0]} of {made[1]}, not {partition} of "
            f"{partitions}; set the partition count back, or move the twin directory away."
        )


def read_columns(directory: Path) -> list[Column]:
    """The signal columns in use; empty where none are yet."""
    try:
        return msgspec.json.decode((directory / "columns.json").read_bytes(), type=list[Column])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise CorruptionError(f"{directory / 'columns.json'} cannot be read: {error}") from None


def write_columns(directory: Path, columns: list[Column]) -> None:
    """Replace the list of columns in one step."""
    write_atomically(directory / "columns.json", msgspec.json.encode(columns))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is either the old one or the new one, also after a power cut."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def stamps_of(time_us: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Stamps of valid values at these times; times out of the 30 bits go to the nearest end."""
    seconds = np.clip(time_us // 1_000_000 - EPOCH_S, 0, _SECONDS_MAX)
    return (seconds.astype(np.uint32) << np.uint32(2)) | np.uint32(Quality.VALID)
