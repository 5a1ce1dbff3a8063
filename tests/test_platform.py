"""Files that are whole or absent, locks that die with their holder."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flowrunner.platform import (
    FileLock,
    make_private_dir,
    on_end_signals,
    raise_open_file_limit,
    write_atomically,
)

HOLD = """
import sys
from pathlib import Path
from flowrunner.platform import FileLock
print(FileLock(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
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
