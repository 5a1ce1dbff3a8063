"""Functions as tools: what they return, how they fail, and what they cannot do to the run."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_tools_programs import lives

from flowrunner.language.tools import PythonTool
from flowrunner.tools import ToolAnswer, call_python

Call = Callable[..., ToolAnswer]
LIMIT_S = 60.0


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Calls `act` of the file `shop.py` that holds the given source."""

    def do(source: str, arguments: Any = None, **more: Any) -> ToolAnswer:
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools/shop.py").write_text(textwrap.dedent(source), encoding="utf-8")
        kind = PythonTool("tools/shop.py", None, "act", env=more.get("env", ()))
        return run(kind, tmp_path, {} if arguments is None else arguments, **more)

    return do


def run(kind: PythonTool, folder: Path, arguments: Any, **more: Any) -> ToolAnswer:
    environ = {"PATH": os.environ["PATH"], **more.get("environ", {})}
    timeout_s = more.get("timeout_s", LIMIT_S)
    return asyncio.run(
        call_python(kind, arguments, folder=folder, environ=environ, timeout_s=timeout_s)
    )


def test_a_function_is_called_by_keyword_and_its_result_is_the_answer(call: Call) -> None:
    source = """
    def act(order_number, lines=3):
        return {"order": order_number, "lines": lines, "paid": True, "names": ("Ü", None, 1.5)}
    """
    answer = call(source, {"order_number": "A-1"})
    names = ["Ü", None, 1.5]
    assert answer.ok
    assert answer.output == {"order": "A-1", "lines": 3, "paid": True, "names": names}


def test_an_asynchronous_function_is_awaited(call: Call) -> None:
    source = """
    import asyncio

    async def act(n):
        await asyncio.sleep(0)
        return n + 1
    """
    assert call(source, {"n": 41}).output == 42


def test_a_text_of_a_custom_tool_is_the_only_argument(call: Call) -> None:
    assert call("def act(text): return text.upper()", "schön\n").output == "SCHÖN\n"


def test_what_the_function_prints_is_kept_apart_from_what_it_returns(call: Call) -> None:
    source = """
    import os, subprocess, sys

    def act():
        print("printed")
        os.write(1, b"written\\n")
        subprocess.run([sys.executable, "-c", "print('by a child')"])
        print(sys.stdin.read() == "", input.__name__)
        return "returned"
    """
    answer = call(source)
    assert answer.output == "returned"
    assert {"printed", "written", "by a child", "True input"} <= {
        *str(answer.facts["stderr"]).splitlines()
    }


def test_plain_values_stand_for_dataclasses_enumerations_dates_and_models(call: Call) -> None:
    source = """
    import dataclasses, datetime, enum, typing

    class Size(enum.Enum):
        SMALL = "small"

    @dataclasses.dataclass
    class Order:
        size: Size
        due: datetime.date
        notes: "list[str]"

    class Model:
        def model_dump(self, mode):
            return {"mode": mode}

    class Point(typing.NamedTuple):
        x: int
        y: int

    def act():
        due = datetime.date(2026, 1, 2)
        return [Order(Size.SMALL, due, ["a"]), Model(), Point(1, 2)]
    """
    expected = [{"size": "small", "due": "2026-01-02", "notes": ["a"]}, {"mode": "json"}, [1, 2]]
    assert call(source).output == expected


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("{1, 2}", "a value of type `set`, which is no JSON: return a list"),
        ("b'x'", "a value of type `bytes`, which is no JSON: return a text"),
        ("object()", "a value of type `object`, which is no JSON: return plain values"),
        ("float('nan')", "the number nan, which JSON cannot hold"),
        ("[float('inf')]", "the number inf, which JSON cannot hold"),
        ("{1: 2}", "a mapping with a key of type `int`, not a text"),
        ("(lambda a: a.append(a) or a)([])", "a value that refers to itself"),
        ("10 ** 4400", "what is no JSON: a whole number has thousands of digits"),
    ],
)
def test_what_no_json_stands_for_is_refused_in_words(call: Call, returned: str, told: str) -> None:
    import_first = "import sys; sys.set_int_max_str_digits(0)\n"
    answer = call(f"{import_first}def act(): return {returned}")
    assert answer.error is not None
    assert answer.error.startswith(f"`act` returned {told}")


def test_content_parts_are_known_as_such(call: Call) -> None:
    part = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    answer = call(f"def act(): return [{part}]")
    assert (answer.output, answer.is_parts) == ([part], True)
    assert not call("def act(): return [{'type': 'other'}]").is_parts


