"""Results of earlier runs are found by fingerprint, always as their run has them, or not at all."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_histories import (
    NOW,
    address,
    call_answered,
    call_sent,
    clock,
    run_finished,
    run_started,
)

from flowrunner import events
from flowrunner.errors import EnvironmentFault
from flowrunner.events import Event
from flowrunner.journal.index import Found, Index
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import runs_folder

CHILD = str(Path(__file__).with_name("journal_child.py"))
FIRST, SECOND, THIRD = (f"2026092{day}-120000-0000" for day in (1, 2, 3))


def finished(
    unit: str, fingerprint: str | None = "f1", at: float = NOW, **fields: Any
) -> events.StepFinished:
    result = {"status": "succeeded", "text": f"{unit} at {at}"}
    chosen = {"verb": "prompt", "status": "succeeded", "result": result, **fields}
    return events.StepFinished(at=at, address=address(unit), fingerprint=fingerprint, **chosen)


def run_of(project: Path, run: str, *history: Event, simulated: bool = False) -> Path:
    folder = runs_folder(project) / run
    start = replace(run_started("triage"), run=run, simulated=simulated)
    with Journal.create(folder, {}, clock, inline=True) as journal:
        asyncio.run(journal.append_many([start, *history, run_finished()]))
    return folder


def found(run: str, unit: str, at: float = NOW, cost_usd: float | None = 0) -> Found:
    return Found(run, unit, at, {"status": "succeeded", "text": f"{unit} at {at}"}, cost_usd)


def look_up(project: Path, fingerprint: str = "f1", **options: Any) -> Found | None:
    with Index.open(project) as index:
        return index.look_up(fingerprint, **options)


def test_a_result_is_found_with_what_it_cost(tmp_path: Path) -> None:
    calls = [call_sent(), call_answered(), call_sent(address(post=2))]
    end = call_answered(address(post=2), cost_usd=0.5)
    run_of(tmp_path, FIRST, *calls, end, finished("triage"))
    assert look_up(tmp_path) == found(FIRST, "triage", cost_usd=0.75)
    assert look_up(tmp_path, "f2") is None


def test_what_was_asked_and_answered_is_found_where_the_run_is(tmp_path: Path) -> None:
    calls = [call_sent(), call_answered(), call_sent(address(post=2))]
    end = replace(call_answered(address(post=2)), response={"id": "resp_2"})
    run_of(tmp_path, FIRST, *calls, end, finished("triage"))
    with Index.open(tmp_path) as index:
        assert index.exchange(FIRST, "triage") == (calls[0].request, {"id": "resp_2"})
        assert index.exchange(FIRST, "nobody") is None
        assert index.exchange(SECOND, "triage") is None
        assert index.exchange("../elsewhere", "triage") is None


def test_a_result_of_unknown_cost(tmp_path: Path) -> None:
    run_of(tmp_path, FIRST, call_sent(), call_answered(cost_usd=None), finished("triage"))
    assert look_up(tmp_path) == found(FIRST, "triage", cost_usd=None)


def test_an_end_that_is_known_from_its_start(tmp_path: Path) -> None:
    start = events.StepStarted(at=NOW, address=address(), verb="prompt", fingerprint="f1")
    run_of(tmp_path, FIRST, start, finished("triage", None))
    assert look_up(tmp_path) == found(FIRST, "triage")


def test_the_newest_first_and_each_once(tmp_path: Path) -> None:
    ends = [finished(f"extract[{number}]", at=NOW + number) for number in (2, 1)]
    run_of(tmp_path, FIRST, *ends, finished("other", "f2"))
    run_of(tmp_path, SECOND, finished("triage", at=NOW + 1.5))
    with Index.open(tmp_path) as index:
        assert [index.look_up("f1", nth=nth) for nth in (1, 2, 3, 4)] == [
            found(FIRST, "extract[2]", NOW + 2),
            found(SECOND, "triage", NOW + 1.5),
            found(FIRST, "extract[1]", NOW + 1),
            None,
        ]
        assert index.look_up("f1", nth=2, newer_than=NOW + 1) == found(SECOND, "triage", NOW + 1.5)
        assert index.look_up("f1", nth=3, newer_than=NOW + 1) is None
        assert index.look_up("f1", newer_than=NOW + 2) is None


NOT_TAKEN = {
    "failed": finished("triage", status="failed"),
    "skipped": finished("triage", status="skipped"),
    "no-fingerprint": finished("triage", None),
    "a-command": finished("triage", verb="run"),
    "an-approval": finished("triage", verb="approve"),
    "reused": finished("triage", reused_from=f"{SECOND}/triage"),
    "no-result": finished("triage", result=None),
    "not-there-yet": events.StepStarted(at=NOW, address=address(), verb="prompt", fingerprint="f1"),
}


@pytest.mark.parametrize("event", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_is_not_taken(tmp_path: Path, event: Event) -> None:
    run_of(tmp_path, FIRST, event)
    assert look_up(tmp_path) is None


def test_nothing_comes_from_a_simulation(tmp_path: Path) -> None:
    folder = run_of(tmp_path, FIRST, finished("triage"), simulated=True)
    with Index.open(tmp_path) as index:
        index.add_run(folder)
    assert look_up(tmp_path) is None


def test_a_reused_result_is_found_where_it_came_from(tmp_path: Path) -> None:
    run_of(tmp_path, FIRST, finished("triage"))
    run_of(tmp_path, SECOND, finished("triage", at=NOW + 60, reused_from=f"{FIRST}/triage"))
    assert look_up(tmp_path) == found(FIRST, "triage")
    assert look_up(tmp_path, nth=2) is None
    assert look_up(tmp_path, newer_than=NOW + 30) is None


def test_a_run_is_added_by_its_owner(tmp_path: Path) -> None:
    """While it still owns the journal, with the end of the run not on record yet."""
    run_of(tmp_path, FIRST, finished("triage"))
    with Index.open(tmp_path) as index:
        folder = runs_folder(tmp_path) / SECOND
        with Journal.create(folder, {}, clock) as journal:
            history = [run_started("reply"), finished("reply", "f2")]
            asyncio.run(journal.append_many(history))
            index.add_run(folder)
            assert look_up(tmp_path, "f2") == found(SECOND, "reply")
            asyncio.run(journal.append(run_finished()))
    assert look_up(tmp_path, "f2") == found(SECOND, "reply")


def test_what_comes_in_meanwhile_moves_nothing(tmp_path: Path) -> None:
    """Who counts to the second newest does not meet the newest again."""
    run_of(tmp_path, FIRST, finished("a", at=NOW + 1), finished("b"))
    with Index.open(tmp_path) as index:
        assert index.look_up("f1") == found(FIRST, "a", NOW + 1)
        with Index.open(tmp_path) as other:
            other.add_run(run_of(tmp_path, SECOND, finished("c", at=NOW + 9)))
            assert other.look_up("f1") == found(FIRST, "a", NOW + 1)
        assert index.look_up("f1", nth=2) == found(FIRST, "b")
        assert index.look_up("f1", nth=3) is None
    assert look_up(tmp_path) == found(SECOND, "c", NOW + 9)


def test_a_run_that_died_is_found_and_what_it_did_later_too(tmp_path: Path) -> None:
    folder = runs_folder(tmp_path) / FIRST
    asked = [sys.executable, CHILD, "die_with_results", str(folder), "0"]
    assert subprocess.run(asked, check=False).returncode == -9
    assert look_up(tmp_path) == found(FIRST, "triage")
    with Journal.open(folder, writable=True) as journal:
        asyncio.run(journal.append(finished("reply", "f2")))
        assert look_up(tmp_path, "f2") is None
    assert look_up(tmp_path, "f2") == found(FIRST, "reply")


def test_a_unit_that_was_done_again(tmp_path: Path) -> None:
    folder = run_of(tmp_path, FIRST, finished("triage"), finished("reply"))
    assert look_up(tmp_path, nth=2)
    with Journal.open(folder, writable=True) as journal:
        again = [finished("triage", "f2", NOW + 9), finished("reply", status="failed")]
        asyncio.run(journal.append_many(again))
    assert look_up(tmp_path) is None
    assert look_up(tmp_path, "f2") == found(FIRST, "triage", NOW + 9)


# --- what is gone or damaged


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def garble(folder: Path) -> None:
    (folder / "journal.db").write_bytes(b"garbage" * 1000)


def edit(statement: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
        connection.execute(statement)
        connection.close()

    return change


LOSSES = {
    "removed": remove,
    "step-changed": edit("UPDATE steps SET content = replace(content, 'f1', 'f2')"),
    "result-changed": edit('UPDATE bodies SET content = CAST(\'{"text": "!"}\' AS BLOB)'),
    "result-removed": edit("DELETE FROM bodies"),
}
# What an open journal has read, it does not read again.
WHEN_CLOSED = {
    "garbled": garble,
    "another-version": edit("PRAGMA user_version = 99"),
    "start-changed": edit("UPDATE events SET header = replace(header, 'false', 'true')"),
}


@pytest.mark.parametrize(
    ("lose", "looked_into"),
    [
        *((lose, False) for lose in (LOSSES | WHEN_CLOSED).values()),
        *((lose, True) for lose in LOSSES.values()),
    ],
    ids=[*LOSSES, *WHEN_CLOSED, *(f"{name}-later" for name in LOSSES)],
)
def test_a_result_that_is_lost_is_dropped(
    tmp_path: Path, lose: Callable[[Path], None], looked_into: bool
) -> None:
    run_of(tmp_path, FIRST, finished("triage"))
    folder = run_of(tmp_path, SECOND, finished("triage", at=NOW + 1))
    with Index.open(tmp_path) as index:
        if looked_into:
            assert index.look_up("f1") == found(SECOND, "triage", NOW + 1)
        lose(folder)
        for _ in range(2):
            assert index.look_up("f1") == found(FIRST, "triage")
            assert index.look_up("f1", nth=2) is None
    assert entries(tmp_path) == [(FIRST, "triage")]


def entries(project: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(project / ".flowrunner" / "index.db")
    rows = connection.execute("SELECT run, unit FROM entries ORDER BY run, unit").fetchall()
    connection.close()
    return rows


def test_a_run_that_is_removed_between_two_openings(tmp_path: Path) -> None:
    remove(run_of(tmp_path, FIRST, finished("triage")))
    folder = run_of(tmp_path, SECOND, finished("triage"))
    assert look_up(tmp_path)
    remove(folder)
    assert look_up(tmp_path) is None
    assert entries(tmp_path) == []


def bad_version(path: Path) -> None:
    edit_index(path, "PRAGMA user_version = 99")


def another_program(path: Path) -> None:
    edit_index(path, "PRAGMA application_id = 99")


def edit_index(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(random.Random(0).randbytes(30_000)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "pages": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\x07" * 20_000),
    "version": bad_version,
    "foreign": another_program,
    "table-gone": lambda path: edit_index(path, "DROP TABLE entries"),
    "trigger": lambda path: edit_index(
        path, "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM entries; END"
    ),
    "a-link": lambda path: path.rename(path.with_name("x")) and path.symlink_to("x"),
    "for-everybody": lambda path: path.chmod(0o644),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_index_that_is_no_good_is_made_again(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    run_of(tmp_path, FIRST, finished("triage"))
    assert look_up(tmp_path)
    path = tmp_path / ".flowrunner" / "index.db"
    damage(path)
    assert look_up(tmp_path) == found(FIRST, "triage")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.is_symlink()


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_in_the_index(tmp_path: Path, seed: int) -> None:
    """Whatever it says then, a result is the truth; and the next one looks into a whole index."""
    places = random.Random(seed)
    history = [finished(f"extract[{number}]", f"f{number % 7}") for number in range(1, 200)]
    run_of(tmp_path, FIRST, *history)
    assert look_up(tmp_path)
    path = tmp_path / ".flowrunner" / "index.db"
    content = bytearray(path.read_bytes())
    for _ in range(20):
        content[places.randrange(len(content))] ^= places.randrange(1, 256)
    path.write_bytes(content)
    with Index.open(tmp_path) as index:
        for number in range(7):
            result = index.look_up(f"f{number}", nth=places.randrange(1, 20))
            assert result is None or result == found(FIRST, result.unit)
            assert result is None or f"f{int(result.unit[8:-1]) % 7}" == f"f{number}"
        index.add_run(run_of(tmp_path, SECOND, finished("triage", "f8")))
    assert look_up(tmp_path, "f8") == found(SECOND, "triage")


def test_an_index_that_is_damaged_while_it_is_open(tmp_path: Path) -> None:
    run_of(tmp_path, FIRST, finished("triage"))
    with Index.open(tmp_path) as index:
        edit_index(tmp_path / ".flowrunner" / "index.db", "DROP TABLE entries")
        assert index.look_up("f1") == found(FIRST, "triage")


def test_an_index_that_is_removed_while_it_is_open(tmp_path: Path) -> None:
    run_of(tmp_path, FIRST, finished("triage"))
    with Index.open(tmp_path) as index:
        (tmp_path / ".flowrunner" / "index.db").unlink()
        assert index.look_up("f1") == found(FIRST, "triage")
        index.add_run(run_of(tmp_path, SECOND, finished("reply", "f2")))
        assert entries(tmp_path) == [(FIRST, "triage"), (SECOND, "reply")]


# --- only this project's own runs


def test_a_planted_run_is_not_believed(tmp_path: Path) -> None:
    """What a checkout brings along is readable for others, and runs never are."""
    folder = run_of(tmp_path, FIRST, finished("triage"))
    for path, mode in ((folder, 0o755), (folder / "journal.db", 0o644)):
        private = path.stat().st_mode
        path.chmod(mode)
        shutil.rmtree(tmp_path / ".flowrunner" / "index.db", ignore_errors=True)
        (tmp_path / ".flowrunner" / "index.db").unlink(missing_ok=True)
        assert look_up(tmp_path) is None
        path.chmod(private)
    (tmp_path / ".flowrunner" / "index.db").unlink()
    assert look_up(tmp_path) == found(FIRST, "triage")


def test_a_run_elsewhere_is_not_added(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "elsewhere", FIRST, finished("triage"))
    with Index.open(tmp_path / "project") as index:
        index.add_run(folder)
    assert look_up(tmp_path / "project") is None


@pytest.mark.parametrize("run", ["../../elsewhere", "/", "", FIRST + "/../x", "latest"])
def test_an_index_that_points_elsewhere(tmp_path: Path, run: str) -> None:
    run_of(tmp_path, FIRST, finished("triage"))
    assert look_up(tmp_path)
    path = tmp_path / ".flowrunner" / "index.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE entries SET run = ?", (run,))
    connection.close()
    assert look_up(tmp_path) is None
    assert entries(tmp_path) == []


def test_a_linked_run_folder_is_not_believed(tmp_path: Path) -> None:
    folder = run_of(tmp_path, FIRST, finished("triage"))
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert look_up(tmp_path) is None


def test_the_folder_is_private_and_kept_out_of_git(tmp_path: Path) -> None:
    assert look_up(tmp_path) is None
    home = tmp_path / ".flowrunner"
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / ".gitignore").read_text() == "*\n"
    names = sorted(path.name for path in home.iterdir())
    assert names == [".gitignore", "index.db", "index.lock"]


def test_an_index_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / ".flowrunner").write_text("")
    with pytest.raises(EnvironmentFault, match=r"index\.db` could not be used: file exists"):
        Index.open(tmp_path)


def test_an_index_that_another_keeps_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_of(tmp_path, FIRST, finished("triage"))
    monkeypatch.setattr("flowrunner.journal.tables._BUSY_MS", 1)
    with Index.open(tmp_path) as index:
        path = tmp_path / ".flowrunner" / "index.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        assert index.look_up("f1")
        with pytest.raises(EnvironmentFault, match="another program keeps it locked"):
            index.add_run(folder)
        connection.close()
        index.add_run(folder)


def test_a_closed_index_finds_nothing_more(tmp_path: Path) -> None:
    index = Index.open(tmp_path)
    index.close()
    index.close()
    with pytest.raises(sqlite3.ProgrammingError):
        index.look_up("f1")


def open_files() -> int:
    """How many files this process has open; 0 where the system does not tell."""
    told = Path("/proc/self/fd")
    return len(list(told.iterdir())) if told.is_dir() else 0


def test_no_more_than_a_few_runs_are_kept_open(tmp_path: Path) -> None:
    runs = [f"20260921-1200{second:02}-0000" for second in range(20)]
    for second, run in enumerate(runs):
        run_of(tmp_path, run, finished("triage", at=NOW + second))
    opened = open_files()
    with Index.open(tmp_path) as index:
        results = [index.look_up("f1", nth=nth) for nth in range(1, 21)]
        assert open_files() < opened + 30
    assert [result and result.run for result in results] == runs[::-1]


# --- any history


@dataclass(frozen=True)
class Had:
    """A unit that came to its end in a run."""

    fingerprint: str
    at: int
    status: str
    reused: bool


HADS = st.builds(
    Had,
    st.sampled_from(["f1", "f2"]),
    st.integers(0, 5),
    st.sampled_from(["succeeded", "succeeded", "failed"]),
    st.booleans(),
)
PROJECTS = st.lists(st.tuples(st.booleans(), st.booleans(), st.lists(HADS, max_size=4)), max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(PROJECTS, st.booleans(), st.none() | st.integers(0, 5))
def test_what_is_found_is_what_the_runs_hold(
    project: list[tuple[bool, bool, list[Had]]], stepwise: bool, newer_than: int | None
) -> None:
    """Whether added run by run or all at once, and whatever is removed afterwards."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        expected: dict[str, set[tuple[str, str, float]]] = {"f1": set(), "f2": set()}
        for number, (simulated, removed, hads) in enumerate(project):
            run = f"20260921-120000-000{number}"
            ends = [_end(place, had) for place, had in enumerate(hads)]
            made = run_of(folder, run, *ends, simulated=simulated)
            if stepwise:
                with Index.open(folder) as index:
                    index.add_run(made)
            if removed:
                remove(made)
                continue
            for end, had in zip(ends, hads, strict=True):
                recent = newer_than is None or had.at > newer_than
                if had.status == "succeeded" and not (had.reused or simulated) and recent:
                    expected[had.fingerprint].add((run, end.address.unit, end.at))
        with Index.open(folder) as index:
            for fingerprint, wanted in expected.items():
                options = range(1, len(wanted) + 2)
                results = [
                    index.look_up(fingerprint, nth=nth, newer_than=newer_than) for nth in options
                ]
                assert results[-1] is None
                had_at = [result.at for result in results if result]
                assert had_at == sorted(had_at, reverse=True)
                assert {(one.run, one.unit, one.at) for one in results if one} == wanted


def _end(place: int, had: Had) -> events.StepFinished:
    origin = f"{FIRST}/triage" if had.reused else None
    unit = f"step[{place + 1}]"
    return finished(unit, had.fingerprint, had.at, status=had.status, reused_from=origin)


# --- several processes


def test_many_processes_add_and_look_up(tmp_path: Path) -> None:
    """All begin with no index, or with one that is damaged; all find what all have added."""
    home = tmp_path / ".flowrunner"
    home.mkdir(mode=0o700)
    (home / "index.db").write_bytes(b"garbage" * 1000)
    people = 6
    crowd = [
        subprocess.Popen(
            [sys.executable, CHILD, "run_and_index", str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(people)
    ]
    said = [process.communicate()[0] for process in crowd]
    assert [process.returncode for process in crowd] == [0] * people, said
    with Index.open(tmp_path) as index:
        for number in range(people):
            results = [index.look_up(f"own {number}", nth=nth) for nth in range(1, 6)]
            assert sum(result is not None for result in results) == 5
        shared = [index.look_up("shared", nth=nth) for nth in range(1, 5 * people + 2)]
    assert len({(one.run, one.unit) for one in shared if one}) == 5 * people
    assert shared[-1] is None
