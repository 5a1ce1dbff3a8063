"""The journal file: its tables, its version, and connections to it.

What stands in the rows is left to `rows` and `codec`.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import Literal

from flowrunner.errors import JournalUnusable
from flowrunner.journal.faults import damaged
from flowrunner.journal.rows import (
    APPROVAL_FIELDS,
    CALL_FIELDS,
    ERROR_FIELDS,
    STEP_FIELDS,
    USAGE_FIELDS,
)

FILE_NAME = "journal.db"
APPLICATION_ID = 0x666C6F77  # "flow"
FORMAT = 4
_INNER = {"usage": USAGE_FIELDS, "error": ERROR_FIELDS, "approval": APPROVAL_FIELDS}

# Tells a run's own events from those of its steps; the index and the query must say it alike.
OF_THE_RUN = (
    "kind IN ('run_started', 'run_resumed', 'run_finished', 'warned', 'slowed', 'file_uploaded')"
)
# Tells what the tools of a unit did, and what people said about them; likewise.
OF_TOOLS = "kind IN ('tool_call_began', 'tool_call_ended', 'approval_asked', 'approval_given')"

_BUSY_MS = 10_000
# Between checkpoints the write-ahead log grows to about 16 MB: fewer syncs of the main file.
_CHECKPOINT_PAGES = 4000


def _columns(table_fields: tuple[str, ...], first: int = 0) -> str:
    columns = []
    for position, name in enumerate(table_fields, start=first):
        inner = _INNER.get(name)
        for place, part in enumerate(inner or ()):
            columns.append(f"json_extract(content, '$[{position}][{place}]') AS {name}_{part}")
        if inner is None:
            columns.append(f"json_extract(content, '$[{position}]') AS {name}")
    return ", ".join(columns)


# The id of a body is seq * 8 + the position of its field: so bodies stand in the order of writing,
# and are found by record without a second index.
_SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE frozen (
    name TEXT PRIMARY KEY, zipped INTEGER NOT NULL, content BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL,
    unit TEXT, attempt INTEGER, turn INTEGER, post INTEGER,
    header TEXT NOT NULL, checksum INTEGER NOT NULL
);
CREATE INDEX events_of_the_run ON events (seq) WHERE {OF_THE_RUN};
CREATE INDEX events_of_tools ON events (unit, seq) WHERE {OF_TOOLS};
CREATE TABLE bodies (
    id INTEGER PRIMARY KEY, field TEXT NOT NULL,
    zipped INTEGER NOT NULL, content BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE steps (
    unit TEXT PRIMARY KEY, content TEXT NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE calls (
    unit TEXT, attempt INTEGER, turn INTEGER, post INTEGER,
    content TEXT NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (unit, attempt, turn, post)
) WITHOUT ROWID;
CREATE TABLE decisions (
    unit TEXT, asked INTEGER, content TEXT NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (unit, asked)
) WITHOUT ROWID;
CREATE TABLE spend (
    id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL,
    content TEXT NOT NULL, checksum INTEGER NOT NULL
);
CREATE VIEW readable_steps AS SELECT unit, {_columns(STEP_FIELDS)} FROM steps;
CREATE VIEW readable_calls AS
    SELECT unit, attempt, turn, post, {_columns(CALL_FIELDS)} FROM calls
"""  # noqa: S608  # field names of ours


def create_tables(connection: sqlite3.Connection) -> None:
    """Write the empty tables, inside the transaction of the caller."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write; a commit is on disk before it returns. Raises sqlite3.Error."""
    return open_database(path, "rw")


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing. Raises sqlite3.Error, often only at the first query."""
    return open_database(path, "ro")


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection for many small commits beside readers. Raises sqlite3.Error."""
    connection = connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_database(path: Path, mode: Literal["rw", "ro"]) -> sqlite3.Connection:
    """A connection to a file that is there, careful about what it holds. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        # The file may come from anywhere: nothing in its schema may call a function with effects.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: a sync that reaches the medium
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def write_ahead_log(path: Path) -> Path:
    """The file beside a journal that holds its latest records."""
    return path.with_name(path.name + "-wal")


def storage_bytes(path: Path) -> int:
    """How large a journal is on disk, its latest records included."""
    return sum(file.stat().st_size for file in (path, write_ahead_log(path)) if file.exists())


def check_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is no journal of this version with a JournalUnusable that says what it is."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise JournalUnusable(
            f"`{path}` is not a journal of flowrunner.",
            help="Name the folder of a run; `flowrunner runs` lists them.",
        )
    if version != FORMAT:
        writer = "a newer" if version > FORMAT else "an older"
        raise JournalUnusable(
            f"The journal `{path}` has format {version}, written by {writer} flowrunner; "
            f"this one reads format {FORMAT}.",
            help="Use the version of flowrunner that wrote this run.",
        )
    if _schema(connection) != _expected_schema():
        raise damaged(path, what=f"its tables are not those of format {FORMAT}")


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str, str | None]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


@cache
def _expected_schema() -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(":memory:") as connection:
        create_tables(connection)
        schema = _schema(connection)
    connection.close()
    return schema
