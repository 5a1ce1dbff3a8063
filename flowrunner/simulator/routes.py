"""Routes: which endpoint a method and a path lead to, and the ids in the path.

The table of all of them is in `endpoints`; what a request then goes through, in `api`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from flowrunner.simulator.backend import Backend
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.faults import Endpoint

Handler: TypeAlias = Callable[[Backend, Exchange], None]
"""Does what a request asks, by `Exchange.answer` or by raising Refusal. By then the key is checked
and a fault may have struck: where one replaces the answer of a call that is not processed, no
handler is called."""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table: `Route("GET", "/v1/things/{thing_id}", get_thing, "things")`.

    `endpoint` is what fault plans call it. `reads` says what the content must be: a JSON object,
    which is parsed into `Exchange.body`, or anything at all.
    """

    method: str
    path: str
    handle: Handler
    endpoint: Endpoint
    reads: Literal["json", "anything"] = "anything"
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        object.__setattr__(self, "_pattern", re.compile(pattern))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods it answers: what can be got has a head."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def ids_in(self, path: str) -> dict[str, str] | None:
        """The ids in a path, by name; None where the path is another one."""
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()


@dataclass(frozen=True, slots=True)
class Way:
    """Where a request leads: a route and the ids in its path, or only what is allowed there."""

    route: Route | None
    ids: dict[str, str]
    allowed: tuple[str, ...]


def find_way(routes: Sequence[Route], method: str, path: str) -> Way:
    """The first route for a method and a path. `allowed` is empty where no route has the path."""
    on_path = [(route, ids) for route in routes if (ids := route.ids_in(path)) is not None]
    allowed = _distinct(name for route, _ in on_path for name in route.methods)
    for route, ids in on_path:
        if method in route.methods:
            return Way(route, ids, allowed)
    return Way(None, {}, allowed)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
