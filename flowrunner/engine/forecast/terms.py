"""What is settled outside the file before a plan is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.engine.forecast.counts import Counts
from flowrunner.engine.pricing import Prices
from flowrunner.events import JSON
from flowrunner.language.attachments import FileMark
from flowrunner.project.attachable import Located, described


def seen_from_afar(file: Located) -> FileMark:
    """What a file is, without opening it. Raises UnreadableFile."""
    return described(file.path)


@dataclass(frozen=True, slots=True)
class Terms:
    """`prices` of the operator; API parameters `below` the file's rank (the project's defaults) and
    `above` it (command line, environment). `limited` says that a budget of the project or the
    command line is in force, so that every request is sent with limits; `now` is Unix time,
    `folder` where paths of the workflow begin, `given` are those of files that people gave.
    `look_at` says what kind of file stands somewhere and how large it is. With `counts` a server
    says how many tokens a request has."""

    prices: Prices = field(default_factory=dict)
    below: Mapping[str, JSON] = field(default_factory=dict)
    above: Mapping[str, JSON] = field(default_factory=dict)
    limited: bool = False
    now: float = 0.0
    folder: Path = Path()
    given: frozenset[str] = frozenset()
    look_at: Callable[[Located], FileMark] = seen_from_afar
    counts: Counts | None = None
