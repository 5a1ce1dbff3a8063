"""Tools in a file: what steps offer and call, what is refused, and what a workflow may touch."""

from __future__ import annotations

import datetime
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flowrunner.diagnostics import Diagnostic
from flowrunner.language.checks.declared import is_private
from flowrunner.language.load import load, load_text
from flowrunner.language.request import Prompt
from flowrunner.language.tools import CallTool, PythonTool, WorkflowTool
from flowrunner.language.touching import Touch, touched
from flowrunner.language.workflow import Step, Workflow

TODAY = datetime.date(2026, 11, 22)
TOP = "flowrunner: 1\nname: Test\ndefaults: { model: gpt-6-luna }\n"
SHOP = '''\
def find(number: str, most: int = 3) -> dict:
    """Look up an order."""

async def refund(number: str) -> None:
    """Refund an order."""
'''
GREET = """\
flowrunner: 1
name: Greet
description: Greets a person.
inputs:
  name: { type: text, describe: Who it is }
  times: { type: integer, default: 2 }
  key: { type: text, secret: true, optional: true }
  page: { type: file, default: greet.md }
steps: [{ id: line, run: [greet, "{{ inputs.name }} {{ inputs.times }}"] }]
result: { line: "{{ steps.line.text }}", again: "{{ default(inputs.key, inputs.page.text) }}" }
"""
ORDER = "{ describe: Look it up, run: [find], arguments: { number: text }, changes_things: false }"


class Told(NamedTuple):
    code: str
    message: str


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "greet.yaml").write_text(GREET, encoding="utf-8")
    (tmp_path / "greet.md").write_text("Hello", encoding="utf-8")
    return tmp_path


def loaded(folder: Path, text: str) -> tuple[Workflow | None, list[Diagnostic]]:
    path = folder / "flow.yaml"
    path.write_text(TOP + textwrap.dedent(text), encoding="utf-8")
    return load(path, "flow.yaml", today=TODAY)


def built(folder: Path, text: str) -> Workflow:
    workflow, diagnostics = loaded(folder, text)
    assert [each.message for each in diagnostics if each.severity == "error"] == []
    assert workflow is not None
    return workflow


def step(folder: Path, text: str, name: str) -> Step:
    found = built(folder, text).step(name)
    assert found is not None
    return found


def told(folder: Path, text: str) -> list[Told]:
    _, diagnostics = loaded(folder, text)
    return [Told(each.code, each.message) for each in diagnostics if each.severity != "hint"]


def tool_of(folder: Path, written: str, name: str = "it") -> Any:
    """One declared tool, used by a step so that nothing is left over."""
    text = f"tools:\n  {name}: {written}\nsteps: [{{ id: a, prompt: x, tools: [{name}] }}]\n"
    return built(folder, text).tools[name]


# Whether a tool changes things, and whether it asks.

CHANGES: dict[str, tuple[str, bool, str]] = {
    "command": ("{ describe: x, run: [x] }", True, "always"),
    "harmless command": ("{ describe: x, run: [x], changes_things: false }", False, "never"),
    "free command": ("{ describe: x, run: [x], ask: never }", True, "never"),
    "careful lookup": (
        "{ describe: x, run: [x], changes_things: false, ask: always }",
        False,
        "always",
    ),
    "function": ("{ python: 'shop.py:find' }", True, "always"),
    "get": ("{ describe: x, http: { url: 'https://a.example' } }", False, "never"),
    "post": ("{ describe: x, http: { method: POST, url: 'https://a.example' } }", True, "always"),
    "workflow that runs": ("{ workflow: greet.yaml }", True, "always"),
    "server": ("{ mcp: { command: [x] }, allowed_tools: [a] }", True, "always"),
    "reading server": (
        "{ mcp: { command: [x] }, allowed_tools: [a], changes_things: false }",
        False,
        "never",
    ),
    "desk": ("{ computer: { command: [x] } }", True, "always"),
    "shell": ("{ shell: { in: work } }", True, "always"),
    "patches": ("{ apply_patch: { in: work }, ask: never }", True, "never"),
}


@pytest.mark.parametrize(("written", "changes", "ask"), CHANGES.values(), ids=CHANGES)
def test_what_may_change_things_asks_unless_the_file_says_otherwise(
    project: Path, written: str, changes: bool, ask: str
) -> None:
    tool = tool_of(project, written)
    assert (tool.changes_things, tool.ask) == (changes, ask)


