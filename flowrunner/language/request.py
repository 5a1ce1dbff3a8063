"""The request body of a prompt step: what the file says, as the fields of `POST /responses`.

Pure: a scope goes in, a body comes out. Sending it is left to the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.attachments import Attachment
from flowrunner.language.forms import Form, fill, merge
from flowrunner.language.shapes import (
    WRAPPER,
    Shape,
    check_by_schema,
    check_value,
    from_wire,
    wire_schema,
)
from flowrunner.language.templates import TemplateFault
from flowrunner.language.tools import Tool

CARRIED_OVER = ("instructions", "tools")
"""What a step that continues another takes over from it, unless it is written again: the API itself
carries neither over."""

_FIRST = ("model", "instructions", "input", "text", "tools")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Continue:
    """The prompt step of the same list whose response another one goes on from. With `compact` all
    that was said up to there is made shorter first."""

    step: str
    compact: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """One response from the API.

    `parameters` are API fields under their own names, `defaults` of the file merged below those of
    the step; null removes a field. `request` is what the author wrote under `request:`. At most one
    of `output` and `schema` is given. `provider` is the one that the file names for the step or for
    all its steps. `include_also` is what later steps need to read `.sources`.
    `may_change_things` says that the model may reach tools that change something outside the run.
    `tools` are the declared tools that answer calls of the model, by the names that `call_name`
    reads off its calls; their objects are among the `parameters`, but for those of MCP servers,
    which are known once the server was asked (`mcp_function`). `max_turns` bounds the requests of
    their loop.
    `is_continued` says that another step goes on from this response. `attach` are the files behind
    the message; paths out of data may lie in the folder `within`.
    """

    parameters: Mapping[str, Form]
    request: Mapping[str, Form] = field(default_factory=dict)
    output: Shape | None = None
    schema: Mapping[str, JSON] | None = None
    include_also: tuple[str, ...] = ()
    may_change_things: bool = False
    provider: str | None = None
    continues: Continue | None = None
    is_continued: bool = False
    attach: tuple[Attachment, ...] = ()
    within: str | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict)
    max_turns: int = 10

    @property
    def model(self) -> str | None:
        """The model that the file names for this step, if it names one."""
        model = self.parameters.get("model")
        return model if isinstance(model, str) else None

    @property
    def is_background(self) -> bool:
        """Whether the answer comes later, in the background."""
        return self.parameters.get("background") is True

    @property
    def has_output(self) -> bool:
        """Whether the answer is JSON that later steps may read as `.output`."""
        return self.output is not None or self.schema is not None

    def body(
        self,
        scope: Mapping[str, Any],
        *,
        below: Mapping[str, JSON] | None = None,
        above: Mapping[str, JSON] | None = None,
    ) -> dict[str, JSON]:
        """The body of the request in this scope; no field is there that nobody asked for.

        `below` are parameters of lower rank than the file (the project's), `above` of higher rank
        (environment, command line). Raises TemplateFault, also for a message that came out empty.
        """
        form = merge(merge(below or {}, self.parameters), above or {})
        body = _without_nulls(fill(form, scope))
        _refuse_emptiness(body.get("input"))
        if self.include_also:
            body["include"] = list(dict.fromkeys([*body.get("include", []), *self.include_also]))
        body = _in_the_background(merge(body, fill(self.request, scope)))
        if body.get("stream") is not True:
            body.pop("stream_options", None)  # The API takes them with a stream only.
        return {key: body[key] for key in sorted(body, key=_rank)}

    def read_output(self, answer: JSON) -> tuple[JSON, list[str]]:
        """The `.output` of a parsed answer, and what is wrong with it in sentences."""
        if self.schema is not None:
            return answer, check_by_schema(self.schema, answer)
        if self.output is None:
            return answer, []
        if wire_schema(self.output)[1]:
            wrapper = Shape("object", fields=((WRAPPER, self.output),))
            faults = check_value(wrapper, answer)
            return (None, faults) if faults else (from_wire(self.output, answer[WRAPPER]), [])
        faults = check_value(self.output, answer)
        return (None, faults) if faults else (from_wire(self.output, answer), [])


def answer_format(
    step: str, output: Shape | None, schema: Mapping[str, JSON] | None
) -> dict[str, JSON] | None:
    """The `text.format` that asks for structured output, or None where plain text is wanted."""
    if output is not None:
        asked: Mapping[str, JSON] = wire_schema(output)[0]
    elif schema is not None:
        asked = schema
    else:
        return None
    name = step[:_LONGEST_NAME]
    return {"type": "json_schema", "name": name, "strict": True, "schema": dict(asked)}


def _refuse_emptiness(asked: JSON) -> None:
    """A message without a word is a template that went wrong; it is not paid for."""
    for entry in asked if isinstance(asked, list) else [{"content": asked}]:
        said = entry.get("content") if isinstance(entry, Mapping) else None
        if isinstance(said, str) and not said.strip():
            raise TemplateFault(
                "empty-prompt",
                "the message to the model came out empty",
                "look at the values that its template reads",
                0,
                1,
            )


def _without_nulls(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """A null removes a parameter, or a key of a parameter that is a mapping; deeper it is sent."""
    kept = {}
    for key, value in body.items():
        if isinstance(value, Mapping):
            kept[key] = {name: below for name, below in value.items() if below is not None}
        elif value is not None:
            kept[key] = value
    return kept


def _in_the_background(body: dict[str, JSON]) -> dict[str, JSON]:
    """A response in the background is stored, and said to be: one that is not, or of which nothing
    is said, may be gone minutes after its end. Its options mean nothing to any other response."""
    if body.get("background") is True:
        return {"store": True, **body}
    return {key: value for key, value in body.items() if key != "background_options"}


def _rank(key: str) -> int:
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)
