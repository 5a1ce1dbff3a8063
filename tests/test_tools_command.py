"""Programs that behave, crash, hang, flood, leave children behind or do not exist."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import math
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.platform import FileLock
from flowrunner.tools import (
    CannotStart,
    CommandEnd,
    CommandRequest,
    NoSuchProgram,
    NotText,
    command_environment,
    describe_end,
    run_command,
    text_of,
)
from flowrunner.tools.child import Patience
from flowrunner.tools.request import STDERR_BYTES

HERE = Path(__file__).resolve().parent
QUICK = Patience(grace_s=5, linger_s=0.05)
RUTHLESS = Patience(grace_s=0, linger_s=0.05)
AGES = 600.0

# Says through a named pipe that it and a child live; both hold the pipe open until they die.
FAMILY = """
import os, subprocess, sys, time
pipe = os.open(sys.argv[1], os.O_WRONLY)
os.set_inheritable(pipe, True)
child = "import os, sys, time; os.write(int(sys.argv[1]), b'!'); time.sleep(1000)"
subprocess.Popen([sys.executable, "-c", child, str(pipe)], close_fds=False, {streams})
{then}
"""
SILENT = "stdin=-3, stdout=-3, stderr=-3"


def python(code: str, *arguments: str, **more: Any) -> CommandRequest:
    settings: dict[str, Any] = {
        "folder": HERE,
        "env": {"PATH": os.environ["PATH"]},
        "stdin": None,
        "timeout_s": AGES,
        **more,
    }
    return CommandRequest((sys.executable, "-c", code, *arguments), **settings)


CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")


def children() -> set[str]:
    """The children of this program, dead ones included; what runs for other tests is among them."""
    return set(CHILDREN.read_text(encoding="ascii").split()) if CHILDREN.exists() else set()


@pytest.fixture(autouse=True)
def _others() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before, "no living child, no dead one"


def assert_none_is_left_dead() -> None:
    """Every program that ended was taken note of; children of other tests may live."""
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)


def run(request: CommandRequest, patience: Patience = QUICK) -> CommandEnd:
    end = asyncio.run(run_command(request, patience=patience))
    gc.collect()  # whatever was not closed says so now, and warnings are errors
    assert_none_is_left_dead()
    return end


def argv(*words: str, **more: Any) -> CommandRequest:
    return CommandRequest(
        words,
        **{"folder": HERE, "env": {"PATH": os.environ["PATH"]}, "stdin": None, **more},  # type: ignore[arg-type]
        timeout_s=AGES,
    )


class Witness:
    """The reading end of a named pipe: tells when a family lives, and when all of it is dead."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "witness"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def __enter__(self) -> Witness:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    async def lives(self) -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._fd, told.set)
        try:
            await told.wait()
        finally:
            loop.remove_reader(self._fd)

    def all_dead(self) -> bool:
        """At once: every writing end is closed."""
        try:
            while os.read(self._fd, 100):
                pass
            return True
        except BlockingIOError:
            return False


def family(then: str, streams: str = SILENT) -> str:
    return FAMILY.format(then=then, streams=streams)


STAY = "time.sleep(1000)"
WAIT_FOR_CHILD = "while not os.path.exists(sys.argv[1] + '.ok'): time.sleep(0.01)"


# --- what a program gets -------------------------------------------------------------------------

SHOW_ARGUMENTS = "import json, sys; print(json.dumps(sys.argv[1:]))"
NASTY = [
    "",
    " ",
    "two words",
    "it's",
    'say "x"',
    "a;touch PWNED",
    "$(touch PWNED)",
    "`touch PWNED`",
    "${HOME}",
    "*",
    "~",
    "-rf",
    "--",
    "a\nb",
    "\\",
    "&&",
    "| cat",
    "> PWNED",
    "ü€😀",
    "%PATH%",
    "\x1b[31m",
]


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_an_argument_arrives_as_it_is(tmp_path: Path, text: str) -> None:
    end = run(python(SHOW_ARGUMENTS, text, "after", folder=tmp_path))
    assert json.loads(end.stdout) == [text, "after"]
    assert end.succeeded
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=6))
def test_any_arguments_arrive_as_they_are(texts: list[str]) -> None:
    assert json.loads(run(python(SHOW_ARGUMENTS, *texts)).stdout) == texts