def test_a_step_with_tools_that_change_things_holds_and_keeps_the_order(project: Path) -> None:
    text = f"""\
    tools:
      find: {ORDER}
      refund: {{ python: "shop.py:refund" }}
    steps:
      - {{ id: first, call: refund, with: {{ number: "7" }} }}
      - {{ id: looks, prompt: x, tools: [find] }}
      - {{ id: acts, prompt: x, tools: [find, refund] }}
      - {{ id: sees, call: find, with: {{ number: "7" }} }}
    """
    workflow = built(project, text)
    found = {each.id: (each.on_unknown, each.has_effects) for each in workflow.all_steps()}
    assert found == {
        "first": ("hold", True),
        "looks": ("retry_once", False),
        "acts": ("hold", True),
        "sees": ("retry_once", False),
    }
    acts = workflow.step("acts")
    assert acts is not None
    assert acts.waits_for == ("first",)


def test_a_call_asks_only_where_the_file_says_so(project: Path) -> None:
    text = """\
    tools:
      quiet: { describe: x, run: [x] }
      careful: { describe: x, run: [x], ask: always }
    steps: [{ id: a, call: quiet }, { id: b, call: careful }]
    """
    asks = [
        each.verb.asks for each in built(project, text).steps if isinstance(each.verb, CallTool)
    ]
    assert asks == [False, True]


# What a step offers.


def test_a_step_offers_declared_and_hosted_tools_in_the_order_of_the_file(project: Path) -> None:
    text = f"""\
    tools:
      find: {ORDER}
      clock: {{ mcp: {{ command: [clock] }}, allowed_tools: [now, zone], changes_things: false }}
    steps:
      - {{ id: a, prompt: x, tools: [clock, find, code_interpreter], max_turns: 3 }}
    """
    verb = step(project, text, "a").verb
    assert isinstance(verb, Prompt)
    assert [tool["type"] for tool in verb.body({})["tools"]] == ["function", "code_interpreter"]
    assert list(verb.tools) == ["clock__now", "clock__zone", "find"]
    assert verb.max_turns == 3


def test_tools_and_turns_of_the_defaults_are_offered_unless_a_step_has_its_own(
    project: Path,
) -> None:
    (project / "flow.yaml").write_text(
        textwrap.dedent(
            f"""\
            flowrunner: 1
            name: Test
            defaults: {{ model: gpt-6-luna, tools: [find], max_turns: 4 }}
            tools: {{ find: {ORDER} }}
            steps:
              - {{ id: a, prompt: x }}
              - {{ id: b, prompt: x, tools: [web_search] }}
              - {{ id: c, continue: a, prompt: x }}
              - {{ id: d, continue: b, prompt: x, max_turns: 2 }}
              - {{ id: e, prompt: x, tools: null }}
            """
        ),
        encoding="utf-8",
    )
    workflow, _ = load(project / "flow.yaml", "flow.yaml", today=TODAY)
    assert workflow is not None
    found = {
        each.id: (list(each.verb.tools), each.verb.max_turns)
        for each in workflow.steps
        if isinstance(each.verb, Prompt)
    }
    assert found == {
        "a": (["find"], 4),
        "b": ([], 4),
        "c": (["find"], 4),
        "d": ([], 2),
        "e": ([], 4),
    }


def test_an_api_object_is_answered_by_the_declared_tool_of_its_name(project: Path) -> None:
    written = "{ type: function, name: find, strict: false, defer_loading: true, parameters: {} }"
    text = f"""\
    tools: {{ find: {ORDER} }}
    steps: [{{ id: a, prompt: x, tools: [{written}] }}]
    """
    verb = step(project, text, "a").verb
    assert isinstance(verb, Prompt)
    assert list(verb.tools) == ["find"]
    assert verb.body({})["tools"][0]["defer_loading"] is True


def test_braces_in_a_description_are_sent_as_they_are(project: Path) -> None:
    (project / "shop.py").write_text(
        'def find(a: str) -> None:\n    """Fill {{ this }} in."""\n', encoding="utf-8"
    )
    text = """\
    tools: { find: { python: "shop.py:find" } }
    steps: [{ id: a, prompt: x, tools: [find] }]
    """
    verb = step(project, text, "a").verb
    assert isinstance(verb, Prompt)
    assert verb.body({})["tools"][0]["description"] == "Fill {{ this }} in."


# Functions and workflows.


def test_a_function_is_kept_with_the_run_and_read_from_there(project: Path) -> None:
    text = textwrap.dedent(
        """\
        tools: { find: { python: "shop.py:find" } }
        steps: [{ id: a, prompt: x, tools: [find] }]
        """
    )
    workflow = built(project, text)
    assert workflow.files == {"shop.py": SHOP}
    (project / "shop.py").unlink()
    again, diagnostics = load_text(
        TOP + text, "flow.yaml", project, today=TODAY, files=workflow.files
    )
    assert diagnostics == []
    assert again is not None
    assert again.tools["find"] == workflow.tools["find"]


