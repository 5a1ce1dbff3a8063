"""What a case says of tools and programs, in their place: nothing is called, nothing started.

What models answer is left to `scripting`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.language.testing import Case, Reply, names_of, silent_tools
from flowrunner.language.workflow import Workflow
from flowrunner.tools.answer import ToolAnswer, failed
from flowrunner.tools.request import CAP_BYTES, CommandEnd


@dataclass(frozen=True, slots=True)
class StandIns:
    """The answers of one case, by the names of tools and steps. `silent` are tools of servers that
    are not there, of which the case says nothing."""

    tools: Mapping[str, tuple[Reply, ...]]
    programs: Mapping[str, tuple[Reply, ...]]
    workflow: Workflow
    silent: frozenset[str]

    @classmethod
    def of(cls, case: Case, workflow: Workflow) -> StandIns:
        silent = frozenset(silent_tools(workflow, tuple(case.tools)))
        return cls(case.tools, case.programs, workflow, silent)

    def has_tool(self, name: str) -> bool:
        """Whether its server is not to be started, or nothing of it is to be called."""
        return name in self.tools or name in self.silent

    def tool(self, name: str, number: int) -> ToolAnswer:
        """What the case says."""
        if name in self.silent:
            return failed(f"the test does not say what `{name}` answers")
        reply = nth(self.tools[name], number)
        if reply.kind == "fails":
            return failed(str(reply.value))
        return ToolAnswer(ok=True, output=reply.value)

    def program(self, unit: str, number: int) -> CommandEnd | None:
        """What the case says, as if a program had printed it."""
        names = names_of(self.workflow, unit)
        name = next((each for each in names if each in self.programs), None)
        if name is None:
            return None
        reply = nth(self.programs[name], number)
        is_failure = reply.kind == "fails"
        return CommandEnd(
            program=name,
            status=1 if is_failure else 0,
            signal=None,
            stdout=b"" if is_failure else _printed(reply.value),
            stderr=_printed(reply.value) if is_failure else b"",
            truncated=False,
            timed_out=False,
            left_behind=False,
            elapsed_s=0.0,
            timeout_s=0.0,
            cap_bytes=CAP_BYTES,
        )


def nth(replies: Sequence[Reply], number: int) -> Reply:
    """The reply to the so-manieth request, counted from 1: the last counts for all that follow."""
    return replies[min(number, len(replies)) - 1]


def _printed(value: JSON) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode()
