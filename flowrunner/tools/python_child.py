"""The program that a `python` tool runs in: it loads one function, calls it, tells its result.

It is started by path in a process of its own and imports nothing of flowrunner. The order comes as
JSON on stdin; the result leaves on what was stdout, to which nothing else has a way: prints of the
function, and of whatever it starts, go to stderr.
"""

from __future__ import annotations

import datetime
import enum
import importlib
import importlib.util
import json
import math
import os
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any

_FILE_MODULE = "_flowrunner_tool"
_DEEPEST = 100


class _NotPlain(Exception):
    """A value that no JSON stands for; its message goes on after `returned`."""


def main() -> None:
    """Do what stdin orders."""
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    order = json.load(sys.stdin.buffer)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    answer = json.dumps(_answer(order), ensure_ascii=False, allow_nan=False)
    told.write(answer.encode("utf-8", "replace"))
    told.close()


def _answer(order: Mapping[str, Any]) -> dict[str, Any]:
    source = order["file"]
    try:
        module = _load(order)
        source = getattr(module, "__file__", source)
        function = getattr(module, order["function"], None)
        if not callable(function):
            return {"missing": True}
        return {"result": _plain(_call(function, order), 0)}
    except _NotPlain as fault:
        return {"not_plain": str(fault)}
    except BaseException as fault:  # SystemExit and its like are the author's too
        traceback.print_exc()
        return {"raised": _last_line(fault), "line": _line_in(fault, source)}


def _load(order: Mapping[str, Any]) -> ModuleType:
    if order["module"] is not None:
        return importlib.import_module(order["module"])
    spec = importlib.util.spec_from_file_location(_FILE_MODULE, order["file"])
    if spec is None or spec.loader is None:
        raise ImportError(f"{order['file']} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_FILE_MODULE] = module
    spec.loader.exec_module(module)
    return module


def _call(function: Any, order: Mapping[str, Any]) -> Any:
    given = order["arguments"]
    result = function(given) if isinstance(given, str) else function(**given)
    if not hasattr(result, "__await__"):
        return result
    # Most functions need it not, and it takes longer to load than all the rest.
    return importlib.import_module("asyncio").run(_awaited(result))


async def _awaited(result: Any) -> Any:
    return await result


def _last_line(fault: BaseException) -> str:
    lines = "".join(traceback.format_exception_only(fault)).strip().split("\n")
    if isinstance(fault, SyntaxError):
        lines = lines[-1:]  # those before show the source
    return " ".join(line.strip() for line in lines)[:2000]


def _line_in(fault: BaseException, source: str | None) -> int | None:
    """The last line of the author's file on the way to the fault."""
    if isinstance(fault, SyntaxError) and fault.filename == source:
        return fault.lineno
    frames = traceback.extract_tb(fault.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == source), None)


def _plain(value: Any, depth: int) -> Any:
    """The JSON that stands for a value. Raises _NotPlain."""
    if depth > _DEEPEST:
        raise _NotPlain("a value that refers to itself, or is nested more than 100 deep")
    value = _unwrapped(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    raise _NotPlain(_described(value))


def _unwrapped(value: Any) -> Any:
    """What stands for an enumeration, a date, a dataclass or a model; another value as it is."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, type):
        return value
    if hasattr(value, "__dataclass_fields__"):
        fields = importlib.import_module("dataclasses").fields(value)
        return {each.name: getattr(value, each.name) for each in fields}
    return value.model_dump(mode="json") if callable(getattr(value, "model_dump", None)) else value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _NotPlain(f"the number {value}, which JSON cannot hold")
    return float(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise _NotPlain(f"a mapping with a key of type `{type(key).__name__}`, not a text")
    return key


def _described(value: Any) -> str:
    fix = {
        set: "a list", frozenset: "a list", bytes: "a text", complex: "a list of two numbers",
    }.get(type(value), "plain values, lists, mappings or a dataclass")  # fmt: skip
    return f"a value of type `{type(value).__name__}`, which is no JSON: return {fix}"


if __name__ == "__main__":
    main()
