"""Opening a journal: is it there, is it ours, does it end where it ended, and who owns it.

What is in it is left to `reader` and `audit`.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from flowrunner.errors import JournalUnusable, RunBusy
from flowrunner.journal import tables
from flowrunner.journal.faults import damaged, reading_fault, storage_fault
from flowrunner.journal.mark import read_mark
from flowrunner.journal.reader import Reader
from flowrunner.platform import FileLock

LOCK_NAME = "lock"

# Whoever only looks whether a run is alive holds its lock for a moment.
_PATIENCE_S = 0.1
_PAUSE_S = 0.01

_ADDING_BUSY_MS = 5000

Connect: TypeAlias = Callable[[Path, ExitStack], sqlite3.Connection]


def is_alive(folder: Path) -> bool:
    """Whether a process works on the run in a folder right now."""
    if not (folder / LOCK_NAME).exists():
        return False
    lock = FileLock(folder / LOCK_NAME)
    try:
        if not lock.acquire():
            return True
    except OSError:
        return False
    lock.release()
    return False


def take_lock(folder: Path) -> FileLock:
    """Own the run in a folder until `release`. Raises RunBusy or EnvironmentFault."""
    lock = FileLock(folder / LOCK_NAME)
    deadline = time.monotonic() + _PATIENCE_S
    try:
        while not lock.acquire():
            if time.monotonic() > deadline:
                raise _busy(folder, lock)
            time.sleep(_PAUSE_S)
    except OSError as error:
        raise storage_fault(error, folder) from error
    return lock


def _busy(folder: Path, lock: FileLock) -> RunBusy:
    owner = lock.owner() or "its pid is not known"
    try:
        taken = datetime.fromtimestamp(lock.path.stat().st_mtime, UTC)
        since = f" since {taken:%Y-%m-%d %H:%M:%S} UTC"
    except OSError:
        since = ""
    return RunBusy(
        f"The run `{folder.name}` is already being worked on by another flowrunner "
        f"({owner}{since}).",
        help="Wait until it has ended, or stop that one first.",
    )


def open_reader(folder: Path, closing: ExitStack) -> Reader:
    """A reader of the journal in a folder, closed by `closing`.

    Raises JournalUnusable for what is no whole journal of this version, EnvironmentFault where
    the disk does not let it be read.
    """
    return _open(folder, closing, _connect)


def open_to_add(folder: Path, closing: ExitStack) -> Reader:
    """A reader whose connection may add to tables that need no ownership, beside a living owner.

    Raises as `open_reader` does.
    """
    return _open(folder, closing, _connect_to_add)


def _open(folder: Path, closing: ExitStack, connect: Connect) -> Reader:
    path = folder / tables.FILE_NAME
    mark = read_mark(folder)  # before the journal: a living writer moves it on after each record
    check_readable(path)
    try:
        connection = connect(path, closing)
        tables.check_identity(connection, path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise reading_fault(error, path) from error
    reader = Reader(connection, path)
    last_seq = reader.last_seq()
    if mark > last_seq:
        raise damaged(path, last_seq + 1, "the last records that were written to it are missing")
    return reader


def check_readable(path: Path) -> None:
    """Refuse a journal that is missing, empty or unreadable.

    Without opening it: closing a file gives up all that SQLite has locked of it in this process.
    """
    try:
        empty = not path.stat().st_size
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    except FileNotFoundError:
        raise JournalUnusable(
            f"There is no journal in `{path.parent}`.",
            help="Name the folder of a run; `flowrunner runs` lists them.",
        ) from None
    except OSError as error:
        raise storage_fault(error, path.parent) from error
    if empty:
        raise JournalUnusable(
            f"The journal `{path}` is empty: the run ended before it began, or the file was cut.",
            help="Start the workflow again with `flowrunner run`.",
        )


def _connect(path: Path, closing: ExitStack) -> sqlite3.Connection:
    try:
        connection = tables.connect_reader(path)
        closing.callback(connection.close)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
            raise
        return _connect_otherwise(path, closing)
    return connection


def _connect_to_add(path: Path, closing: ExitStack) -> sqlite3.Connection:
    connection = tables.connect(path)
    closing.callback(connection.close)
    # A person waits for the answer; and the log is its owner's to fold in.
    connection.execute(f"PRAGMA busy_timeout = {_ADDING_BUSY_MS}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _connect_otherwise(path: Path, closing: ExitStack) -> sqlite3.Connection:
    """Where SQLite must put something right beside the file before it can read it.

    A dead writer leaves a log that needs an index, or a half-done change of the file's mode. In a
    folder where nothing may be written a private copy is put right instead.
    """
    if not os.access(path.parent, os.W_OK):
        path = _copy(path, Path(closing.enter_context(tempfile.TemporaryDirectory())))
    connection = tables.connect(path)
    closing.callback(connection.close)
    return connection


def _copy(path: Path, folder: Path) -> Path:
    """The journal with what belongs to it, in another folder."""
    for name in (path, tables.write_ahead_log(path), path.with_name(path.name + "-journal")):
        if name.exists():
            shutil.copyfile(name, folder / name.name)
    return folder / path.name
