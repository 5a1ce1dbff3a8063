"""Run folders: their names sort by time, and people may call them in a few ways."""

from __future__ import annotations

import asyncio
import random
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_histories import NOW, run_finished, run_started

from flowrunner.errors import EnvironmentFault, ExitStatus, UsageError
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import (
    create_run_folder,
    find_run,
    list_runs,
    new_run_id,
    runs_folder,
)


def at(moment: float) -> Callable[[], float]:
    return lambda: moment


def half() -> float:
    return 0.5


def test_a_run_id_tells_its_time() -> None:
    assert new_run_id(at(1_790_000_000.25), half) == "20260921-141320-8000"


MOMENTS = st.lists(st.tuples(st.floats(0, 4e9), st.floats(0, 1, exclude_max=True)), max_size=60)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(MOMENTS)
def test_run_ids_sort_in_the_order_of_creation(moments: list[tuple[float, float]]) -> None:
    """However the clock jumps."""
    ids: list[str] = []
    for moment, chance in moments:
        ids.append(new_run_id(at(moment), lambda chance=chance: chance, ids[-1] if ids else None))
    assert ids == sorted(set(ids))
    assert {len(run_id) for run_id in ids} <= {20}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("20260921-141319-ffff", "20260921-141320-8000"),
        ("20260921-141320-0000", "20260921-141320-8000"),
        ("20260921-141320-8000", "20260921-141320-c000"),
        ("20260921-141320-ffff", "20260921-141321-8000"),
        ("20271026-000000-0001", "20271026-000000-8001"),
    ],
    ids=["later", "same-second", "same-half", "second-is-full", "clock-went-back"],
)
def test_a_run_id_sorts_behind_the_one_before(after: str, expected: str) -> None:
    assert new_run_id(at(1_790_000_000), half, after) == expected


def test_the_folder_of_a_new_run(tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, at(NOW), half)
    assert folder == tmp_path / ".flowrunner" / "runs" / "20260921-141320-8000"
    assert (runs_folder(tmp_path) / "latest").read_text() == f"{folder.name}\n"
    assert (tmp_path / ".flowrunner" / ".gitignore").read_text() == "*\n"
    for private in (folder, folder.parent, folder.parent.parent):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_what_a_person_wrote_to_gitignore_stays(tmp_path: Path) -> None:
    (tmp_path / ".flowrunner").mkdir()
    (tmp_path / ".flowrunner" / ".gitignore").write_text("runs/\n")
    create_run_folder(tmp_path, at(NOW), half)
    assert (tmp_path / ".flowrunner" / ".gitignore").read_text() == "runs/\n"


def test_many_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    chance = random.Random(0)
    with ThreadPoolExecutor(8) as crowd:
        made = [
            crowd.submit(create_run_folder, tmp_path, at(NOW), chance.random) for _ in range(20)
        ]
    folders = [future.result() for future in made]
    assert sorted(folders, reverse=True) == list_runs(tmp_path)
    assert len(set(folders)) == 20


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    made = [create_run_folder(tmp_path, at(NOW + hour), half) for hour in (0, 3600, -3600)]
    (runs_folder(tmp_path) / "notes").mkdir()
    assert list_runs(tmp_path) == made[::-1]


def test_no_runs_yet(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(UsageError, match="There is no run in"):
        find_run(tmp_path, "latest")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four runs, the oldest first: done, failed, died, done."""
    ends = [
        run_finished(),
        run_finished(status="failed", exit_status=ExitStatus.FAILED),
        None,
        run_finished(),
    ]
    for day, end in enumerate(ends):
        folder = create_run_folder(tmp_path, at(NOW + day * 86_400), half)
        with Journal.create(folder, {}, at(NOW), inline=True) as journal:
            asyncio.run(journal.append_many([run_started(), *([end] if end else [])]))
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "run_id"),
    [
        ("latest", "20260924-141320-8000"),
        ("@0", "20260924-141320-8000"),
        ("@2", "20260922-141320-8000"),
        ("latest-failed", "20260923-141320-8000"),
        ("20260922", "20260922-141320-8000"),
        ("20260921-141320-8000", "20260921-141320-8000"),
    ],
    ids=lambda value: value,
)
def test_finding_a_run(project: Path, spec: str, run_id: str) -> None:
    assert find_run(project, spec).name == run_id


@pytest.mark.parametrize(
    ("spec", "words", "advice"),
    [
        ("@4", "goes back 4 runs from the latest, and there are 4 in all", None),
        ("@two", "`@two` does not name a run", "Write `@2`"),
        ("2026092", r"could be any of 4 runs: `20260924-141320-8000`, `2026", "Write more"),
        ("", "No run here begins with ``", "flowrunner runs"),
        ("20270101-000000", "No run here begins", "`flowrunner runs`"),
        ("20260921-141320-8001", "No run here begins", "Did you mean `20260921-141320-8000`"),
        ("lates", "No run here begins with `lates`", "Did you mean `latest`?"),
        ("./elsewhere", "`elsewhere` is not the folder of a run", None),
    ],
    ids=["too-far", "no-number", "ambiguous", "nothing", "none", "near", "misspelt", "no-folder"],
)
def test_a_run_that_cannot_be_found(
    project: Path, spec: str, words: str, advice: str | None
) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        find_run(project, spec)
    assert refusal.value.exit_status == ExitStatus.USAGE
    assert (advice or "") in (refusal.value.help or "")


def test_a_run_that_is_being_worked_on_has_not_failed(project: Path) -> None:
    with Journal.open(find_run(project, "20260923"), writable=True):
        assert find_run(project, "latest-failed").name == "20260922-141320-8000"


def test_a_run_that_cannot_be_read_did_not_end_well(project: Path) -> None:
    (find_run(project, "latest") / "journal.db").write_bytes(b"garbage")
    assert find_run(project, "latest-failed").name == "20260924-141320-8000"


def test_no_run_has_failed(tmp_path: Path) -> None:
    folder = create_run_folder(tmp_path, at(NOW), half)
    with Journal.create(folder, {}, at(NOW), inline=True) as journal:
        asyncio.run(journal.append_many([run_started(), run_finished()]))
    with pytest.raises(UsageError, match="None of the 1 runs here failed"):
        find_run(tmp_path, "latest-failed")


def test_a_run_folder_from_elsewhere(project: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "as-an-artefact"
    kept.parent.mkdir()
    find_run(project, "latest").rename(kept)
    assert find_run(project, str(kept)) == kept


@pytest.mark.parametrize("blocked", [".flowrunner", ".flowrunner/runs"])
def test_a_place_where_no_folder_can_be_made(tmp_path: Path, blocked: str) -> None:
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file")
    with pytest.raises(EnvironmentFault, match="not a folder"):
        create_run_folder(tmp_path, at(NOW), half)
