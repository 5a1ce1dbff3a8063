"""The one module that knows the operating system: private files, locks, limits, signals, groups.

Everything above speaks in paths and promises; what POSIX and Windows call them is left in here.
"""

from __future__ import annotations

import errno
import getpass
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, TypedDict

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import resource

WINDOWS = sys.platform == "win32"


def make_private_dir(path: Path) -> None:
    """Create a folder, and those above it, that only its owner may enter (0700)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_dir(path: Path) -> None:
    """Make the names in a folder durable. Windows has no such call."""
    if WINDOWS:
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, content: bytes, *, private: bool = True) -> None:
    """Replace a file whole: a reader sees the old bytes or the new ones, never a part.

    The bytes are synced before the name moves. Raises OSError; the old file then stands untouched.
    """
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    sync_dir(path.parent)


def open_inside(folder: Path, parts: Sequence[str]) -> BinaryIO:
    """Open a file below a folder to read it, no link followed on the way, also none that was put
    there a moment ago; what is no file (a pipe, a device, a folder) is refused unread.

    `folder` holds no links itself, and no part of the way is `..`. Raises OSError.
    """
    if not parts or any(part in ("", ".", "..") for part in parts):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    fd = _open_inside(folder, parts)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.fdopen(fd, "rb", buffering=0)
    except BaseException:
        os.close(fd)
        raise


if sys.platform == "win32":

    def _open_inside(folder: Path, parts: Sequence[str]) -> int:
        path = folder.joinpath(*parts)
        fd = os.open(path, os.O_RDONLY | os.O_BINARY)
        # Windows opens through links: what was opened must be what stands inside, by its own name.
        real = path.resolve(strict=True)
        if real.is_relative_to(folder) and os.path.samestat(os.fstat(fd), os.lstat(real)):
            return fd
        os.close(fd)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

else:

    def _open_inside(folder: Path, parts: Sequence[str]) -> int:
        into = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        above = os.open(folder, into | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                below = os.open(part, into | os.O_DIRECTORY, dir_fd=above)
                os.close(above)
                above = below
            # Without O_NONBLOCK a pipe would be waited for.
            return os.open(parts[-1], into | os.O_NONBLOCK, dir_fd=above)
        finally:
            os.close(above)


def write_inside(folder: Path, parts: Sequence[str], content: bytes) -> None:
    """Write a new private file below a folder, whole or not at all, with the folders on its way.

    No link is followed, also none that was put there a moment ago. `folder` holds no links itself.
    Raises FileExistsError where something has that name already, else OSError.
    """
    if not parts or any(part in ("", ".", "..") for part in parts):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    _write_inside(folder, parts, content)


if sys.platform == "win32":

    def _write_inside(folder: Path, parts: Sequence[str], content: bytes) -> None:
        target = folder.joinpath(*parts)
        make_private_dir(target.parent)
        if target.parent.resolve(strict=True) != target.parent:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.exists() or target.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        write_atomically(target, content)

else:

    def _write_inside(folder: Path, parts: Sequence[str], content: bytes) -> None:
        into = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
        above = os.open(folder, into)
        try:
            for part in parts[:-1]:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=above)
                below = os.open(part, into, dir_fd=above)
                os.close(above)
                above = below
            _write_new(above, parts[-1], content)
        finally:
            os.close(above)

    def _write_new(folder: int, name: str, content: bytes) -> None:
        temporary = f".{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A link to a name that is taken fails, where a new name for the file would not.
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.unlink(temporary, dir_fd=folder)
        os.fsync(folder)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


class FileLock:
    """A lock that the kernel releases when its holder dies, however it dies: none is ever stale.

    The file names its holder for people. A lock file removed under a holder is noticed: whoever
    comes next checks that what it locked is what now stands under the name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process (or lock object) holds it."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            if not _try_lock(fd):
                os.close(fd)
                return False
            if _still_named(fd, self.path):
                break
            os.close(fd)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"pid {os.getpid()}\n".encode(), 0) if not WINDOWS else None
        self._fd = fd
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def owner(self) -> str | None:
        """Who holds the lock, as its holder wrote it (`pid 4711`), or None."""
        with suppress(OSError):
            return self.path.read_text(encoding="utf-8").strip() or None
        return None


