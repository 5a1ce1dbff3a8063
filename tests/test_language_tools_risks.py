"""Private data, untrusted text and a way out: which tool brings which, and when it is an error."""

from __future__ import annotations

import datetime
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flowrunner.language.checks.risks import (
    Risks,
    risks_of,
    risks_of_object,
    risks_of_tool,
    risks_of_workflow,
)
from flowrunner.language.load import load_text
from flowrunner.language.request import Prompt
from flowrunner.language.tools import (
    CommandTool,
    ComputerTool,
    CustomTool,
    EnvName,
    HttpTool,
    Kind,
    McpTool,
    PatchTool,
    PythonTool,
    ShellTool,
    Tool,
)
from flowrunner.language.workflow import Workflow

SERVER: dict[str, Any] = {"type": "mcp", "server_label": "s", "server_url": "https://x.example"}
NETWORK = {
    "type": "auto",
    "network_policy": {"type": "allowlist", "allowed_domains": ["a.example"]},
}

OBJECTS: dict[str, tuple[dict[str, Any], str]] = {
    "live search": ({"type": "web_search"}, "UO"),
    "dated search": ({"type": "web_search_2025_08_26"}, "UO"),
    "cached search": ({"type": "web_search", "external_web_access": False}, "U"),
    "search of known pages": (
        {"type": "web_search", "filters": {"allowed_domains": ["who.int"]}},
        "U",
    ),
    "documents": ({"type": "file_search", "vector_store_ids": ["v"]}, "PU"),
    "images": ({"type": "image_generation"}, ""),
    "a container": ({"type": "code_interpreter", "container": {"type": "auto"}}, ""),
    "a container with network": ({"type": "code_interpreter", "container": NETWORK}, "UO"),
    "a hosted shell": ({"type": "shell", "environment": {"type": "container_auto"}}, ""),
    "a hosted shell with network": ({"type": "shell", "environment": NETWORK}, "UO"),
    "a public server that asks": (SERVER, "U"),
    "a public server": ({**SERVER, "require_approval": "never"}, "UO"),
    "a server behind a sign-in": (
        {**SERVER, "authorization": {"env": "T"}, "require_approval": "never"},
        "PUO",
    ),
    "a server behind a header": ({**SERVER, "headers": {"A": "b"}}, "PU"),
    "a connector": ({"type": "mcp", "server_label": "s", "connector_id": "c"}, "PU"),
    "a connector that reads": (
        {
            "type": "mcp",
            "server_label": "s",
            "connector_id": "c",
            "require_approval": "never",
            "allowed_tools": {"read_only": True},
        },
        "PU",
    ),
    "free reading": ({**SERVER, "require_approval": {"never": {"read_only": True}}}, "U"),
    "free tools": ({**SERVER, "require_approval": {"never": {"tool_names": ["a"]}}}, "UO"),
    "asking for some": ({**SERVER, "require_approval": {"always": {"tool_names": ["a"]}}}, "U"),
    "no tool": ({}, ""),
}
RUN, KEY = CommandTool(("x",)), {"A": EnvName("KEY")}
TOOLS: dict[str, tuple[Kind, bool, str, str]] = {
    "a command that asks": (RUN, True, "always", "P"),
    "a command that reads": (RUN, False, "never", "P"),
    "a command that acts unasked": (RUN, True, "never", "PO"),
    "a function that acts unasked": (PythonTool("x.py", None, "f"), True, "never", "PO"),
    "a text for a command": (CustomTool(RUN), True, "never", "PO"),
    "a request": (HttpTool("GET", "https://a.example"), False, "never", "U"),
    "a signed request": (HttpTool("GET", "https://a.example", KEY), False, "never", "PU"),
    "a post that asks": (HttpTool("POST", "https://a.example", KEY), True, "always", "PU"),
    "a post unasked": (HttpTool("POST", "https://a.example", KEY), True, "never", "PUO"),
    "a server on this machine": (McpTool(("a",), command=("x",)), True, "always", "PU"),
    "a server elsewhere": (McpTool(("a",), url="https://a.example"), True, "never", "UO"),
    "a screen that asks": (ComputerTool(("x",)), True, "always", "PU"),
    "a screen": (ComputerTool(("x",)), True, "never", "PUO"),
    "a shell": (ShellTool("work"), True, "never", "PUO"),
    "patches": (PatchTool("work"), True, "never", ""),
}


def letters(risks: Risks) -> str:
    three = zip("PUO", (risks.private, risks.untrusted, risks.outbound), strict=True)
    return "".join(letter for letter, names in three if names)


@pytest.mark.parametrize(("written", "expected"), OBJECTS.values(), ids=OBJECTS)
def test_what_a_tool_of_the_api_brings(written: dict[str, Any], expected: str) -> None:
    assert letters(risks_of_object(written)) == expected


@pytest.mark.parametrize(("kind", "changes", "ask", "expected"), TOOLS.values(), ids=TOOLS)
def test_what_a_declared_tool_brings(kind: Kind, changes: bool, ask: Any, expected: str) -> None:
    tool = Tool("it", kind, changes_things=changes, ask=ask)
    assert letters(risks_of_tool(tool)) == expected


