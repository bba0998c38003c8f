"""Log records nobody can read: their bytes are kept beside the tables before the log forgets them.

In: bytes with their log sequence. Out: ``<history>/faults/<partition>-<sequence>.bin``, for people
to look at, or for a later version to read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog

from motorcade.errors import DependencyError
from motorcade.history.files import sync
from motorcade.limits import HISTORY_FAULTS_BYTES_MAX

__all__ = ["Faults"]

_log = structlog.get_logger(__name__)

_FOLDER: Final = "faults"


class Faults:
    """One partition's; ``add`` from the event loop, ``keep`` in a thread."""

    def __init__(self, directory: Path, partition: int) -> None:
        self.dropped = 0
        """Records whose bytes were not kept because the folder was full."""
        self._folder = directory / _FOLDER
        self._partition = partition
        self._pending: dict[int, bytes] = {}

    @property
    def pending(self) -> bool:
        """Whether ``keep`` has something to do."""
        return bool(self._pending)

    def add(self, sequence: int, data: bytes) -> None:
        """Take a record's bytes; ``keep`` writes them."""
        if sum(map(len, self._pending.values())) + len(data) > HISTORY_FAULTS_BYTES_MAX:
            self._drop(sequence)
        else:
            self._pending[sequence] = data

    def keep(self) -> None:
        """Write what was taken, durably; ``DependencyError`` where the disk does not let it, and
        all of it is tried again next time. Writing the same record twice leaves one file."""
        taken = dict(self._pending)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            room = HISTORY_FAULTS_BYTES_MAX - sum(f.stat().st_size for f in self._folder.iterdir())
            for sequence, data in taken.items():
                path = self._folder / f"{self._partition}-{sequence}.bin"
                if path.exists() and path.stat().st_size == len(data):
                    continue
                if len(data) > room:
                    self._drop(sequence)
                    continue
                room -= len(data)
                with path.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            sync(self._folder)
        except OSError as error:
            raise DependencyError(f"unreadable records could not be kept: {error}") from error
        for sequence in taken:
            del self._pending[sequence]

    def _drop(self, sequence: int) -> None:
        self.dropped += 1
        _log.error(
            "an unreadable record is not kept: the folder is full",
            folder=str(self._folder),
            partition=self._partition,
            sequence=sequence,
        )