def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "sk-secret")
    env = {"PATH": os.environ["PATH"], "SHOP": "a b=ü"}
    end = run(argv("env", env=env))
    assert sorted(text_of(end.stdout).splitlines()) == sorted(f"{k}={v}" for k, v in env.items())


def test_the_environment_chosen_for_commands() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LANG": "C.UTF-8",
        "LC_ALL": "C",
        "OPENAI_API_KEY": "sk-secret",
        "SHOP_TOKEN": "t",
        "OTHER": "o",
        "PYTHONPATH": "/evil",
    }
    chosen = command_environment(environ, ["SHOP_TOKEN", "NOT_SET"])
    assert chosen == {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LANG": "C.UTF-8",
        "LC_ALL": "C",
        "SHOP_TOKEN": "t",
    }
    assert command_environment({}, ["A"]) == {}


def test_it_starts_in_the_folder_of_the_workflow(tmp_path: Path) -> None:
    end = run(python("import os; print(os.getcwd())", folder=tmp_path))
    assert text_of(end.stdout).strip() == str(tmp_path.resolve())


def test_it_leads_its_own_session_without_our_files(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    leaky = os.open(tmp_path / "lock", os.O_RDONLY)
    os.set_inheritable(leaky, True)
    try:
        code = (
            "import os; print(os.getsid(0) == os.getpid(), sorted(map(int, os.listdir('/dev/fd'))))"
        )
        end = run(python(code, stdin=b"x"))
    finally:
        os.close(leaky)
        lock.release()
    # The fourth is the listing itself.
    assert end.stdout == b"True [0, 1, 2, 3]\n"


ECHO = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


@pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", b"ab" * 4_000_000], ids=["0", "4", "8M"])
def test_what_is_fed_comes_back_without_a_deadlock(content: bytes) -> None:
    assert run(python(ECHO, stdin=content)).stdout == content


def test_input_can_be_opened_by_name() -> None:
    assert run(argv("cat", "/dev/stdin", stdin=b"by name")).stdout == b"by name"


@pytest.mark.parametrize("stdin", [None, b""], ids=["none", "empty"])
def test_without_input_the_end_comes_at_once(stdin: bytes | None) -> None:
    assert run(python(ECHO, stdin=stdin)).stdout == b""


def test_input_that_nobody_reads_is_no_fault() -> None:
    assert run(python("print('done')", stdin=b"x" * 1_000_000)).stdout == b"done\n"


def test_without_a_deadline_it_has_all_the_time_there_is() -> None:
    assert run(python("", timeout_s=math.inf)).succeeded


# --- which program is meant ----------------------------------------------------------------------


def script(path: Path, text: str = '#!/bin/sh\necho "$0:$1"\n', mode: int = 0o755) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("name", ["./hello", "tools/../hello", "tools/hello"])
def test_a_name_with_a_slash_is_relative_to_the_folder(tmp_path: Path, name: str) -> None:
    script(tmp_path / "tools" / "hello")
    script(tmp_path / "hello")
    end = run(argv(name, "x", folder=tmp_path))
    assert end.stdout == f"{tmp_path}/{name.removeprefix('./')}:x\n".encode()


def test_a_name_is_looked_for_on_the_given_path_only(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "hello")
    end = run(argv("hello", env={"PATH": f"/nowhere:{tmp_path}/bin"}))
    assert end.stdout == f"{tmp_path}/bin/hello:\n".encode()
    with pytest.raises(NoSuchProgram) as missing:
        run(argv("hello", env={"PATH": "/nowhere"}))
    assert missing.value.message == (
        "there is no program `hello` in the folders of `PATH` (`/nowhere`)"
    )
    assert missing.value.help == (
        "install it, or write where it is: beside the workflow that is `./hello`"
    )


@pytest.mark.parametrize("path", ["", ".", ":.:", "bin"], ids=repr)
def test_the_folder_never_stands_in_for_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    script(tmp_path / "ls")
    script(tmp_path / "bin" / "ls")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoSuchProgram):
        run(argv("ls", folder=tmp_path, env={"PATH": path}))


def test_without_a_path_the_systems_own_is_taken() -> None:
    assert run(argv("sh", "-c", "echo yes", env={})).stdout == b"yes\n"


def _no_program(folder: Path) -> CommandRequest:
    return argv("./tools/none", folder=folder)


