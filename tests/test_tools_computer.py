"""Drivers of a screen: what they are told, what they answer, and how they fail."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from test_tools_programs import lives

from flowrunner.language.tools import ComputerTool
from flowrunner.tools import ComputerDriver, ToolAnswer
from flowrunner.tools.child import Patience

PNG = b"\x89PNG\r\n\x1a\nabc"
SHOT = base64.b64encode(PNG).decode()
T = TypeVar("T")

DRIVER = """
import base64, json, os, sys, time
PNG = base64.b64decode({shot!r})
def answer(**told):
    print(json.dumps(told), flush=True)
for line in sys.stdin:
    action = json.loads(line)["action"]
    {body}
"""


def driver(folder: Path, body: str, **environ: str) -> ComputerDriver:
    code = DRIVER.format(shot=SHOT, body=textwrap.indent(textwrap.dedent(body), "    ").strip())
    (folder / "desk.py").write_text(code, encoding="utf-8")
    kind = ComputerTool((sys.executable, "desk.py"), ("DISPLAY",))
    environ = {"PATH": os.environ["PATH"], **environ}
    patience = Patience(grace_s=1, linger_s=0.3)
    return ComputerDriver(kind, folder=folder, environ=environ, patience=patience)


def using(desk: ComputerDriver, use: Callable[[ComputerDriver], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            return await use(desk)
        finally:
            await desk.end()

    return asyncio.run(run())


def act(desk: ComputerDriver, *actions: dict[str, Any], timeout_s: float = 60) -> ToolAnswer:
    return using(desk, lambda desk: desk.act(actions or ({"type": "screenshot"},), timeout_s))


def test_an_action_is_answered_with_a_picture_of_the_screen(tmp_path: Path) -> None:
    desk = driver(tmp_path, f"answer(screenshot={SHOT!r})")
    assert act(desk, {"type": "click", "x": 1, "y": 2}) == ToolAnswer(
        True, {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{SHOT}"}
    )


def test_a_picture_may_be_in_a_file(tmp_path: Path) -> None:
    body = "open('shot.png', 'wb').write(PNG); answer(screenshot='shot.png')"
    assert act(driver(tmp_path, body)).ok
    body = "answer(screenshot='gone.png')"
    assert "neither base64 nor the path of a file" in str(act(driver(tmp_path, body)).error)


def test_one_driver_does_all_actions_in_their_order(tmp_path: Path) -> None:
    body = f"""
    print(os.getpid(), action["type"], file=sys.stderr, flush=True)
    answer(screenshot={SHOT!r})
    """

    async def use(desk: ComputerDriver) -> list[str]:
        await desk.act([{"type": "click"}, {"type": "type", "text": "a"}], 60)
        answer = await desk.act([], 60)
        return str(answer.facts["stderr"]).splitlines()

    lines = [line.split() for line in using(driver(tmp_path, body), use)]
    assert [action for _, action in lines] == ["click", "type", "screenshot"]
    assert len({pid for pid, _ in lines}) == 1
    assert not lives(int(lines[0][0]))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("answer(error='there is no screen')", "says: there is no screen"),
        ("print('not JSON', flush=True)", "answered is not JSON: a value is missing here"),
        ("print('[1]', flush=True)", "answered is not a JSON object"),
        ("answer()", "answered without a `screenshot`"),
        ("answer(screenshot=7)", "answered without a `screenshot`"),
        ("answer(screenshot='QUJD')", "is neither PNG nor JPEG"),
        ("answer(screenshot='/dev/zero')", "neither base64 nor the path of a file"),
        ("answer(screenshot='a\\0b')", "neither base64 nor the path of a file"),
        ("sys.exit('no display')", "ended with exit status 1: no display, without an answer"),
        ("sys.exit(0)", "ended with exit status 0, without an answer"),
        ("os.close(1); time.sleep(1000)", "closed its output, without an answer"),
        (
            "while True: sys.stdout.write('x' * 65536)",
            "wrote a line of more than 16 MiB and was ended, without an answer",
        ),
    ],
)
def test_every_failure_is_an_answer(tmp_path: Path, body: str, told: str) -> None:
    answer = act(driver(tmp_path, body))
    assert not answer.ok
    assert told in str(answer.error)


def test_a_driver_that_hangs_is_ended_and_started_anew(tmp_path: Path) -> None:
    body = f"""
    open("pids", "a").write(f"{{os.getpid()}} ")
    if action["type"] == "wait": time.sleep(1000)
    answer(screenshot={SHOT!r})
    """

    async def use(desk: ComputerDriver) -> list[ToolAnswer]:
        return [await desk.act([{"type": kind}], 1.5) for kind in ("wait", "click")]

    hung, fine = using(driver(tmp_path, body), use)
    assert str(hung.error).endswith("had not answered after 1.5 s and was ended")
    assert fine.ok
    assert not any(lives(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_driver_that_is_not_there(tmp_path: Path) -> None:
    desk = ComputerDriver(ComputerTool(("./gone",)), folder=tmp_path, environ={})
    assert str(act(desk).error).startswith("there is no program `./gone`")


def test_the_driver_sees_the_declared_environment_and_no_other(tmp_path: Path) -> None:
    body = "answer(error=' '.join(sorted(n for n in os.environ if n != 'LC_CTYPE')))"
    desk = driver(tmp_path, body, DISPLAY=":1", OPENAI_API_KEY="key")
    assert str(act(desk).error).endswith("says: DISPLAY PATH")


def test_a_run_that_is_cut_off_ends_the_driver(tmp_path: Path) -> None:
    async def run() -> None:
        desk = driver(tmp_path, "open('pid', 'w').write(str(os.getpid())); time.sleep(1000)")
        acting = asyncio.create_task(desk.act([{"type": "wait"}], 60))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
        acting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await acting

    asyncio.run(run())
    assert not lives(int((tmp_path / "pid").read_text()))