def test_the_file_may_say_more_of_a_parameter_than_the_function(project: Path) -> None:
    most = "{ type: integer, minimum: 1, maximum: 9 }"
    tool = tool_of(project, f"{{ python: 'shop.py:find', arguments: {{ most: {most} }} }}")
    assert tool.arguments["properties"]["most"] == {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 9,
        "description": "(default: 3)",
    }
    assert tool.read_arguments({"number": "7", "most": 0})[1] == [
        "`most` must be at least 1, found 0"
    ]
    assert tool.read_arguments({"number": "7", "most": None}) == ({"number": "7"}, [])


def test_an_installed_module_is_found_without_an_import(project: Path) -> None:
    tool = tool_of(
        project, "{ describe: x, python: 'flowrunner.language.workflow.durations:read_duration' }"
    )
    assert tool.kind == PythonTool(None, "flowrunner.language.workflow.durations", "read_duration")
    assert list(tool.arguments["properties"]) == ["text"]


@pytest.mark.parametrize(
    ("named", "code", "sentence"),
    [
        ("json:loads", "tool", "`json` belongs to Python itself"),
        ("nowhere.at_all:find", "missing-file", "there is no module `nowhere.at_all`"),
        ("flowrunner.nowhere:find", "missing-file", "there is no module `flowrunner.nowhere`"),
        ("flowrunner.visible.more:find", "missing-file", "there is no module"),
        ("shop:find", "missing-file", "there is no module `shop`"),
        ("../shop.py:find", "path-outside", "`../shop.py` lies outside the project"),
        (".hidden.py:find", "path-outside", "`.hidden.py` is hidden"),
    ],
)
def test_a_function_is_found_where_the_file_says_or_nowhere(
    project: Path, named: str, code: str, sentence: str
) -> None:
    text = f"tools: {{ it: {{ python: '{named}' }} }}\nsteps: [{{ id: a, prompt: x }}]\n"
    ((found, message),) = told(project, text)
    assert (found, message.startswith(sentence)) == (code, True)


def test_a_workflow_as_a_tool_takes_its_inputs_and_gives_its_result(project: Path) -> None:
    text = """\
    tools: { greet: { workflow: greet.yaml } }
    steps:
      - { id: a, call: greet, with: { name: Ada } }
      - { id: b, write: "{{ steps.a.output.line }} {{ steps.a.usage.total_tokens }}" }
    """
    workflow = built(project, text)
    tool = workflow.tools["greet"]
    assert isinstance(tool.kind, WorkflowTool)
    assert tool.describe == "Greets a person."
    assert tool.arguments is not None
    assert list(tool.arguments["properties"]) == ["name", "times"]
    assert tool.read_arguments({"name": "Ada", "times": None}) == ({"name": "Ada"}, [])
    assert told(project, text.replace("output.line", "output.lin")) == [
        ("undefined", "`steps.a.output` has no field `lin`: did you mean `line`?")
    ]


def test_a_workflow_that_must_have_a_file_or_a_secret_is_no_tool(project: Path) -> None:
    (project / "greet.yaml").write_text(
        "flowrunner: 1\nname: G\ninputs: { page: file, key: { type: text, secret: true } }\n"
        "steps: [{ id: a, write: '{{ inputs.page.text }}{{ inputs.key }}' }]\n",
        encoding="utf-8",
    )
    text = "tools: { it: { workflow: greet.yaml } }\nsteps: [{ id: a, prompt: x, tools: [it] }]\n"
    said = [each.message for each in told(project, text) if "needs" in each.message]
    assert said == [
        "`greet.yaml` needs the input `page`, which is a file: no model gives that",
        "`greet.yaml` needs the input `key`, which is secret: no model gives that",
    ]


def test_a_workflow_cannot_be_its_own_tool(project: Path) -> None:
    text = "tools: { it: { workflow: flow.yaml } }\nsteps: [{ id: a, prompt: x, tools: [it] }]\n"
    assert [each.code for each in told(project, text)] == ["recursion"]


# What is refused.