def test_risks_add_up_with_each_name_once() -> None:
    both = Risks(("a",), ("a",)) + Risks(("b", "a"), (), ("c",))
    assert both == Risks(("a", "b"), ("a",), ("c",))
    assert both.are_complete
    assert not Risks(("a",), ("b",)).are_complete


CALLED = """\
flowrunner: 1
name: Inner
defaults: { model: gpt-6-luna }
tools: { send: { describe: x, run: [mail], ask: never } }
steps:
  - { id: asks, prompt: x, tools: [web_search: { external_web_access: false }] }
  - { id: sends, call: send }
  - { id: reads, run: [date], changes_things: false }
"""


def workflow(text: str, folder: Path = Path("/project")) -> tuple[Workflow | None, list[str]]:
    top = "flowrunner: 1\nname: Test\ndefaults: { model: gpt-6-luna }\n"
    found, diagnostics = load_text(
        top + textwrap.dedent(text), "flow.yaml", folder, today=datetime.date(2026, 11, 22)
    )
    hints = {"hint": "hint ", "warning": "warning ", "error": ""}
    return found, [hints[each.severity] + each.code for each in diagnostics]


def test_a_workflow_brings_what_all_its_steps_bring(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(CALLED, encoding="utf-8")
    found, codes = workflow(
        """\
        tools:
          free: { describe: x, workflow: inner.yaml, ask: never }
          asked: { describe: x, workflow: inner.yaml, ask: always }
        steps:
          - { id: a, prompt: x, tools: [free], accept_risk: ours }
          - { id: b, prompt: x, tools: [asked] }
        """,
        tmp_path,
    )
    assert (codes, found is None) == ([], False)
    assert found is not None
    free, asked = found.tools["free"], found.tools["asked"]
    assert risks_of_tool(free) == Risks(("free",), ("free",), ("free",))
    assert risks_of_tool(asked) == Risks(("asked",), ("asked",))
    assert risks_of_workflow(found).are_complete


DOCUMENTS = "file_search: { vector_store_ids: [v] }"
CACHED = "web_search: { external_web_access: false }"


def says(part: str) -> str:
    """The keys of a step that mails unasked and has one more part in its message."""
    return f"tools: [mail], input: [{{ type: message, role: user, content: [{part}] }}]"


STEPS: dict[str, tuple[str, list[str]]] = {
    "search alone": ("tools: [web_search]", []),
    "documents alone": (f"tools: [{DOCUMENTS}]", []),
    "documents and live search": (f"tools: [web_search, {DOCUMENTS}]", ["trifecta"]),
    "documents and cached search": (f"tools: [{CACHED}, {DOCUMENTS}]", []),
    "a program and search": ("tools: [find, web_search]", ["trifecta"]),
    "a program and documents": (f"tools: [find, {DOCUMENTS}]", []),
    "mail that asks": (f"tools: [asked, {DOCUMENTS}]", []),
    "mail unasked": (f"tools: [mail, {DOCUMENTS}]", ["trifecta"]),
    "accepted": (f"tools: [mail, {DOCUMENTS}], accept_risk: ours", []),
    "accepted for nothing": ("tools: [find], accept_risk: ours", ["hint trifecta"]),
    "a page": (says("{ type: input_file, file_url: 'https://a.example/x' }"), ["trifecta"]),
    "an address": (says("{ type: input_image, image_url: '{{ inputs.page }}' }"), ["trifecta"]),
    "an attached page": (
        "tools: [mail], prompt: x, attach: ['https://a.example/x.pdf']",
        ["trifecta"],
    ),
    "bytes": (says("{ type: input_image, image_url: 'data:image/png;base64,AA==' }"), []),
}


@pytest.mark.parametrize(("keys", "codes"), STEPS.values(), ids=STEPS)
def test_all_three_in_one_step_need_a_reason(keys: str, codes: list[str]) -> None:
    asked = "" if "input:" in keys or "prompt:" in keys else "prompt: x, "
    text = f"""\
    inputs: {{ page: {{ type: text, default: x }} }}
    tools:
      find: {{ describe: x, run: [find], changes_things: false }}
      mail: {{ describe: x, run: [mail], ask: never }}
      asked: {{ describe: x, run: [mail] }}
    steps:
      - {{ id: a, {asked}{keys} }}
      - {{ id: uses, write: "{{{{ inputs.page }}}}" }}
      - {{ id: b, call: find }}
      - {{ id: c, call: mail }}
      - {{ id: d, call: asked }}
    """
    found, said = workflow(text)
    assert said == codes
    assert (found is None) == (codes == ["trifecta"])


def test_the_input_counts_under_its_own_name() -> None:
    prompt = Prompt({"input": [{"content": [{"image_url": "https://a.example/x.png"}]}]})
    assert risks_of(prompt) == Risks(untrusted=("input",))
    assert risks_of(Prompt({"input": "https://a.example is text"})) == Risks()
