"""A value as YAML in the usual look: what fits on a line in brackets, the rest in blocks.

For examples and for files that flowrunner writes; texts of people are left to `formatting`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from flowrunner.events import JSON
from flowrunner.language.formatting.quotes import spelled

_WIDTH = 80
_BLOCKS = frozenset({"steps", "cases", "otherwise", "inputs", "defaults", "tools", "providers"})
"""Keys whose values are never written in brackets, as people write them."""


def to_yaml(value: Mapping[str, JSON]) -> str:
    """A mapping as the text of a file."""
    return "".join(f"{line}\n" for line in _pairs(value))


def _pairs(value: Mapping[str, JSON]) -> list[str]:
    lines: list[str] = []
    for key, below in value.items():
        lines += _entry(f"{_scalar(key, in_flow=False)}:", below, is_block=key in _BLOCKS)
    return lines


def _entry(head: str, value: JSON, *, is_block: bool) -> list[str]:
    """One entry behind its key or its dash."""
    if isinstance(value, str) and "\n" in value.strip("\n"):
        sign = "|" if value.endswith("\n") else "|-"
        return [f"{head} {sign}", *_indented(value.rstrip("\n").split("\n"))]
    if not isinstance(value, Mapping | list) or not value:
        return [
            f"{head} {_scalar(value, in_flow=False) if isinstance(value, str) else _flow(value)}"
        ]
    line = f"{head} {_flow(value)}"
    if not is_block and len(line) <= _WIDTH and "\n" not in line:
        return [line]
    if head == "-":
        first, *rest = _block(value)
        return [f"- {first}", *_indented(rest)]
    return [head, *_indented(_block(value))]


def _block(value: Mapping[str, JSON] | list[JSON]) -> list[str]:
    if isinstance(value, Mapping):
        return _pairs(value)
    is_steps = all(isinstance(each, Mapping) and "id" in each for each in value)
    return [line for each in value for line in _entry("-", each, is_block=is_steps)]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _flow(value: JSON) -> str:
    if isinstance(value, Mapping):
        pairs = [f"{_scalar(key, in_flow=True)}: {_flow(below)}" for key, below in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value, in_flow=True)


def _scalar(value: JSON, *, in_flow: bool) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return spelled(value, in_flow=in_flow) or json.dumps(value, ensure_ascii=False)
