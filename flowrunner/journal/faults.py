"""What the disk and SQLite refuse, as sentences for people.

Which operation was refused, and what follows for the run, is left to the callers.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from flowrunner.errors import EnvironmentFault, FlowrunnerError, JournalUnusable

_GO_ON = "Then `flowrunner resume`: what is finished is kept and not sent again."
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP}
_TOO_MANY = {errno.EMFILE, errno.ENFILE}


_IN_THE_WAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
}


def is_storage_error(error: BaseException) -> bool:
    """Whether an exception comes from the disk or the database, and not from our own code."""
    # A misuse of the library or a broken constraint would be our own mistake.
    if isinstance(error, sqlite3.DatabaseError):
        return not isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError)
    return isinstance(error, OSError)


def storage_fault(error: BaseException, folder: Path) -> FlowrunnerError:
    """The sentence for an error of the disk or the database under a run folder."""
    if isinstance(error, FlowrunnerError):
        return error
    if isinstance(error, OSError):
        return _system_fault(error.errno, folder)
    return _database_fault(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT), folder)


def reading_fault(error: BaseException, path: Path) -> FlowrunnerError:
    """The sentence for a journal file that is there and cannot be read.

    It is damaged, unless something else stands in the way.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code & 0xFF in _IN_THE_WAY and code != sqlite3.SQLITE_IOERR_SHORT_READ:
        return storage_fault(error, path.parent)
    return damaged(path)


def damaged(path: Path, seq: int | None = None, what: str | None = None) -> JournalUnusable:
    """The refusal of a journal that does not hold what was written to it."""
    where = "" if seq is None else f" at record {seq}"
    detail = "" if what is None else f": {what}"
    return JournalUnusable(
        f"The journal `{path}` is damaged{where}{detail}.",
        help="Restore the run folder from a copy, or start the workflow again with "
        "`flowrunner run`.",
    )


def folder_is_gone(folder: Path) -> EnvironmentFault:
    """The run folder, or the journal in it, was taken away under a living run."""
    return EnvironmentFault(
        f"The run folder `{folder}` was removed or replaced while the run was going on.",
        help="Nothing more was sent. Start the workflow again with `flowrunner run`.",
    )


def _system_fault(number: int | None, folder: Path) -> EnvironmentFault:
    if number in _FULL:
        return _no_space(folder)
    if number in _FORBIDDEN:
        return _forbidden(folder)
    if number in _MISSING:
        return EnvironmentFault(
            f"The folder `{folder}` does not exist, or it or something above it is not a folder."
        )
    if number in _NO_LOCKS:
        return EnvironmentFault(
            f"Locking is not supported on the file system that holds `{folder}`.",
            help="Keep the project on a local disk: two runs could not be told apart here.",
        )
    if number in _TOO_MANY:
        return EnvironmentFault(
            f"Too many files are open: `{folder}` could not be used.",
            help="Raise the limit (`ulimit -n`) or lower `at_once`.",
        )
    return _disk_error(folder)


def _database_fault(code: int, folder: Path) -> FlowrunnerError:
    primary = code & 0xFF  # the rest of a SQLite code only refines it
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return damaged(folder / "journal.db")
    if code == sqlite3.SQLITE_READONLY_DBMOVED or not folder.is_dir():
        return folder_is_gone(folder)
    if primary == sqlite3.SQLITE_IOERR and _is_full(folder):
        return _no_space(folder)
    if primary == sqlite3.SQLITE_READONLY and _may_be_written(folder):
        return damaged(folder / "journal.db", what="it says that it may not be written to")
    return _DATABASE_FAULTS.get(primary, _disk_error)(folder)


def _may_be_written(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / "journal.db", os.W_OK)


def _is_full(folder: Path) -> bool:
    try:
        return os.statvfs(folder).f_bavail == 0
    except (OSError, AttributeError):
        return False


def _no_space(folder: Path) -> EnvironmentFault:
    return EnvironmentFault(
        f"No space left for the run folder `{folder}`.",
        help=f"Free some space on that disk. {_GO_ON}",
    )


def _forbidden(folder: Path) -> EnvironmentFault:
    return EnvironmentFault(
        f"The folder `{folder}` may not be written to.",
        help="Check who owns it and its permissions.",
    )


def _disk_error(folder: Path) -> EnvironmentFault:
    return EnvironmentFault(
        f"The disk failed to store a record of the run in `{folder}`.",
        help=f"Check the disk. {_GO_ON}",
    )


def _locked(folder: Path) -> EnvironmentFault:
    return EnvironmentFault(
        f"Another program keeps the journal in `{folder}` locked.",
        help=f"Close the program that has it open. {_GO_ON}",
    )


def _not_openable(folder: Path) -> EnvironmentFault:
    return EnvironmentFault(f"The journal in `{folder}` could not be opened.")


_DATABASE_FAULTS = {
    sqlite3.SQLITE_FULL: _no_space,
    sqlite3.SQLITE_READONLY: _forbidden,
    sqlite3.SQLITE_PERM: _forbidden,
    sqlite3.SQLITE_BUSY: _locked,
    sqlite3.SQLITE_LOCKED: _locked,
    sqlite3.SQLITE_CANTOPEN: _not_openable,
}
