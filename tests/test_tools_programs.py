"""Programs as tools: arguments on stdin, the answer on stdout, every other end told in words."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from flowrunner.language.tools import CommandTool
from flowrunner.tools import ToolAnswer, call_command


def call(code: str, arguments: Any = None, *words: str, **more: Any) -> ToolAnswer:
    kind = CommandTool((sys.executable, "-c", code, *words), more.get("env", ()))
    return asyncio.run(
        call_command(
            kind,
            {} if arguments is None else arguments,
            folder=more.get("folder", Path.cwd()),
            environ={"PATH": os.environ["PATH"], **more.get("environ", {})},
            timeout_s=more.get("timeout_s", 60),
        )
    )


def test_arguments_arrive_as_json_and_the_answer_is_what_was_written() -> None:
    code = "import json, sys; print(json.load(sys.stdin)['order'] + '!')"
    assert call(code, {"order": "Ä-1"}) == ToolAnswer(
        ok=True, output="Ä-1!\n", facts={"exit_status": 0}
    )


def test_a_text_arrives_as_it_is() -> None:
    assert call("import sys; print(repr(sys.stdin.read()))", "a\n'b").output == '"a\\n\'b"\n'


def test_json_is_a_text_until_a_shape_asks_for_it() -> None:
    answer = call("print('{\"a\": 1}')")
    assert answer.output == '{"a": 1}\n'
    assert answer.read_json().output == {"a": 1}


@pytest.mark.parametrize("written", ["not JSON", '{"a": 1, "a": 2}', "NaN", "[" * 100_000])
def test_what_is_no_json_is_a_text_and_where_json_is_due_a_failure(written: str) -> None:
    answer = call("import sys; sys.stdout.write(sys.stdin.read())", written)
    assert answer.output == written
    read = answer.read_json()
    assert not read.ok
    assert str(read.error).startswith("the answer is not JSON: ")


@pytest.mark.skipif(os.name == "nt", reason="a POSIX program")
@pytest.mark.parametrize(
    "hostile", ["; touch PWNED", "$(touch PWNED)", "`touch PWNED`", "--output=PWNED", "\n touch P"]
)
def test_no_shell_reads_what_the_model_says(tmp_path: Path, hostile: str) -> None:
    kind = CommandTool(("cat",))
    answer = asyncio.run(
        call_command(kind, {"a": hostile}, folder=tmp_path, environ=dict(os.environ), timeout_s=60)
    )
    assert json.loads(str(answer.output)) == {"a": hostile}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise SystemExit('no such order')", " ended with exit status 1: no such order"),
        ("import sys; sys.stdout.buffer.write(bytes(range(200)))", "the output is not text"),
        ("print('a\\0b')", "the output is not text: byte 2 of 4 is NUL"),
        ("while True: print('x' * 65536)", " wrote more than 1 MiB to stdout and was ended"),
    ],
)
def test_every_failure_is_an_answer(code: str, told: str) -> None:
    answer = call(code)
    assert not answer.ok
    assert answer.output is None
    assert told in str(answer.error)


def test_several_lines_of_stderr_are_told_to_the_model() -> None:
    answer = call("import sys; sys.exit('the order is closed\\nask for another')")
    first, *rest = str(answer.error).split("\n")
    assert first.endswith("ended with exit status 1: ask for another")
    assert rest == ["The end of its stderr:", "the order is closed", "ask for another"]
    assert answer.facts["exit_status"] == 1


def test_a_flood_of_stderr_is_cut_to_its_end() -> None:
    answer = call("import sys; sys.stderr.write('x' * 10_000_000 + 'END'); sys.exit(2)")
    stderr = str(answer.facts["stderr"])
    assert stderr.endswith("END")
    assert len(stderr) == 4001


def test_a_program_that_hangs_is_ended() -> None:
    answer = call("import time; time.sleep(1000)", timeout_s=0.3)
    assert "had not ended after 0.3 s and was ended" in str(answer.error)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
def test_death_by_a_signal_is_told() -> None:
    answer = call("import os; os.kill(os.getpid(), 9)")
    assert "was ended by signal 9 (SIGKILL" in str(answer.error)
    assert answer.facts["signal"] == 9


@pytest.mark.skipif(os.name == "nt", reason="ends by group")
def test_a_child_that_was_left_behind_is_ended_and_noted() -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print(child.pid)
"""
    answer = call(code)
    assert answer.ok
    assert answer.facts["left_behind"] is True
    assert not lives(int(str(answer.output)))


def lives(pid: int) -> bool:
    """Whether a program runs; one that is dead and that nobody waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX"
    except OSError:
        return False


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    kind = CommandTool(("./gone",))
    answer = asyncio.run(call_command(kind, {}, folder=tmp_path, environ={}, timeout_s=1))
    assert str(answer.error).startswith("there is no program `./gone` in the folder")


def test_the_program_sees_the_declared_environment_and_no_other() -> None:
    code = "import os; print(*sorted(n for n in os.environ if n != 'LC_CTYPE'))"
    environ = {"HOME": "/", "LANG": "C.UTF-8", "SHOP_TOKEN": "t", "OPENAI_API_KEY": "k"}
    answer = call(code, environ=environ, env=("SHOP_TOKEN",))
    assert str(answer.output).split() == ["HOME", "LANG", "PATH", "SHOP_TOKEN"]
