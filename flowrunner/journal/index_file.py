"""The file of the index: made anew whenever it is not whole, of another version or not our own.

Several programs may use it at once, and one may replace it while others still have the old one:
they read and write what nobody sees any more, which does no harm. What it says is left to `index`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from flowrunner.errors import EnvironmentFault
from flowrunner.journal import tables
from flowrunner.platform import FileLock

FILE_NAME = "index.db"
_LOCK_NAME = "index.lock"
_APPLICATION_ID = 0x666C6F69  # "floi"
_FORMAT = 1

# An entry keeps its id as long as it holds: whoever began to look at one moment sees the same
# entries in the same order until it is done. Ids are not used twice.
_SCHEMA = """
CREATE TABLE runs (run TEXT PRIMARY KEY, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT NOT NULL,
    at REAL NOT NULL, run TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE (run, unit)
);
CREATE INDEX entries_by_fingerprint ON entries (fingerprint, at)
"""

# Larger ones are not read whole at the start: whatever is found is looked up in its run anyway.
_CHECKED_BYTES = 32 * 2**20
_PATIENCE_S = 5.0
_PAUSE_S = 0.01

_NOT_ITS_FAULT = {
    sqlite3.SQLITE_BUSY: "another program keeps it locked",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked",
    sqlite3.SQLITE_FULL: "there is no space left on its disk",
    sqlite3.SQLITE_READONLY: "it may not be written to",
    sqlite3.SQLITE_PERM: "it may not be written to",
    sqlite3.SQLITE_CANTOPEN: "it could not be opened",
    sqlite3.SQLITE_IOERR: "its disk failed",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}

Identity = tuple[int, int]


def open_index(home: Path, worn_out: Identity | None = None) -> sqlite3.Connection:
    """A connection to the index in a folder, which is made anew, and empty, where it is no good.

    `worn_out` is the file that turned out to be damaged. Raises sqlite3.Error or OSError where
    something else is in the way, EnvironmentFault where another program does not let go of it.
    """
    path = home / FILE_NAME
    with alone(home / _LOCK_NAME):
        if identity(path) not in {None, worn_out}:
            with suppress(_Unfit):
                return _open_fit(path)
        _make_anew(path)
        return _connect(path)


def identity(path: Path) -> Identity | None:
    """Which file stands under a name; None where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino)


def is_worn_out(error: Exception) -> bool:
    """Whether an error says that the file is damaged, and not that something is in its way."""
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    ours = isinstance(error, sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.DatabaseError) and not ours and code not in _NOT_ITS_FAULT


def index_fault(error: Exception, home: Path) -> EnvironmentFault:
    """The sentence for an index that cannot be used."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
    why = _NOT_ITS_FAULT.get(code, "it is damaged")
    if isinstance(error, OSError):
        why = (error.strerror or "its disk failed").lower()
    return EnvironmentFault(
        f"The index of earlier results `{home / FILE_NAME}` could not be used: {why}.",
        help="Results of earlier runs are not found without it. It may be removed: it is made "
        "again from the runs.",
    )


def keeps_permissions(folder: Path) -> bool:
    """Whether the file system of a folder tells whom a file belongs to alone."""
    fd, name = tempfile.mkstemp(dir=folder)
    try:
        return not stat.S_IMODE(os.fstat(fd).st_mode) & 0o077
    finally:
        os.close(fd)
        Path(name).unlink()


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may use what stands under a name, and it is no link.

    What git checked out does not look like that. Raises OSError.
    """
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and not stat.S_IMODE(mode) & 0o077


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While nobody else holds the lock at a path. Raises EnvironmentFault after some seconds."""
    lock = FileLock(path)
    deadline = time.monotonic() + _PATIENCE_S
    while not lock.acquire():
        if time.monotonic() > deadline:
            raise EnvironmentFault(f"Another program keeps `{path}` locked.")
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        lock.release()


class _Unfit(Exception):
    """The file is no index of ours, or no longer."""


def _open_fit(path: Path) -> sqlite3.Connection:
    if not path.is_file() or (keeps_permissions(path.parent) and not is_private(path)):
        raise _Unfit
    with ExitStack() as undo:
        try:
            connection = _connect(path)
            undo.callback(connection.close)
            _check(connection, path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_worn_out(error):
                raise _Unfit from error
            raise
        undo.pop_all()
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = tables.open_database(path, "rw")
    connection.execute("PRAGMA synchronous = NORMAL")  # what a crash takes is found again
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _identity_of(connection) != _expected():
        raise _Unfit
    if path.stat().st_size <= _CHECKED_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchall()
        if found != [("ok",)]:
            raise _Unfit


def _identity_of(connection: sqlite3.Connection) -> list[object]:
    return [
        connection.execute("PRAGMA application_id").fetchone(),
        connection.execute("PRAGMA user_version").fetchone(),
        *connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall(),
    ]


@cache
def _expected() -> list[object]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _create_tables(connection)
    expected = _identity_of(connection)
    connection.close()
    return expected


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)


def _make_anew(path: Path) -> None:
    growing = path.with_name(f"{path.name}.new")
    growing.unlink(missing_ok=True)
    os.close(os.open(growing, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = tables.open_database(growing, "rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        _create_tables(connection)
    finally:
        connection.close()
    # What is left beside the old one would be taken for the new one's.
    for name in (tables.write_ahead_log(path), path.with_name(f"{path.name}-shm")):
        name.unlink(missing_ok=True)
    growing.replace(path)