def _try_lock(fd: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _still_named(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def raise_open_file_limit(wanted: int) -> int:
    """Allow this process that many open files if the system lets it; the number it now may open."""
    if sys.platform == "win32":
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def on_end_signals(react: Callable[[signal.Signals], None]) -> Callable[[], None]:
    """Call `react` from the main thread for SIGINT and SIGTERM; the result puts the old ways back.

    SIGHUP is ignored meanwhile: a terminal that goes away does not end a paid run.
    """
    wanted = [signal.SIGINT, signal.SIGTERM]
    before = {
        number: signal.signal(number, lambda n, _: react(signal.Signals(n))) for number in wanted
    }
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def restore() -> None:
        for number, old in before.items():
            signal.signal(number, old)

    return restore


def file_of(content: bytes) -> IO[bytes]:
    """An open file without a name that holds `content`, read from its start; the caller closes it.

    On Linux it lives in memory; elsewhere on disk, where nobody else can open it. Raises OSError.
    """
    if sys.platform == "linux":
        file: IO[bytes] = os.fdopen(os.memfd_create("input"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    try:
        file.write(content)
        file.flush()
        file.seek(0)
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    return file


class GroupOptions(TypedDict, total=False):
    """Arguments of `subprocess.Popen` that make a program the first of a new group."""

    start_new_session: bool
    creationflags: int


def new_group_options() -> GroupOptions:
    """Start a program so that `kill_group` reaches it and all that it starts.

    On POSIX it also loses the terminal: no password prompt waits unseen, and a Ctrl-C is ours alone
    to pass on. A program that leaves the group on purpose (a daemon) is out of reach.
    """
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def kill_group(pid: int, *, force: bool) -> bool:
    """Ask a group to end (SIGTERM), or end it (`force`, SIGKILL); False when nothing is left of it.

    `pid` is the program that was started with `new_group_options`. Windows: Ctrl-Break, then
    `taskkill /T`, which finds the children of a program only while that program itself lives.
    """
    _check_group(pid)
    if sys.platform == "win32":
        return _end_tree(pid) if force else _press_break(pid)
    return _signal_group(pid, signal.SIGKILL if force else signal.SIGTERM)


def group_lives(pid: int) -> bool:
    """Whether anything lives in the group of a program that has ended and was waited for.

    Children that the program left to this one (as process 1 of a container) are waited for here;
    the dead that process 1 of the system has not waited for, which some never do, do not count.
    """
    _check_group(pid)
    if sys.platform == "win32":
        return False
    with suppress(ChildProcessError):
        while os.waitpid(-pid, os.WNOHANG)[0]:
            pass
    return _signal_group(pid, 0) and not _only_dead(pid)


def _check_group(pid: int) -> None:
    # 0 would be our own group, 1 and -1 everybody.
    if pid <= 1 or (sys.platform != "win32" and pid == os.getpgrp()):
        raise ValueError(f"{pid} is not a group of a started program")


if sys.platform == "win32":

    def _press_break(pid: int) -> bool:
        try:
            os.kill(pid, signal.CTRL_BREAK_EVENT)
        except OSError:
            return False
        return True

    def _end_tree(pid: int) -> bool:
        program = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "taskkill.exe"
        try:
            done = subprocess.run(  # noqa: S603  # an argument list of ours
                [str(program), "/F", "/T", "/PID", str(pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0

else:

    def _signal_group(pid: int, number: int) -> bool:
        try:
            os.killpg(pid, number)
        except (ProcessLookupError, PermissionError):
            return False  # macOS says "not permitted" of a group of which only the dead are left
        return True

    def _only_dead(pid: int) -> bool:
        """Whether the group has members and all are dead, where the system tells (Linux)."""
        states = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                # proc(5): pid (name) state parent group …; a name may hold anything
                state, _, group = stat.read_bytes().rpartition(b") ")[2].split()[:3]
                if int(group) == pid:
                    states.add(state)
        return bool(states) and states <= {b"Z", b"X"}


def limit_memory(pid: int, size: int) -> None:
    """Let a program, and each that it starts from now on, fill no more than that, where it can be
    told from outside (Linux): the memory it asks for beyond is refused."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError):  # it has ended, belongs to another, or has less
            resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))


def user_name() -> str:
    """What this machine calls the person at it; `somebody` where it does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user id without a name
        return "somebody"
