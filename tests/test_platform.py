"""Files that are whole or absent, locks that die with their holder, groups that end whole."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from flowrunner.platform import (
    FileLock,
    file_of,
    group_lives,
    kill_group,
    make_private_dir,
    new_group_options,
    on_end_signals,
    open_inside,
    raise_open_file_limit,
    write_atomically,
    write_inside,
)

HOLD = """
import sys
from pathlib import Path
from flowrunner.platform import FileLock
print(FileLock(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
"""

# Starts a program that ignores SIGTERM and shares its stdout, says so, and stays.
FAMILY = """
import subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
child += "print('ready', flush=True); time.sleep(1000)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(1000)
"""

# Adopts what its descendants leave behind, as process 1 of a container does.
ADOPT = """
import ctypes, subprocess, sys
from flowrunner.platform import group_lives, kill_group, new_group_options
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
orphan = "import subprocess; subprocess.Popen(['sleep', '1000'])"
parent = subprocess.Popen([sys.executable, "-c", orphan], **new_group_options())
parent.wait()
print(group_lives(parent.pid), flush=True)
kill_group(parent.pid, force=True)
while group_lives(parent.pid):
    pass
print("gone", flush=True)
"""


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_public_file_follows_the_umask(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"", private=False)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o400


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "dir", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["dir"]


def test_private_folder(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "a" / "b")
    make_private_dir(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_lock_is_held_once_and_given_back(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    assert second.owner() == f"pid {os.getpid()}"
    first.release()
    first.release()
    assert second.acquire()
    second.release()


def test_a_killed_holder_frees_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not FileLock(path).acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    lock = FileLock(path)
    assert lock.acquire()
    lock.release()


def test_a_removed_lock_file_is_noticed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = FileLock(path)
    assert first.acquire()
    path.unlink()
    second = FileLock(path)
    assert second.acquire(), "the name is free again"
    second.release()
    first.release()


def test_a_lock_that_nobody_ever_took_has_no_owner(tmp_path: Path) -> None:
    assert FileLock(tmp_path / "none").owner() is None


def test_the_open_file_limit_is_raised_within_what_is_allowed() -> None:
    assert raise_open_file_limit(64) >= 64


def test_end_signals_are_told_and_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[signal.Signals] = []
    restore = on_end_signals(seen.append)
    try:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        restore()
    assert seen == [signal.SIGTERM, signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_file_without_a_name_holds_its_content_and_is_not_inherited() -> None:
    with file_of(b"one\0two") as file:
        assert file.read() == b"one\0two"
        assert not os.get_inheritable(file.fileno())
    with file_of(b"") as file:
        assert file.read() == b""


@pytest.mark.parametrize("pid", [-1, 0, 1, os.getpgrp()])
def test_a_group_that_is_ours_or_everybodys_is_never_ended(pid: int) -> None:
    with pytest.raises(ValueError):
        kill_group(pid, force=False)
    with pytest.raises(ValueError):
        group_lives(pid)


def test_a_group_is_asked_and_then_ended_with_children_that_would_not_go() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, **new_group_options()
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        assert os.getpgid(first.pid) == first.pid != os.getpgrp()
        assert kill_group(first.pid, force=False)
        assert first.wait() == -signal.SIGTERM
        assert group_lives(first.pid), "the child ignores the question"
        assert kill_group(first.pid, force=True)
        assert first.stdout.read() == b"", "its end of the pipe is closed: it is gone"


def test_a_group_of_which_nothing_is_left_is_no_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], **new_group_options()) as first:
        first.wait()
    assert not group_lives(first.pid)
    assert not kill_group(first.pid, force=False)
    assert not kill_group(first.pid, force=True)


@pytest.mark.skipif(sys.platform != "linux", reason="adoption by prctl")
def test_children_left_to_us_do_not_stay_as_the_dead() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ADOPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("True\ngone\n", "")


# Files below a folder.


def test_a_file_inside_is_read_and_written_once(tmp_path: Path) -> None:
    write_inside(tmp_path, ("a", "b", "c.txt"), b"one")
    with open_inside(tmp_path, ("a", "b", "c.txt")) as file:
        assert file.read() == b"one"
    with pytest.raises(FileExistsError):
        write_inside(tmp_path, ("a", "b", "c.txt"), b"two")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"one"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("parts", [(), ("..", "x"), ("a", ".."), ("",), (".", "x")])
def test_no_part_of_the_way_leads_up(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises(OSError):
        open_inside(tmp_path, parts)
    with pytest.raises(OSError):
        write_inside(tmp_path, parts, b"x")


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.txt").write_bytes(b"secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "up").symlink_to(outside)
    (inside / "x.txt").symlink_to(outside / "x.txt")
    for parts in (("up", "x.txt"), ("x.txt",)):
        with pytest.raises(OSError):
            open_inside(inside, parts)
        with pytest.raises(OSError):
            write_inside(inside, parts, b"new")
    assert (outside / "x.txt").read_bytes() == b"secret"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        open_inside(tmp_path, ("pipe",))


def test_links_that_are_swapped_in_lead_nowhere(tmp_path: Path) -> None:
    outside, inside, way = tmp_path / "outside", tmp_path / "inside", tmp_path / "inside" / "way"
    for folder in (outside, inside, way):
        folder.mkdir()
    (outside / "x.txt").write_bytes(b"secret")
    done = threading.Event()

    def swap() -> None:
        for turn in itertools.count():
            if done.is_set():
                return
            with suppress(OSError):
                way.rename(inside / f"old-{turn}")
            with suppress(OSError):
                way.symlink_to(outside)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for number in range(1000):
            with suppress(OSError), open_inside(inside, ("way", "x.txt")) as file:
                pytest.fail(f"read {file.read()!r}")
            with suppress(OSError):
                write_inside(inside, ("way", f"{number}.txt"), b"new")
    finally:
        done.set()
        swapping.join()
    assert [path.name for path in outside.iterdir()] == ["x.txt"]