def test_an_exception_is_told_by_its_last_line_and_the_line_of_the_authors_file(call: Call) -> None:
    source = """\
    import json

    def act():
        return look("{")

    def look(text):
        return json.loads(text)
    """
    answer = call(source)
    assert answer.error == (
        "`act` raised json.decoder.JSONDecodeError: Expecting property name enclosed in double "
        "quotes: line 1 column 2 (char 1) (`tools/shop.py`, line 7)"
    )
    assert "Traceback" in str(answer.facts["stderr"])
    assert "Traceback" not in answer.error


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def other(): pass", "there is no function `act` in `tools/shop.py`"),
        ("act = 3", "there is no function `act` in `tools/shop.py`"),
        ("def act(:", "`act` raised SyntaxError: "),
        ("import nowhere_to_be_found", "`act` raised ModuleNotFoundError: "),
        ("def act(a): pass", "`act` raised TypeError: act() missing 1 required positional"),
        ("import sys\ndef act(): sys.exit(3)", "`act` raised SystemExit: 3 (`tools/shop.py`, line"),
        ("def act(): raise KeyboardInterrupt", "`act` raised KeyboardInterrupt"),
        ("def act(): raise ValueError('a\\nb\\x1b[2J')", "`act` raised ValueError: a b\\x1b[2J ("),
        ("import os\ndef act(): os._exit(0)", "`act` ended its process without a result"),
        ("import os\ndef act(): os._exit(7)", "`act` ended with exit status 7"),
    ],
)
def test_every_failure_is_an_answer(call: Call, source: str, told: str) -> None:
    answer = call(source)
    assert not answer.ok
    assert str(answer.error).startswith(told)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
def test_death_by_a_signal_is_told(call: Call) -> None:
    answer = call("import os\ndef act(): os.kill(os.getpid(), 11)")
    assert str(answer.error).startswith("`act` was ended by signal 11 (SIGSEGV")
    assert answer.facts["signal"] == 11


def test_a_function_that_hangs_is_ended_with_all_that_it_started(
    call: Call, tmp_path: Path
) -> None:
    source = """
    import subprocess, sys, time, pathlib

    def act():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        pathlib.Path("pid").write_text(str(child.pid))
        time.sleep(1000)
    """
    answer = call(source, timeout_s=3)
    assert str(answer.error).startswith("`act` had not ended after 3 s and was ended")
    assert not lives(int((tmp_path / "pid").read_text()))


def test_a_result_of_a_gigabyte_is_refused(call: Call) -> None:
    answer = call("def act(): return 'x' * (64 << 20)")
    assert answer.error == "`act` returned more than 1 MiB"


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux can be told")
def test_a_function_that_fills_the_memory_fails_alone(call: Call) -> None:
    answer = call("def act(): return len(bytearray(5 << 30))")
    assert str(answer.error).startswith("`act` raised MemoryError")


def test_the_function_sees_the_declared_environment_and_no_other(call: Call) -> None:
    source = """
    import os

    def act():
        return sorted(name for name in os.environ if name != "LC_CTYPE")
    """
    environ = {"HOME": "/", "SHOP_TOKEN": "t", "OPENAI_API_KEY": "k", "PYTHONPATH": "/nowhere"}
    assert call(source, environ=environ, env=["SHOP_TOKEN"]).output == [
        "HOME", "PATH", "SHOP_TOKEN",
    ]  # fmt: skip


def test_files_beside_the_workflow_shadow_nothing(call: Call, tmp_path: Path) -> None:
    for name in ("json.py", "sitecustomize.py", "tools/json.py", "tools/asyncio.py", "jinja2.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('shadowed')", encoding="utf-8")
    source = """
    import os, sys, json, jinja2

    def act():
        return [os.getcwd(), os.getcwd() in sys.path, "" in sys.path, __name__, jinja2.__name__]
    """
    assert call(source).output == [str(tmp_path), False, False, "_flowrunner_tool", "jinja2"]
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_function_of_an_installed_module(tmp_path: Path) -> None:
    kind = PythonTool(None, "jsonschema.validators", "validator_for")
    answer = run(kind, tmp_path, {"schema": True, "default": "none"})
    assert answer.output == "none"
    answer = run(PythonTool(None, "not_there.at_all", "f"), tmp_path, {})
    assert "ModuleNotFoundError" in str(answer.error)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    answer = run(PythonTool("tools/gone.py", None, "act"), tmp_path, {})
    assert answer.error == "there is no file `tools/gone.py`"
