"""`explain`: a key, a rule, an exit status, a workflow or its tests, in words; nothing is sent.

Everything that is told is computed from what the program itself goes by: schemas, rules, checks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from flowrunner.commands.checking import holds_tests, load_tests, load_valid
from flowrunner.commands.explaining.cases_in_words import case_lines
from flowrunner.commands.explaining.in_words import workflow_lines
from flowrunner.commands.explaining.keys import PROJECT, TESTS
from flowrunner.commands.explaining.topics import topic_lines
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.errors import ExitStatus

_ROW = re.compile(r" {2}[A-Za-z_.]+ {2,}| {14}|\s*(?:[0-9][\w.]*\. )?")
_WIDEST = 100


def explain(topic: str, viewer: Viewer) -> ExitStatus:
    """Print what a topic means, or what a workflow, or tests of one, do.

    Raises UsageError for a word that means nothing here, InvalidWorkflow for a file with mistakes.
    """
    path = Path(topic)
    is_file = path.suffix in (".yaml", ".yml") and path.name not in (PROJECT, TESTS)
    if path.is_file() and holds_tests(path):
        lines = case_lines(load_tests(path, viewer.colour))
    elif is_file or (path.is_file() and topic not in (PROJECT, TESTS)):
        workflow, _ = load_valid(path, viewer.colour, None)
        lines = workflow_lines(workflow)
    else:
        lines = topic_lines(topic)
    width = min(viewer.width, _WIDEST)
    style = style_of(viewer)
    viewer.result("\n".join(style.line(line) for line in _wrapped(lines, width)))
    return ExitStatus.DONE


def _wrapped(lines: list[str], width: int) -> Iterator[str]:
    """Lines broken to a width; those of an example stay as they are written."""
    is_example = False
    for line in lines:
        is_example = line.startswith("    ") if is_example else line in _EXAMPLES
        if is_example or line in _EXAMPLES or len(line) <= width:
            yield line
            continue
        head = _ROW.match(line)
        hanging = " " * (head.end() if head else 0)
        yield from textwrap.wrap(
            line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
        )


_EXAMPLES = ("  For example", "  A mistake", "  Without it")