REFUSED: dict[str, tuple[str, str]] = {
    "folder above": ("{ shell: { in: .. } }", "`..` holds the workflow itself"),
    "own folder": ("{ apply_patch: { in: ./ } }", "`./` holds the workflow itself"),
    "absolute folder": ("{ shell: { in: /tmp } }", "`/tmp` is not relative to the workflow file"),
    "hidden folder": ("{ shell: { in: .git } }", "`.git` is hidden"),
    "filled folder": ("{ shell: { in: '{{ x }}' } }", "the folder of a tool is written out"),
    "template in a url": (
        "{ describe: x, http: { url: 'https://a.example/{{ x }}' } }",
        "the URL of a tool is written out",
    ),
    "no url": ("{ describe: x, http: { url: a.example } }", "`a.example` is not a URL"),
    "bad port": ("{ describe: x, http: { url: 'https://a.example:x' } }", "`https://a.example:x`"),
    "unencrypted": ("{ describe: x, http: { url: 'http://a.example' } }", "`a.example` would be"),
    "this machine": (
        "{ describe: x, http: { url: 'https://localhost/x' } }",
        "`localhost` is an address of this machine",
    ),
    "metadata": (
        "{ describe: x, http: { url: 'https://169.254.169.254/x' } }",
        "`169.254.169.254` is an address of this machine or its network",
    ),
    "header of the transport": (
        "{ describe: x, http: { url: 'https://a.example', headers: { Content-Length: 3 } } }",
        "`Content-Length` cannot be a header of a tool",
    ),
    "long name": (
        f"{{ mcp: {{ command: [x] }}, allowed_tools: [{'a' * 62}] }}",
        f"the model would call this tool `it__{'a' * 62}`",
    ),
    "variables of a remote server": (
        "{ mcp: { url: 'https://a.example', env: [HOME] }, allowed_tools: [a] }",
        "`env` belongs to a server with a `command`",
    ),
}


@pytest.mark.parametrize(("written", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_tool_that_cannot_be_is_refused(project: Path, written: str, sentence: str) -> None:
    text = (
        f"env: [HOME]\ntools: {{ it: {written} }}\nsteps: [{{ id: a, prompt: x, tools: [it] }}]\n"
    )
    messages = [each.message for each in told(project, text)]
    assert len(messages) == 1
    assert messages[0].startswith(sentence)


def test_a_private_host_is_reached_where_it_is_listed(project: Path) -> None:
    written = "{ describe: x, http: { url: 'http://127.0.0.1:8000', hosts: [127.0.0.1] } }"
    assert tool_of(project, written).kind.hosts == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("printer.local", True),
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("192.168.1.1", True),
        ("169.254.169.254", True),
        ("::1", True),
        ("fe80::1", True),
        ("::ffff:10.0.0.1", True),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("api.example.com", False),
    ],
)
def test_hosts_of_this_machine_and_its_network_are_known(host: str, private: bool) -> None:
    assert is_private(host) is private


def test_calls_of_two_tools_of_a_step_are_told_apart(project: Path) -> None:
    text = f"""\
    tools:
      one: {{ shell: {{ in: a }} }}
      two: {{ shell: {{ in: b }} }}
      clock__now: {ORDER}
      clock: {{ mcp: {{ command: [x] }}, allowed_tools: [now] }}
    steps:
      - {{ id: a, prompt: x, tools: [one, two] }}
      - {{ id: b, prompt: x, tools: [clock, clock__now] }}
    """
    assert told(project, text) == [
        ("tool", "the tool `shell` stands in this list twice"),
        ("tool", "the tool `clock__now` stands in this list twice"),
    ]


CHOICES: dict[str, tuple[str, list[str]]] = {
    "required": ("required", []),
    "none": ("none", []),
    "declared": ("{ type: function, name: find }", []),
    "of a server": ("{ type: function, name: clock__now }", []),
    "hosted": ("{ type: code_interpreter }", []),
    "misspelt": (
        "{ type: function, name: fnd }",
        ["the step has no function `fnd`: did you mean `find`?"],
    ),
    "a custom tool that is none": (
        "{ type: custom, name: find }",
        ["the step has no custom tool `find`"],
    ),
    "not offered": ("{ type: web_search }", ["the step has no tool `web_search`"]),
    "no such server": (
        "{ type: mcp, server_label: docs }",
        ["the step has no MCP server `docs`"],
    ),
    "allowed": (
        "{ type: allowed_tools, mode: auto, tools: [{ type: function, name: find }] }",
        [],
    ),
    "allowed but not there": (
        "{ type: allowed_tools, mode: auto, tools: [{ type: function, name: other }] }",
        ["the step has no function `other`"],
    ),
}


@pytest.mark.parametrize(("choice", "messages"), CHOICES.values(), ids=CHOICES)
def test_a_choice_names_a_tool_of_the_step(project: Path, choice: str, messages: list[str]) -> None:
    text = f"""\
    tools:
      find: {ORDER}
      clock: {{ mcp: {{ command: [x] }}, allowed_tools: [now] }}
    steps:
      - id: a
        prompt: x
        tools: [find, clock, code_interpreter]
        tool_choice: {choice}
    """
    assert [each.message for each in told(project, text)] == messages


