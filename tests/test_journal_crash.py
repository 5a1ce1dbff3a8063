"""Processes die at any moment, and others come: nothing acknowledged is lost, nobody doubles it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from journal_histories import clock, small_history, step_started

from flowrunner.errors import RunBusy
from flowrunner.events import CallAnswered, CallSent, StepFinished
from flowrunner.journal.journal import Journal
from flowrunner.journal.opening import is_alive

CHILD = str(Path(__file__).with_name("journal_child.py"))


def child(
    action: str, folder: Path, count: int = 0, *more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CHILD, action, str(folder), str(count), *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def acknowledged(folder: Path, count: int) -> list[int]:
    """What a process was told before it was killed at its record number `count`."""
    done = child("die_after", folder, count)
    assert done.returncode == -9, done.stderr
    return [int(line) for line in done.stdout.split()]


def check_after_death(folder: Path, told: set[int]) -> None:
    with Journal.open(folder, writable=True) as journal:
        events = dict(journal.events(bodies=True))
        assert set(events) == set(range(1, journal.last_seq + 1))
        assert told <= set(events)
        journal.verify()
        sent = {event.address for event in events.values() if isinstance(event, CallSent)}
        ends = {event.address for event in events.values() if isinstance(event, CallAnswered)}
        assert ends <= sent
        assert len(journal.replay().open_calls()) == len(sent - ends)
        for seq, event in events.items():
            if isinstance(event, StepFinished):
                assert journal.body(seq, "result") == {"text": "x" * 3000}


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 47, 100, 333])
def test_killed_after_any_record(tmp_path: Path, count: int) -> None:
    told = acknowledged(tmp_path / "run", count)
    assert len(told) == count
    check_after_death(tmp_path / "run", set(told))


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    """Seven owners in a row die; the last reads what all of them were told."""
    lives = random.Random(seed)
    told: set[int] = set()
    for _ in range(7):
        told.update(acknowledged(tmp_path / "run", lives.randrange(1, 60)))
    with Journal.open(tmp_path / "run") as journal:
        assert journal.last_seq >= len(told)
    check_after_death(tmp_path / "run", told)
    with Journal.open(tmp_path / "run", writable=True) as journal:
        assert journal.epoch == 9


def test_killed_from_outside_at_any_moment(tmp_path: Path) -> None:
    """The moment is where the pipe happens to stand: another one in every run of the test."""
    told: set[int] = set()
    for lines in (1, 5, 40, 200):
        with running("die_after", tmp_path / "run", 1_000_000) as process:
            assert process.stdout is not None
            told.update(int(process.stdout.readline()) for _ in range(lines))
            process.kill()
            told.update(int(line) for line in process.stdout.read().splitlines()[:-1])
    check_after_death(tmp_path / "run", told)


def strace_works() -> bool:
    command = ["strace", "-f", "-e", "inject=fsync:error=EIO", "-o", os.devnull, "true"]
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


@pytest.mark.skipif(not strace_works(), reason="strace is not here or may not trace")
def test_killed_at_every_sync(tmp_path: Path) -> None:
    """From the creation to the close: there is no moment that leaves half a journal."""
    deaths, done = 0, False
    while not done:
        deaths += 1
        folder = tmp_path / str(deaths)
        inject = f"inject=fsync,fdatasync:signal=KILL:when={deaths}"
        command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync"]
        ended = subprocess.run(
            [*command, "-e", inject, sys.executable, CHILD, "live_shortly", str(folder), "0"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        told = [int(line) for line in ended.stdout.split()]
        done = ended.returncode == 0
        if (folder / "journal.db").exists():
            with Journal.open(folder, writable=True) as journal:
                assert journal.last_seq >= len(told)
                journal.verify()
        else:
            assert not told
    assert deaths > len(small_history())


@contextmanager
def running(action: str, folder: Path, count: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, CHILD, action, str(folder), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_cannot_own_one_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with running("own", folder) as owner:
        assert first_line(owner) == "1"
        assert is_alive(folder)
        refused = child("take_over", folder)
        assert refused.returncode == 7
        assert f"(pid {owner.pid} since " in refused.stdout
        with pytest.raises(RunBusy, match=f"pid {owner.pid} since"):
            Journal.open(folder, writable=True)
        with Journal.open(folder) as reader:
            assert reader.last_seq == 0
        owner.kill()
        owner.wait()
        assert not is_alive(folder)
        assert child("take_over", folder).stdout == "2\n"


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Journal.create(folder, {}, clock).close()
    command = [sys.executable, CHILD, "own", str(folder), "0"]
    crowd = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    said = [first_line(process) for process in crowd]
    for process in crowd:
        process.communicate("\n")
    assert said.count("2") == 1
    assert sum(words.startswith("RunBusy:") for words in said) == 5
    assert sorted(process.returncode for process in crowd) == [0, 7, 7, 7, 7, 7]


def test_a_run_without_an_owner_is_not_alive(tmp_path: Path) -> None:
    assert not is_alive(tmp_path / "nowhere")
    with Journal.create(tmp_path / "run", {}, clock):
        assert is_alive(tmp_path / "run")
    assert not is_alive(tmp_path / "run")


def test_a_child_that_lives_on_does_not_keep_the_run(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "run", {}, clock) as journal:
        asyncio.run(journal.append(step_started()))
        tool = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
    try:
        Journal.open(tmp_path / "run", writable=True).close()
    finally:
        tool.communicate(b"\n")


# --- disks and folders


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """Every waiter and every later append hears it; what was told is there, and a resume works."""
    folder = tmp_path / "run"
    done = child("fill_up", folder, 300_000)
    *lines, last = done.stdout.splitlines()
    told = {int(line) for line in lines if line.isdecimal()}
    words = {line for line in [*lines, last] if not line.isdecimal()}
    assert words == {
        f"EnvironmentFault: The disk failed to store a record of the run in `{folder}`."
    }
    assert len(lines) + 1 - len(told) == 17
    assert told
    check_after_death(folder, told)


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_a_folder_that_is_taken_away(tmp_path: Path, replaced: bool) -> None:
    folder = tmp_path / "run"
    with running("until_taken_away", folder) as process:
        assert first_line(process) == "1"
        folder.rename(tmp_path / "elsewhere")
        if replaced:
            Journal.create(folder, {}, clock).close()
        said, _ = process.communicate("\n", timeout=60)
    words = set(said.splitlines())
    fault = f"The run folder `{folder}` was removed or replaced while the run was going on."
    assert words == {f"EnvironmentFault: {fault}"}
    if replaced:
        with Journal.open(folder) as untouched:
            assert untouched.last_seq == 0


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other permissions there")
@pytest.mark.parametrize("action", ["read", "take_over"])
def test_a_folder_that_may_only_be_read(tmp_path: Path, action: str) -> None:
    """The run of another, that crashed: it can be looked at, and not gone on with."""
    told = acknowledged(tmp_path / "run", 40)
    everybodys = Path(tempfile.gettempdir())
    for path in (*tmp_path.parents, tmp_path, tmp_path / "run"):
        if path != everybodys and path.is_relative_to(everybodys):
            path.chmod(0o755)
    for path in (tmp_path / "run").iterdir():
        path.chmod(0o444)
    (tmp_path / "run").chmod(0o555)
    done = child(action, tmp_path / "run", 0, "65534")
    (tmp_path / "run").chmod(0o755)
    if action == "read":
        assert int(done.stdout) >= max(told), done.stderr
    else:
        assert done.returncode == 4, done.stderr
        assert "may not be written to" in done.stdout


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = child("own", tmp_path / "file" / "run")
    assert done.returncode == 4
    assert "something above it is not a folder" in done.stdout