def _a_folder(folder: Path) -> CommandRequest:
    (folder / "tools").mkdir()
    return argv("./tools", folder=folder)


def _not_executable(folder: Path) -> CommandRequest:
    script(folder / "x.sh", mode=0o644)
    return argv("./x.sh", folder=folder)


def _not_executable_on_path(folder: Path) -> CommandRequest:
    script(folder / "x.sh", mode=0o644)
    return argv("x.sh", env={"PATH": str(folder)})


def _no_interpreter(folder: Path) -> CommandRequest:
    script(folder / "x", "#!/no/such/thing\n")
    return argv("./x", folder=folder)


def _no_first_line(folder: Path) -> CommandRequest:
    script(folder / "x", "echo hello\n")
    return argv("./x", folder=folder)


def _hidden_letters(folder: Path) -> CommandRequest:
    return argv("./a\x1b[2J\nb", folder=folder)


CANNOT: dict[str, tuple[Callable[[Path], CommandRequest], str]] = {
    "missing": (
        _no_program,
        "there is no program `./tools/none` in the folder of the workflow, `FOLDER`",
    ),
    "hidden letters": (
        _hidden_letters,
        "there is no program `./a\\x1b[2J\\nb` in the folder of the workflow, `FOLDER`",
    ),
    "folder": (_a_folder, "`./tools` is a folder and not a program"),
    "not executable": (_not_executable, "`./x.sh` may not be executed"),
    "not executable on PATH": (_not_executable_on_path, "`x.sh` may not be executed"),
    "no interpreter": (
        _no_interpreter,
        (
            "`./x` did not start: the file exists, but not the interpreter that it asks for "
            "(the `#!` in its first line)"
        ),
    ),
    "no first line": (_no_first_line, "`./x` is not a program that this machine can start"),
    "no folder": (
        lambda folder: argv("sh", folder=folder / "gone"),
        "`sh` cannot start: there is no folder `FOLDER/gone`",
    ),
    "no name": (lambda _: argv(""), "the command names no program"),
    "no argv": (lambda _: argv(), "the command names no program"),
    "NUL": (
        lambda _: argv("sh", "-c", "a\0b"),
        "`sh` did not start: argument 2 holds a NUL character, which no program can receive",
    ),
    "NUL in a variable": (
        lambda _: argv("sh", env={"A": "a\0b"}),
        (
            "`sh` did not start: the environment variable `A` holds a NUL character, "
            "which no program can receive"
        ),
    ),
    "half a letter": (
        lambda _: argv("sh", "\ud83d"),
        (
            "`sh` did not start: argument 1 holds a character that this machine's encoding "
            "cannot express"
        ),
    ),
    "bad variable": (
        lambda _: argv("sh", env={"A=B": "c"}),
        "`sh` did not start: `A=B` cannot name a variable",
    ),
    "too long": (
        lambda _: argv("sh", "-c", ":", "x" * 10_000_000),
        "`sh` did not start: its arguments and environment are too long for the system",
    ),
}


@pytest.mark.parametrize(("make", "message"), CANNOT.values(), ids=CANNOT.keys())
def test_what_cannot_start_is_told_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], CommandRequest], message: str
) -> None:
    with pytest.raises(CannotStart) as fault:
        run(make(tmp_path))
    assert fault.value.message.replace(str(tmp_path), "FOLDER") == message
    assert isinstance(fault.value, NoSuchProgram) == message.startswith("there is no program")
    gc.collect()


