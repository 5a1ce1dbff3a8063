"""Commands that a model wrote: where they run, how long, and how much of them is told."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from test_tools_programs import lives

from flowrunner.language.tools import ShellTool
from flowrunner.tools import ToolAnswer, call_shell

pytestmark = pytest.mark.skipif(os.name == "nt", reason="commands of a POSIX shell")
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/", "OPENAI_API_KEY": "key", "SHOP": "s"}


def shell(base: Path, *commands: str, **action: Any) -> ToolAnswer:
    timeout_s, env = action.pop("timeout_s", 60), action.pop("env", ())
    return asyncio.run(
        call_shell(
            ShellTool("work", env),
            {"commands": list(commands), **action},
            folder=base,
            environ=ENVIRON,
            timeout_s=timeout_s,
        )
    )


def result(base: Path, command: str, **action: Any) -> Any:
    output: Any = shell(base, command, **action).output
    return output[0]


def test_commands_run_one_after_the_other_in_the_workspace(tmp_path: Path) -> None:
    answer = shell(tmp_path, "echo a > f; pwd", "cat f; echo no >&2; exit 3")
    assert answer.ok
    assert answer.output == [
        {
            "stdout": f"{(tmp_path / 'work').resolve()}\n",
            "stderr": "",
            "outcome": {"type": "exit", "exit_code": 0},
        },
        {"stdout": "a\n", "stderr": "no\n", "outcome": {"type": "exit", "exit_code": 3}},
    ]


def test_a_command_that_takes_too_long_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    answer = shell(tmp_path, "echo begun; sleep 1000 & echo $!; wait", "echo next", timeout_ms=500)
    first, second = answer.output
    assert first["outcome"] == {"type": "timeout"}
    begun, pid = first["stdout"].split()
    assert begun == "begun"
    assert not lives(int(pid))
    assert second["stdout"] == "next\n"


def test_the_time_of_the_tool_is_for_all_commands(tmp_path: Path) -> None:
    first, second = shell(
        tmp_path, "sleep 1000", "echo next", timeout_s=0.3, timeout_ms=999_999
    ).output
    assert first["outcome"] == second["outcome"] == {"type": "timeout"}
    assert second["stderr"] == "not run: no time was left for it"


def test_long_outputs_are_told_by_their_beginning_and_end(tmp_path: Path) -> None:
    command = f'{sys.executable} -c \'print("a" * 500 + "z" * 500)\''
    stdout = result(tmp_path, command, max_output_length=200)["stdout"]
    assert len(stdout) == 200
    assert stdout.startswith("aaa")
    assert "[… 801 characters left out …]" in stdout
    assert stdout.endswith("zzz\n")
    assert result(tmp_path, "echo 123456", max_output_length=3)["stdout"] != "123456\n"
    for odd in (None, 0, -1, "5", True, 1e12):
        assert result(tmp_path, "echo 1", max_output_length=odd)["stdout"] == "1\n"


def test_a_flood_is_ended(tmp_path: Path) -> None:
    told = result(tmp_path, "cat /dev/zero | tr '\\0' x")
    assert len(told["stdout"]) == 100_000
    assert "wrote more than 1 MiB to stdout and was ended" in told["stderr"]
    assert told["outcome"]["type"] == "exit"


def test_a_signal_and_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    told = result(tmp_path, "kill -9 $$")
    assert told["outcome"] == {"type": "exit", "exit_code": 137}
    assert "signal 9 (SIGKILL" in told["stderr"]
    assert result(tmp_path, "printf 'a\\000b'")["stdout"] == "[3 bytes that are no text]"
    assert result(tmp_path, "printf 'a\\377b'")["stdout"] == "a\ufffdb"


def test_commands_see_the_declared_environment_and_no_other(tmp_path: Path) -> None:
    names = {
        line.partition("=")[0] for line in result(tmp_path, "env", env=("SHOP",))["stdout"].split()
    }
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "SHOP"}


def test_nothing_can_be_read_from_standard_input(tmp_path: Path) -> None:
    assert result(tmp_path, "cat; echo end")["stdout"] == "end\n"


@pytest.mark.parametrize("commands", [[], None, "ls", [1], ["true"] * 101])
def test_a_call_without_commands_is_told(tmp_path: Path, commands: Any) -> None:
    action = {"commands": commands}
    answer = asyncio.run(
        call_shell(ShellTool("work"), action, folder=tmp_path, environ=ENVIRON, timeout_s=9)
    )
    assert not answer.ok
    assert "`commands`" in str(answer.error)


def test_a_workspace_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "out")
    answer = shell(tmp_path, "touch PWNED")
    assert answer.error == "`work` leads through a link, which is not followed"
    assert not list((tmp_path / "out").iterdir())