REUSES = {
    "a lookup": ("tools: [find], reuse: true", []),
    "a change": (
        "tools: [refund], reuse: 7d",
        ["`reuse` has no meaning here: `refund` may change something each time"],
    ),
    "a request": (
        "tools: [rate], reuse: true",
        ["what `rate` finds changes, so an answer may be reused for a time only"],
    ),
    "a request for a time": ("tools: [rate], reuse: 7d", []),
}


@pytest.mark.parametrize(("keys", "messages"), REUSES.values(), ids=REUSES)
def test_reuse_follows_what_the_tools_do(project: Path, keys: str, messages: list[str]) -> None:
    text = f"""\
    tools:
      find: {ORDER}
      refund: {{ python: "shop.py:refund" }}
      rate: {{ describe: x, http: {{ url: "https://a.example" }} }}
    steps: [{{ id: a, prompt: x, {keys} }}]
    """
    assert [each.message for each in told(project, text)] == messages


def test_arguments_of_a_call_are_mentions_like_any_other(project: Path) -> None:
    text = f"""\
    tools: {{ find: {ORDER} }}
    steps:
      - {{ id: b, call: find, with: {{ number: "{{{{ steps.a.text }}}}" }} }}
      - {{ id: a, write: x }}
    """
    assert [each.code for each in told(project, text)] == ["order"]
    swapped = f"""\
    tools: {{ find: {ORDER} }}
    steps:
      - {{ id: a, write: x }}
      - {{ id: b, call: find, with: {{ number: "{{{{ steps.a.text }}}}" }} }}
    """
    assert step(project, swapped, "b").waits_for == ("a",)


def test_a_number_stays_as_it_is_spelled_where_text_is_taken(project: Path) -> None:
    text = f"""\
    tools: {{ find: {ORDER} }}
    steps: [{{ id: a, call: find, with: {{ number: 3.10 }} }}]
    """
    verb = step(project, text, "a").verb
    assert isinstance(verb, CallTool)
    assert verb.evaluate({}) == {"number": "3.10"}


# What a workflow may touch.


def test_every_command_file_host_and_variable_is_listed(project: Path) -> None:
    (project / "ask.md").write_text("Hello", encoding="utf-8")
    text = f"""\
    env: [TOKEN, URL]
    inputs: {{ name: text }}
    tools:
      find: {ORDER}
      refund: {{ python: "shop.py:refund" }}
      rate:
        describe: x
        http:
          url: https://a.example/x
          hosts: [b.example]
          headers: {{ A: {{ env: TOKEN }} }}
      away: {{ describe: x, http: {{ url: {{ env: URL }} }} }}
      greet: {{ workflow: greet.yaml }}
      work: {{ shell: {{ in: work }} }}
    steps:
      - id: a
        prompt_file: ask.md
        tools: [find, refund, rate, away, greet, work]
      - {{ id: b, run: [date, "{{{{ inputs.name }}}}"], env: [TOKEN], save_to: out/b.txt }}
      - id: c
        prompt: x
        attach: [greet.md, "{{{{ inputs.name }}}}.png", "https://img.example/a.png"]
        tools:
          - mcp: {{ server_label: d, server_url: "https://mcp.example/x", allowed_tools: [a] }}
    """
    assert touched(built(project, text)) == (
        Touch("command", "find", "find", "runs"),
        Touch("command", "greet {{ inputs.name }} {{ inputs.times }}", "greet/line", "runs"),
        Touch("command", "any command, in a shell", "work", "runs"),
        Touch("command", "date {{ inputs.name }}", "b", "runs"),
        Touch("file", "shop.py:refund", "refund", "runs"),
        Touch("file", "greet.yaml", "greet", "reads"),
        Touch("file", "ask.md", "a", "reads"),
        Touch("file", "out/b.txt", "b", "writes"),
        Touch("file", "greet.md", "c", "reads"),
        Touch("file", "{{ inputs.name }}.png", "c", "reads"),
        Touch("folder", "work", "work", "writes"),
        Touch("host", "a.example", "rate", "asks"),
        Touch("host", "b.example", "rate", "asks"),
        Touch("host", "the host in URL", "away", "asks"),
        Touch("host", "mcp.example", "c", "asks"),
        Touch("host", "img.example", "c", "asks"),
        Touch("variable", "TOKEN", "rate", "needs"),
        Touch("variable", "URL", "away", "needs"),
        Touch("variable", "TOKEN", "b", "receives"),
    )