def test_a_system_that_has_no_more_files_is_told_in_a_sentence() -> None:
    async def starve() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(CannotStart):
            await run_command(argv("./none"))  # whatever is opened once is open
        used = os.open(os.devnull, os.O_RDONLY)
        os.close(used)
        resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
        try:
            with pytest.raises(CannotStart) as fault:
                await run_command(argv("/bin/sh", "-c", ":"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert fault.value.message == (
            "`/bin/sh` did not start: the system says `too many open files`"
        )

    asyncio.run(starve())
    gc.collect()


# --- how it ends ---------------------------------------------------------------------------------

NO_CORE = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); import os, signal;"
ENDS: dict[str, tuple[str, int | None, int | None, str]] = {
    "done": ("print('x')", 0, None, "`PYTHON` ended with exit status 0"),
    "exit status": (
        "import sys; print('first\\nlast\\n', file=sys.stderr); sys.exit(3)",
        3,
        None,
        "`PYTHON` ended with exit status 3: last",
    ),
    "exit status, silent": (
        "import sys; sys.exit(1)",
        1,
        None,
        "`PYTHON` ended with exit status 1",
    ),
    "exception": (
        "raise ValueError('no \\x1b[31m order')",
        1,
        None,
        "`PYTHON` ended with exit status 1: ValueError: no \\x1b[31m order",
    ),
    "crash": (
        NO_CORE + "os.kill(os.getpid(), signal.SIGSEGV)",
        None,
        signal.SIGSEGV,
        "`PYTHON` was ended by signal 11 (SIGSEGV, segmentation fault)",
    ),
    "killed": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        None,
        signal.SIGKILL,
        "`PYTHON` was ended by signal 9 (SIGKILL, killed; perhaps memory ran out)",
    ),
    "status 255": ("import os; os._exit(255)", 255, None, "`PYTHON` ended with exit status 255"),
}


@pytest.mark.parametrize(("code", "status", "number", "sentence"), ENDS.values(), ids=ENDS.keys())
def test_an_end_is_told_in_a_sentence(
    code: str, status: int | None, number: int | None, sentence: str
) -> None:
    end = run(python(code))
    assert (end.status, end.signal) == (status, number)
    assert (end.truncated, end.timed_out, end.left_behind) == (False, False, False)
    assert describe_end(end).replace(sys.executable, "PYTHON") == sentence
    assert end.succeeded == (status == 0)


def test_a_success_with_words_on_stderr_is_a_success() -> None:
    end = run(python("import sys; print('careful', file=sys.stderr)"))
    assert end.succeeded
    assert end.stderr == b"careful\n"
    assert describe_end(end).endswith("status 0")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": None}, "`x` was killed, but the system has not let it go"),
        ({"status": None, "signal": 77}, "`x` was ended by signal 77"),
        ({"truncated": True}, "`x` wrote more than 1 MiB to stdout and was ended"),
        ({"truncated": True, "cap_bytes": 1000}, "`x` wrote more than 1,000 bytes to stdout"),
        ({"stderr": b"\n"}, "`x` ended with exit status 1"),
        ({"stderr": b"caf\xe9\r\n\r\n"}, "`x` ended with exit status 1: caf\ufffd"),
        ({"stderr": b"z" * 999}, "`x` ended with exit status 1: " + "z" * 300 + "…"),
    ],
)
def test_rare_ends_are_told_too(changes: dict[str, Any], sentence: str) -> None:
    plain: dict[str, Any] = {
        "program": "x",
        "status": 1,
        "signal": None,
        "stdout": b"",
        "stderr": b"",
        "truncated": False,
        "timed_out": False,
        "left_behind": False,
        "elapsed_s": 1.0,
        "timeout_s": 2.5,
        "cap_bytes": 1 << 20,
    }
    assert describe_end(CommandEnd(**{**plain, **changes})).startswith(sentence)


class _Leaping(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


def run_to_deadline(code: str, witness: Witness, grace_s: float) -> CommandEnd:
    """Runs until the program has said that it lives; then its deadline has come."""

    async def scene() -> CommandEnd:
        request = python(code, str(witness.path))
        running = asyncio.create_task(run_command(request, patience=Patience(grace_s)))
        await witness.lives()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Leaping)
        loop.ahead_s = AGES
        return await running

    with asyncio.Runner(loop_factory=_Leaping) as runner:
        end = runner.run(scene())
    assert witness.all_dead()
    gc.collect()
    assert end.timed_out
    assert not end.succeeded
    return end


LIVE = "import os, signal, sys, time; pipe = os.open(sys.argv[1], os.O_WRONLY)\n"
SAY = "print('before', flush=True); os.write(pipe, b'!'); time.sleep(1000)"


def test_a_hanging_program_is_ended_at_its_deadline_with_its_child(tmp_path: Path) -> None:
    with Witness(tmp_path) as witness:
        end = run_to_deadline(family(STAY), witness, AGES)
    assert end.signal == signal.SIGTERM
    assert end.elapsed_s >= AGES
    assert describe_end(end) == (
        f"`{sys.executable}` had not ended after 600 s and was ended, with all that it had started"
    )


