"""A journal that does not hold what was written is refused, never half believed."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_histories import call_sent, clock, item_history, small_history, step_started

from flowrunner.errors import ExitStatus, JournalUnusable
from flowrunner.events import Event
from flowrunner.journal.journal import Journal
from flowrunner.journal.tables import FORMAT

HISTORY = [*small_history(), *item_history(3)]
FROZEN = {"workflow": "steps: " + "x" * 5000, "inputs": "{}"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was closed: one file."""
    folder = tmp_path_factory.mktemp("closed") / "run"
    with Journal.create(folder, FROZEN, clock, inline=True) as journal:
        asyncio.run(journal.append_many(HISTORY))
    return folder


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose process died: its last records stand in the log."""
    home = tmp_path_factory.mktemp("crashed")
    with Journal.create(home / "living", FROZEN, clock, inline=True) as journal:
        for event in HISTORY:
            asyncio.run(journal.append(event))
        shutil.copytree(home / "living", home / "run")
    return home / "run"


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "run", dirs_exist_ok=True)


def everything(folder: Path) -> list[object]:
    """All that can be read from a journal, once it lets itself be taken over."""
    with Journal.open(folder, writable=True, inline=True) as journal:
        run = journal.replay()
        return [
            list(journal.events(bodies=True)),
            run,
            [step.calls for step in run.steps.values()],
            {name: journal.frozen(name) for name in journal.frozen_names()},
        ]


def is_refused_or_whole(folder: Path, whole: list[object]) -> bool:
    """True when it was refused. Fails when something else than the truth could be read."""
    try:
        found = everything(folder)
    except JournalUnusable as refusal:
        return refusal.exit_status == ExitStatus.JOURNAL and "; nothing was" in refusal.message
    assert found == whole
    return False


def test_a_crashed_run_is_whole(crashed: Path, tmp_path: Path) -> None:
    events = everything(copy_of(crashed, tmp_path))[0]
    assert events == list(enumerate(HISTORY, start=1))


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes(closed: Path, tmp_path: Path, seed: int) -> None:
    """A flipped byte is refused, or it stood where nothing is kept."""
    places = random.Random(seed)
    whole = everything(copy_of(closed, tmp_path / "whole"))
    original = (closed / "journal.db").read_bytes()
    folder = copy_of(closed, tmp_path)
    refused = 0
    for _ in range(40):
        content = bytearray(original)
        content[places.randrange(len(content))] ^= places.randrange(1, 256)
        (folder / "journal.db").write_bytes(content)
        refused += is_refused_or_whole(folder, whole)
    assert refused > 8


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_in_the_log(crashed: Path, tmp_path: Path, seed: int) -> None:
    places = random.Random(seed)
    whole = everything(copy_of(crashed, tmp_path / "whole"))
    original = (crashed / "journal.db-wal").read_bytes()
    refused = 0
    for number in range(15):
        folder = copy_of(crashed, tmp_path / str(number))
        content = bytearray(original)
        content[places.randrange(len(content))] ^= places.randrange(1, 256)
        (folder / "journal.db-wal").write_bytes(content)
        refused += is_refused_or_whole(folder, whole)
    assert refused


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_in_a_journal_too_large_to_verify(
    closed: Path, tmp_path: Path, seed: int
) -> None:
    """Whoever only reads gets the truth or a refusal, whatever the damage."""
    places = random.Random(seed)
    original = (closed / "journal.db").read_bytes()
    folder = copy_of(closed, tmp_path)
    with Journal.open(folder) as journal:
        whole = list(journal.events(bodies=True)), journal.replay()
    refused = 0
    for _ in range(60):
        content = bytearray(original)
        content[places.randrange(len(content))] ^= places.randrange(1, 256)
        (folder / "journal.db").write_bytes(content)
        try:
            with Journal.open(folder) as journal:
                found = list(journal.events(bodies=True)), journal.replay()
        except JournalUnusable:
            refused += 1
        else:
            assert found == whole
    assert refused > 8


def test_a_cut_file(closed: Path, tmp_path: Path) -> None:
    original = (closed / "journal.db").read_bytes()
    folder = copy_of(closed, tmp_path)
    offsets = [*range(0, 200, 7), *range(200, len(original), 1021), len(original) - 1]
    for offset in offsets:
        (folder / "journal.db").write_bytes(original[:offset])
        with pytest.raises(JournalUnusable):
            everything(folder)
        with pytest.raises(JournalUnusable):
            read_all(folder)


def read_every_way(folder: Path) -> None:
    """Without taking over and without verifying: each row is checked where it is read."""
    with Journal.open(folder) as journal:
        journal.replay()
        list(journal.events(bodies=True))
        for name in FROZEN:
            journal.frozen(name)


def read_all(folder: Path) -> list[tuple[int, Event]]:
    with Journal.open(folder) as journal:
        journal.verify()
        return list(journal.events(bodies=True))


def test_a_cut_log_is_noticed(crashed: Path, tmp_path: Path) -> None:
    """Records that were acknowledged are missing: the mark beside the journal tells."""
    original = (crashed / "journal.db-wal").read_bytes()
    for number, offset in enumerate([*range(0, len(original), 4099), len(original) - 1]):
        folder = copy_of(crashed, tmp_path / str(number))
        (folder / "journal.db-wal").write_bytes(original[:offset])
        with pytest.raises(JournalUnusable, match="damaged"):
            everything(folder)


def test_a_cut_log_without_a_mark_ends_with_a_whole_record(crashed: Path, tmp_path: Path) -> None:
    """What a power loss leaves when the last record was not acknowledged yet."""
    original = (crashed / "journal.db-wal").read_bytes()
    lengths = set()
    for number, offset in enumerate(range(len(original) - 40_000, len(original), 997)):
        folder = copy_of(crashed, tmp_path / str(number))
        (folder / "journal.db-wal").write_bytes(original[:offset])
        (folder / "journal.mark").unlink()
        events = everything(folder)[0]
        assert events == list(enumerate(HISTORY, start=1))[: len(events)]
        lengths.add(len(events))
    assert len(lengths) > 1
    assert len(HISTORY) not in lengths


def test_a_missing_log_is_noticed(crashed: Path, tmp_path: Path) -> None:
    folder = copy_of(crashed, tmp_path)
    (folder / "journal.db-wal").unlink()
    for writable in (True, False):
        with pytest.raises(JournalUnusable, match=r"damaged.*nothing was sent"):
            Journal.open(folder, writable=writable)


def test_a_mark_that_is_behind_or_garbled_means_nothing(crashed: Path, tmp_path: Path) -> None:
    for number, mark in enumerate((b"", b"00000000000000000001\n", b"garbage", b"\xff" * 30)):
        folder = copy_of(crashed, tmp_path / str(number))
        (folder / "journal.mark").write_bytes(mark)
        assert len(everything(folder)[0]) == len(HISTORY)


def edit(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


EDITS = {
    "header": ("UPDATE events SET header = replace(header, 'prompt', 'tmorpp') WHERE seq = 3", 3),
    "time": ("UPDATE events SET at = at + 1 WHERE seq = 4", 4),
    "kind": ("UPDATE events SET kind = 'step_dreamed' WHERE seq = 5", 5),
    "record-removed": ("DELETE FROM events WHERE seq = 6", 6),
    "last-record-removed": ("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)", 24),
    "body": ("UPDATE bodies SET content = zeroblob(9) WHERE id = 4 * 8", 4),
    "body-removed": ("DELETE FROM bodies WHERE id = 7 * 8", 7),
    "body-moved": ("UPDATE bodies SET id = 7 * 8 + 1 WHERE id = 7 * 8", 7),
    "step": ("UPDATE steps SET content = replace(content, 'succeeded', 'failed')", None),
    "step-renamed": ("UPDATE steps SET unit = 'triagf' WHERE unit = 'triage'", None),
    "step-removed": ("DELETE FROM steps WHERE unit = 'triage'", None),
    "call": ("UPDATE calls SET content = replace(content, '0.25', '0.24')", None),
    "call-removed": ("DELETE FROM calls WHERE post = 2", None),
    "totals": ("UPDATE spend SET content = replace(content, '4', '5')", None),
    "totals-removed": ("DELETE FROM spend", None),
    "frozen": ("UPDATE frozen SET content = zeroblob(9) WHERE name = 'inputs'", None),
    "frozen-renamed": ("UPDATE frozen SET name = 'outputs' WHERE name = 'inputs'", None),
}


@pytest.mark.parametrize(("statement", "seq"), EDITS.values(), ids=EDITS)
def test_what_was_changed_behind_its_back(
    closed: Path, tmp_path: Path, statement: str, seq: int | None
) -> None:
    folder = copy_of(closed, tmp_path)
    (folder / "journal.mark").unlink()
    edit(folder, statement)
    where = "is damaged" if seq is None else f"is damaged at record {seq}[.;:]"
    with pytest.raises(JournalUnusable, match=where):
        everything(folder)
    with pytest.raises(JournalUnusable):
        read_every_way(folder)


def test_a_damaged_body_is_refused_when_it_is_read(closed: Path, tmp_path: Path) -> None:
    folder = copy_of(closed, tmp_path)
    edit(folder, "UPDATE bodies SET content = zeroblob(9) WHERE id = 8 * 8")
    with Journal.open(folder) as journal:
        with pytest.raises(JournalUnusable, match="damaged at record 8"):
            journal.result("triage")
        assert journal.body(4, "request")


def test_kept_rows_that_lost_touch_are_rebuilt(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "run", {}, clock, inline=True) as journal:
        asyncio.run(journal.append_many(HISTORY))
        whole = journal.replay()
        edit(journal.folder, "DELETE FROM steps", "UPDATE calls SET content = '[]'")
        journal.rebuild_projection()
        journal.verify()
        assert journal.replay() == whole


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (FORMAT + 1, f"format {FORMAT + 1}, written by a newer"),
        (1, "format 1, written by an older"),
    ],
    ids=["newer", "older"],
)
@pytest.mark.parametrize("writable", [True, False], ids=["to-write", "to-read"])
def test_another_version(
    closed: Path, tmp_path: Path, version: int, words: str, writable: bool
) -> None:
    folder = copy_of(closed, tmp_path)
    edit(folder, f"PRAGMA user_version = {version}")
    with pytest.raises(
        JournalUnusable, match=f"{words} flowrunner; this one reads format {FORMAT}; noth"
    ):
        Journal.open(folder, writable=writable)


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(20_000))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY)")
    connection.close()


def missing(path: Path) -> None:
    path.unlink()


def with_a_trigger(path: Path) -> None:
    edit(path.parent, "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM steps; END")


def with_a_table_gone(path: Path) -> None:
    edit(path.parent, "DROP TABLE calls")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (garbage, "is damaged"),
        (empty, "is empty: the run ended before it began"),
        (foreign, "is not a journal of flowrunner"),
        (missing, "There is no journal in"),
        (with_a_trigger, f"damaged: its tables are not those of format {FORMAT}"),
        (with_a_table_gone, f"damaged: its tables are not those of format {FORMAT}"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("writable", [True, False], ids=["to-write", "to-read"])
def test_what_is_no_journal(
    closed: Path, tmp_path: Path, change: Callable[[Path], None], words: str, writable: bool
) -> None:
    folder = copy_of(closed, tmp_path)
    change(folder / "journal.db")
    with pytest.raises(JournalUnusable, match=f"{words}.*; nothing was sent"):
        Journal.open(folder, writable=writable)


def test_nothing_is_appended_to_what_changed_under_its_owner(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "run", {}, clock) as journal:
        asyncio.run(journal.append_many(small_history()))
        edit(journal.folder, "DELETE FROM events WHERE seq = 11")
        with pytest.raises(JournalUnusable, match="damaged"):
            asyncio.run(journal.append(step_started()))
        with pytest.raises(JournalUnusable, match="damaged"):
            asyncio.run(journal.append(call_sent()))
