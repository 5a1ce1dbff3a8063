"""Every `include` key: what it brings is in the report, in templates, and nowhere without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from flowrunner import catalog
from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, posts

SEARCH = "tools: [web_search], tool_choice: required"
FILES = "tools: [{ file_search: { vector_store_ids: [vs_1] } }], tool_choice: required"


@dataclass(frozen=True)
class Brought:
    """A step that needs a key, where it shows in a response, and under which name in the report;
    None where the API shows it beside the input alone."""

    step: str
    item: str = ""
    field: tuple[Any, ...] = ()
    report: str | None = None


KEYS = {
    "web_search_call.action.sources": Brought(
        SEARCH, "web_search_call", ("action", "sources"), "sources"
    ),
    "web_search_call.results": Brought(SEARCH, "web_search_call", ("results",), "chunks"),
    "file_search_call.results": Brought(FILES, "file_search_call", ("results",), "chunks"),
    "code_interpreter_call.outputs": Brought(
        "tools: [code_interpreter], tool_choice: required",
        "code_interpreter_call",
        ("outputs",),
        "code",
    ),
    "message.output_text.logprobs": Brought(
        "top_logprobs: 2", "message", ("content", 0, "logprobs"), "logprobs"
    ),
    "reasoning.encrypted_content": Brought(
        "reasoning: { effort: high }", "reasoning", ("encrypted_content",)
    ),
    "message.input_image.image_url": Brought('attach: ["https://example.com/a.png"]'),
}
ON_SCREEN = "computer_call_output.output.image_url"
FLOW = """\
flowrunner: 1
name: Include
defaults: {{ model: gpt-6-luna }}
steps:
  - {{ id: a, prompt: Look., {step}{include} }}
result: {{ output: "{{{{ steps.a.response.output }}}}", sources: "{{{{ steps.a.text }}}}" }}
"""


def test_every_key_is_tried() -> None:
    assert {*KEYS, ON_SCREEN} == set(catalog.include_keys())


def test_pictures_of_a_screen_are_asked_for_where_there_is_one(project: Project) -> None:
    project.write("desk.py", "")
    tools = "tools: { desk: { describe: The desk, computer: { command: [python3, desk.py] } } }\n"
    for tool, found in (("desk", 0), ("web_search", 1)):
        flow = FLOW.format(step=f"tools: [{tool}]", include=f", include: [{ON_SCREEN}]")
        project.write("flow.yaml", flow.replace("steps:\n", f"{tools}steps:\n"))
        checked = project.run("validate", "flow.yaml")
        assert checked.status == ExitStatus.DONE, checked.out
        assert checked.out.count("warning[unused-include]") == found


@pytest.mark.parametrize("key", KEYS)
def test_what_an_include_key_brings(project: Project, simulator: Simulator, key: str) -> None:
    brought = KEYS[key]
    project.at(simulator)
    shown = {}
    for include in (f", include: [{key}]", ""):
        project.write("flow.yaml", FLOW.format(step=brought.step, include=include))
        done = project.run("run", "flow.yaml")
        assert done.status == ExitStatus.DONE, done.err
        assert not include or "warning" not in done.err, "it fits what the step uses"
        found = [item for item in done.result["output"] if item["type"] == brought.item]
        shown[bool(include)] = [_at(item, brought.field) for item in found]
        assert posts(simulator)[-1].body.get("include") == ([key] if include else None)
        if include and brought.report is not None:
            step = project.latest.step("a")["answered"]
            assert step.get(brought.report) or step["brought"][brought.report]
    if brought.field:
        assert all(shown[True]), "it came"
        assert shown[True]
    if brought.field and key != "reasoning.encrypted_content":
        assert not any(shown[False]), "and only since it was asked for"


def _at(value: Any, field: tuple[Any, ...]) -> Any:
    for name in field:
        value = value[name] if isinstance(name, int) else value.get(name)
    return value