def test_a_program_that_will_not_go_is_killed_and_its_output_kept(tmp_path: Path) -> None:
    code = LIVE + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SAY
    with Witness(tmp_path) as witness:
        end = run_to_deadline(code, witness, 0.05)
    assert (end.stdout, end.signal) == (b"before\n", signal.SIGKILL)


def test_a_program_that_tidies_up_at_its_deadline_has_the_time(tmp_path: Path) -> None:
    code = LIVE + "def tidy(*_): print('tidied'); sys.exit(0)\nsignal.signal(15, tidy)\n" + SAY
    with Witness(tmp_path) as witness:
        end = run_to_deadline(code, witness, AGES)
    assert (end.status, end.stdout) == (0, b"before\ntidied\n")


def test_a_deadline_that_has_passed_ends_it_at_once() -> None:
    assert run(python("while True: pass", timeout_s=0)).timed_out


# --- floods --------------------------------------------------------------------------------------

FLOOD = """
import os
block = b"x" * 65536
for _ in range(16384):
    os.write({fd}, block)
os.write(1, b"end")
"""


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_gigabyte_of_output_is_cut_off_in_bounded_memory() -> None:
    before = _peak_kb()
    end = run(python(FLOOD.format(fd=1), cap_bytes=1 << 20))
    assert end.truncated
    assert not end.succeeded
    assert end.stdout == b"x" * (1 << 20)
    assert describe_end(end) == f"`{sys.executable}` wrote more than 1 MiB to stdout and was ended"
    assert _peak_kb() - before < 50_000


def test_a_gigabyte_of_stderr_is_passed_over_but_its_end() -> None:
    before = _peak_kb()
    end = run(python(FLOOD.format(fd=2)))
    assert end.succeeded
    assert (end.stdout, end.stderr) == (b"end", b"x" * STDERR_BYTES)
    assert _peak_kb() - before < 50_000


@pytest.mark.parametrize("size", [0, 999, 1000, 1001, 5000])
def test_the_cap_is_exact(size: int) -> None:
    end = run(python("import sys; sys.stdout.write('y' * int(sys.argv[1]))", str(size),
                     cap_bytes=1000))  # fmt: skip
    assert end.stdout == b"y" * min(size, 1000)
    assert end.truncated == (size > 1000)
    assert not end.left_behind


@pytest.mark.parametrize("content", [b"caf\xc3\xa9\r\n", b"", b"\xef\xbb\xbfx"], ids=repr)
def test_text_is_taken_as_it_is(content: bytes) -> None:
    assert text_of(content) == content.decode("utf-8-sig")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ab\xff", "the output is not text in UTF-8: byte 3 of 3 is 0xff"),
        (b"ab\xc3", "the output is not text in UTF-8: byte 3 of 3 is 0xc3"),
        ("a\0ü".encode(), "the output is not text: byte 2 of 4 is NUL"),
        ("ü".encode("utf-16"), "the output is UTF-16 and not UTF-8"),
    ],
    ids=["latin", "cut off", "NUL", "UTF-16"],
)
def test_bytes_that_are_no_text_are_told_in_a_sentence(content: bytes, message: str) -> None:
    with pytest.raises(NotText) as fault:
        text_of(content)
    assert fault.value.message == message


def test_binary_output_arrives_whole() -> None:
    end = run(python("import os; os.write(1, bytes(range(256)) * 8)"))
    assert end.stdout == bytes(range(256)) * 8


# --- children left behind ------------------------------------------------------------------------

