"""How routes and values are called in sentences. What is said of them is left to others."""

from __future__ import annotations

from typing import Any

from flowrunner.diagnostics import Route
from flowrunner.language.schema.validating import spelled

_LISTS = ("steps", "otherwise")


def in_backticks(word: Any, most: int = 60) -> str:
    """A word or text as it stands in a sentence: on one line, cut when it is long."""
    text = " ".join(str(word)[: 50 * most].split())
    return f"`{text if len(text) <= most else text[: most - 1].rstrip() + '…'}`"


def found(value: Any) -> str:
    """What was found in the file."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    text = spelled(value) or ""
    if isinstance(value, bool):
        return in_backticks(text)
    if isinstance(value, int | float):
        return f"the number {in_backticks(text)}"
    return f"the text {in_backticks(text)}" if text.strip() else "an empty text"


def name_of(route: Route) -> str:
    """The thing at a route: `reasoning.effort`, "entry 2 of `needs`", "step 3", "the file"."""
    inside = within_step(route)
    if not inside:
        return _name_of_step(route)
    if isinstance(inside[-1], int):
        return f"entry {inside[-1] + 1} of {_dotted(inside[:-1])}"
    return _dotted(inside)


def _name_of_step(route: Route) -> str:
    if not route:
        return "the file"
    position = route[-1]
    return f"step {position + 1}" if isinstance(position, int) else f"`{position}`"


def _dotted(parts: Route) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return in_backticks(text.removeprefix("."))


def step_route(route: Route) -> Route | None:
    """The route of the innermost step that a route leads into, or None outside of steps."""
    for end in range(len(route), 1, -1):
        if isinstance(route[end - 1], int) and _holds_steps(route[: end - 1]):
            return route[:end]
    return None


def within_step(route: Route) -> Route:
    """The part of a route inside its step, or all of it outside of steps and `defaults`."""
    step = step_route(route)
    if step is not None:
        return route[len(step) :]
    return route[1:] if route[:1] == ("defaults",) and len(route) > 1 else route


def _holds_steps(route: Route) -> bool:
    """Whether a route leads to a list of steps, judged by the keys on its way."""
    if not route or (len(route) > 1 and route[0] != "steps"):
        return False
    if route[-1] in _LISTS:
        return len(route) == 1 or isinstance(route[-2], int)
    return len(route) > 2 and route[-2] == "cases" and isinstance(route[-3], int)
