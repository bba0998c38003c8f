"""Files under ``<data>/run``: who holds the data directory, and what each role says of itself."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from motorcade.errors import Conflict, Invalid, NotFound

__all__ = [
    "DataLock",
    "RoleFile",
    "check_present",
    "check_unheld",
    "holder",
    "read_states",
    "settings_in_force",
    "write_settings",
    "write_states",
    "writing_in",
]

_STALE_AFTER_S = 15.0
_UNWRITABLE: Final[Mapping[int, str]] = {
    errno.EEXIST: "it is not a directory",
    errno.ENOTDIR: "it is not a directory",
    errno.EACCES: "",
    errno.EDQUOT: "",
    errno.EIO: "",
    errno.ELOOP: "",
    errno.ENAMETOOLONG: "",
    errno.ENOENT: "",
    errno.ENOSPC: "",
    errno.EPERM: "",
    errno.EROFS: "",
}
"""What a directory says no with, and better words where the system's mislead."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs on a data directory."""

    pid: int
    started: float
    command: str


@contextlib.contextmanager
def writing_in(data: Path) -> Iterator[None]:
    """``Invalid`` naming the place where the data directory cannot be written; other errors
    pass."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in _UNWRITABLE:
            raise
        reason = _UNWRITABLE[error.errno] or os.strerror(error.errno)
        place = Path(error.filename) if isinstance(error.filename, (str, Path)) else data
        does = "write in" if place.is_relative_to(data) else "use"
        raise Invalid(f"cannot {does} {place}: {reason}") from error


def check_present(data: Path) -> None:
    """``NotFound`` where a data directory holds nothing of ours, ``Invalid`` where it cannot be
    looked into; makes nothing."""
    try:
        present = (data / "postgres").is_dir()
    except OSError as error:
        raise Invalid(f"cannot read {data}: {error.strerror}") from error
    if not present:
        raise NotFound(
            f"there is no Motorcade data in {data}; name yours with --data, or start it with"
            " `motorcade up`"
        )


class DataLock:
    """An exclusive hold on a data directory for the life of a process (released by the kernel)."""

    def __init__(self, data: Path) -> None:
        self._path = data / "run" / "lock"
        self._descriptor = -1

    def acquire(self, command: str) -> None:
        """Take the lock, making the directory where it is missing.

        Raises ``Conflict`` naming the holder where another process has it, ``Invalid`` where the
        directory cannot be written.
        """
        with writing_in(self._path.parent.parent):
            self._path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Conflict(_held_by(self._path)) from None
        self._descriptor = descriptor
        facts = Holder(pid=os.getpid(), started=time.time(), command=command)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(facts), 0)

    @property
    def held(self) -> bool:
        """Whether it is ours now."""
        return self._descriptor >= 0

    def release(self) -> None:
        """Let go, so that another ``up`` may start."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def holder(data: Path) -> Holder | None:
    """Who holds the data directory now, or None; ``Invalid`` where we may not look."""
    path = data / "run" / "lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(msgspec.DecodeError, OSError):
            return msgspec.json.decode(path.read_bytes(), type=Holder)
        return Holder(pid=0, started=0.0, command="(starting)")
    finally:
        os.close(descriptor)
    return None


def check_unheld(data: Path) -> None:
    """``Conflict`` naming the holder where a process holds the data directory now."""
    if holder(data) is not None:
        raise Conflict(_held_by(data / "run" / "lock"))


def _held_by(path: Path) -> str:
    data = path.parent.parent
    with contextlib.suppress(msgspec.DecodeError, OSError):
        found = msgspec.json.decode(path.read_bytes(), type=Holder)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.started))
        return (
            f"the data directory {data} is held by process {found.pid} (`{found.command}`, since "
            f"{since}); stop it with Ctrl-C or `kill {found.pid}`, or choose another with --data"
        )
    return f"the data directory {data} is held by another process; choose another with --data"


class RoleFile:
    """What one role process says of itself: its pid, its addresses, that it is alive."""

    def __init__(self, data: Path, role: str, index: int) -> None:
        self.path = data / "run" / f"{role}-{index}.json"

    def write(self, facts: dict[str, Any]) -> None:
        """Say that the role serves; ``facts`` are its addresses."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode({"pid": os.getpid(), **facts}))
        fresh.replace(self.path)

    def touch(self) -> None:
        """Say that the role's event loop still turns; called every second or so."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.path)

    def remove(self) -> None:
        """Say that the role serves no more."""
        self.path.unlink(missing_ok=True)

    def read(self) -> dict[str, Any] | None:
        """The facts, or None where the role has not said anything."""
        try:
            facts = msgspec.json.decode(self.path.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return facts if isinstance(facts, dict) else None

    def is_alive(self, pid: int) -> bool:
        """Whether process ``pid`` wrote it and touched it lately."""
        facts = self.read()
        if facts is None or facts.get("pid") != pid:
            return False
        return time.time() - self.path.stat().st_mtime < _STALE_AFTER_S


def write_settings(data: Path, tables: dict[str, Any]) -> Path:
    """Keep the configuration in force for roles and commands; it holds secrets, so mode 0600."""
    path = data / "run" / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(tables), indent=2))
    return path


def settings_in_force(data: Path) -> Path | None:
    """The settings file of the platform that runs on ``data``; None where none does."""
    path = data / "run" / "settings.json"
    return path if holder(data) is not None and path.exists() else None


def write_states(data: Path, states: Sequence[Mapping[str, object]]) -> None:
    """Keep what the supervisor knows of its processes, for ``motorcade status``."""
    path = data / "run" / "processes.json"
    with contextlib.suppress(OSError):  # a full disk must not end the keeping
        fresh = path.with_suffix(".tmp")
        fresh.write_bytes(msgspec.json.encode(states))
        fresh.replace(path)


def read_states(data: Path) -> list[dict[str, Any]]:
    """Every process as the supervisor last said: ``name``, ``pid``, ``ready``, ``restarts``, and
    ``addresses`` by name as the process itself says; none where nothing was said."""
    try:
        states = msgspec.json.decode(
            (data / "run" / "processes.json").read_bytes(), type=list[dict[str, Any]]
        )
    except (OSError, msgspec.DecodeError):
        return []
    for state in states:
        role, _, index = str(state["name"]).rpartition("-")
        file = RoleFile(data, role, int(index)) if index.isdigit() else None
        facts = (file.read() if file else None) or {}
        own = facts if facts.get("pid") == state["pid"] else {}
        web = {"http": [own["http"]]} if "http" in own else {}
        state["addresses"] = {**own.get("listeners", {}), **web}
    return states