# The parent waits until its child has spoken, so that the child is there to be left behind.
LEAVE = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "import sys, time; {first}; print('up', flush=True);"
     "print('?', file=sys.stderr, flush=True); time.sleep(1000)"],
    stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
)
child.stderr.readline()
"""


def test_a_child_that_keeps_the_output_open_does_not_hang_the_step() -> None:
    end = run(python(LEAVE.format(first="pass")), Patience(grace_s=AGES, linger_s=0.05))
    assert (end.status, end.stdout, end.left_behind) == (0, b"up\n", True)
    assert end.succeeded


def test_a_child_that_keeps_the_output_open_and_will_not_go_is_killed() -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN)"
    end = run(python(LEAVE.format(first=stubborn)), RUTHLESS)
    assert (end.status, end.stdout, end.left_behind) == (0, b"up\n", True)


def test_a_child_that_left_the_group_does_not_hang_the_step(tmp_path: Path) -> None:
    with Witness(tmp_path) as witness:
        code = family(WAIT_FOR_CHILD, "start_new_session=True")

        async def leave() -> CommandEnd:
            running = asyncio.create_task(
                run_command(python(code, str(witness.path)), patience=RUTHLESS)
            )
            await witness.lives()
            Path(f"{witness.path}.ok").touch()
            return await running

        end = asyncio.run(leave())
        assert (end.status, end.left_behind) == (0, True)
        assert not witness.all_dead(), "out of reach, as documented"
    _end_strays(str(witness.path))


def _end_strays(mark: str) -> None:
    """The one child that got away was started with its pipe open: find it by that."""
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(entry.readlink()) == mark:
                os.kill(int(entry.parts[2]), signal.SIGKILL)


def test_a_silent_child_left_behind_is_ended(tmp_path: Path) -> None:
    async def leave(witness: Witness) -> CommandEnd:
        running = asyncio.create_task(
            run_command(python(family(WAIT_FOR_CHILD), str(witness.path)), patience=QUICK)
        )
        await witness.lives()
        Path(f"{witness.path}.ok").touch()
        return await running

    with Witness(tmp_path) as witness:
        end = asyncio.run(leave(witness))
        assert witness.all_dead()
    assert end.succeeded
    assert not end.left_behind, "nothing of the output is missing"


# --- cancellation --------------------------------------------------------------------------------


async def _cancelled_once(running: asyncio.Task[CommandEnd], witness: Witness) -> None:
    await witness.lives()
    running.cancel()


async def _cancelled_twice(running: asyncio.Task[CommandEnd], witness: Witness) -> None:
    await witness.lives()
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()


IGNORE = "import signal; signal.signal(15, signal.SIG_IGN);"


@pytest.mark.parametrize(
    ("cancel", "code", "patience"),
    [
        (_cancelled_once, family(STAY), Patience(grace_s=AGES)),
        (_cancelled_once, IGNORE + family(STAY), RUTHLESS),
        (_cancelled_twice, IGNORE + family(STAY), Patience(grace_s=AGES)),
    ],
    ids=["once", "stubborn", "twice"],
)
def test_cancelling_ends_it_and_its_children(
    tmp_path: Path,
    cancel: Callable[[asyncio.Task[CommandEnd], Witness], Awaitable[None]],
    code: str,
    patience: Patience,
) -> None:
    async def scene(witness: Witness) -> None:
        running = asyncio.create_task(
            run_command(python(code, str(witness.path)), patience=patience)
        )
        await cancel(running, witness)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert witness.all_dead()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with Witness(tmp_path) as witness:
        asyncio.run(scene(witness))
    gc.collect()
    assert_none_is_left_dead()


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("turns", range(12))
def test_cancelling_while_it_starts_leaves_nothing(tmp_path: Path, turns: int, again: bool) -> None:
    async def scene(witness: Witness) -> None:
        running = asyncio.create_task(
            run_command(python(family(STAY), str(witness.path)), patience=QUICK)
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        if again:
            await asyncio.sleep(0)
            running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert witness.all_dead()

    with Witness(tmp_path) as witness:
        asyncio.run(scene(witness))
    gc.collect()
    assert_none_is_left_dead()


def test_a_timeout_of_the_caller_stays_a_timeout() -> None:
    async def scene() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await run_command(python(STAY.replace("time", "__import__('time')")))

    asyncio.run(scene())


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_many_at_once_leave_no_open_file() -> None:
    async def scene() -> None:
        before = _open_files()
        ends = await asyncio.gather(
            *(run_command(argv("cat", stdin=str(n).encode())) for n in range(50))
        )
        assert [int(end.stdout) for end in ends] == list(range(50))
        with pytest.raises(CannotStart):
            await run_command(argv("./none"))
        assert _open_files() == before

    async def twice() -> None:
        await run_command(argv("true"))
        await scene()

    asyncio.run(twice())


def test_secrets_do_not_show_in_the_request() -> None:
    shown = repr(argv("sh", env={"TOKEN": "sk-secret"}, stdin=b"sk-secret"))
    assert "sk-secret" not in shown
