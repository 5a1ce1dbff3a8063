"""What an editor shows with the published schema: keys to choose from, hover text, mistakes.

The server that most editors use for YAML is installed by `npm ci` in `tests/editor`, or named by
`YAML_LANGUAGE_SERVER`. What `flowrunner` itself says of a file is tested elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from language_server import LanguageServer

from flowrunner.commands.scaffolding import project_files
from flowrunner.commands.templates import template

TOP = Path(__file__).resolve().parent.parent
SCHEMAS = sorted((TOP / "schemas").glob("*.schema.json"))
SCHEMA = json.loads((TOP / "schemas" / "workflow.schema.json").read_text(encoding="utf-8"))
INSTALLED = Path(__file__).parent / "editor/node_modules/yaml-language-server/bin"

HEAD = "flowrunner: 1\nname: Edited\nsteps:\n  - id: a\n"
VERBS = {
    "prompt_step": ["prompt: Hello", "prompt_file: ask.md", "input: [{ user: Hello }]"],
    "call_step": ["call: find_order"],
    "run_step": ["run: [date]"],
    "workflow_step": ["workflow: other.yaml"],
    "write_step": ["write: Hello"],
    "set_step": ["set: { name: Ada }"],
    "approve_step": ["approve: Shall it be sent?"],
    "branch_step": ["branch: run.id"],
    "group_step": ["steps: [{ id: b, write: x }]"],
    "stop_step": ["stop: Enough."],
    "fail_step": ["fail: Not like this."],
}


# Every property is described and shown


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_property_of_every_schema_has_a_description_and_an_example(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    bare = [
        route
        for route, part in _properties(schema, "")
        if not (_behind(schema, part).get("description") and _is_shown(schema, part))
    ]
    assert bare == []


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_example_is_one(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    wrong = [
        (route, example)
        for route, part in _properties(schema, "")
        for example in part.get("examples", ())
        if not Draft202012Validator({**part, "$defs": schema.get("$defs", {})}).is_valid(example)
    ]
    assert wrong == []


def _properties(part: Any, route: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        for position, below in enumerate(part):
            yield from _properties(below, f"{route}/{position}")
    if not isinstance(part, dict):
        return
    for name, described in part.get("properties", {}).items():
        if isinstance(described, dict):
            yield f"{route}/{name}", described
    for key, below in part.items():
        if key not in ("examples", "enum", "const", "required", "if"):
            yield from _properties(below, f"{route}/{key}")


def _behind(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        target = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
        part = {**target, **{key: part[key] for key in part if key != "$ref"}}
        if "$ref" in target:
            part["$ref"] = target["$ref"]
    return part


def _is_shown(schema: dict[str, Any], part: dict[str, Any]) -> bool:
    """Whether a property has an example, or is made of properties that have theirs."""
    part = _behind(schema, part)
    if part.get("examples") or part.get("properties"):
        return True
    inside = [*part.get("anyOf", []), *([part["items"]] if "items" in part else [])]
    return any(_is_shown(schema, each) for each in inside)


# What the editor shows


def _command() -> list[str]:
    named = os.environ.get("YAML_LANGUAGE_SERVER")
    node = shutil.which("node")
    program = Path(named) if named else INSTALLED / "yaml-language-server"
    if node is None or not program.exists():
        pytest.skip("the language server is not installed: run `npm ci` in tests/editor")
    return [node, str(program), "--stdio"]


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    server = LanguageServer(_command(), tmp_path_factory.mktemp("editor"))
    yield server
    server.close()


def _file(folder: Path, text: str) -> tuple[str, str]:
    """The address and text of a file with the line on top that names its schema."""
    schema = (TOP / "schemas" / "workflow.schema.json").as_posix()
    return (folder / "a.yaml").as_uri(), f"{text}# yaml-language-server: $schema={schema}\n"


def _with_verb() -> list[Any]:
    return [
        pytest.param(name, written, id=written.partition(":")[0])
        for name, verbs in VERBS.items()
        for written in verbs
    ]


@pytest.mark.parametrize(("step", "written"), _with_verb())
def test_the_keys_of_each_verb_are_offered(
    editor: LanguageServer, tmp_path: Path, step: str, written: str
) -> None:
    uri, text = _file(tmp_path, f"{HEAD}    {written}\n    \n")
    editor.open(uri, text)
    offered = set(editor.completions(uri, line=5, character=4))
    verb = written.partition(":")[0]
    expected = {
        name for name, part in SCHEMA["$defs"][step]["properties"].items() if isinstance(part, dict)
    } - {"id", verb}
    assert expected <= offered


def test_each_kind_of_step_is_asked_for() -> None:
    assert set(VERBS) == {name for name in SCHEMA["$defs"] if name.endswith("_step")}


def test_words_to_choose_from_are_offered(editor: LanguageServer, tmp_path: Path) -> None:
    uri, text = _file(tmp_path, f"{HEAD}    prompt: Hello\n    on_error: \n")
    editor.open(uri, text)
    assert set(editor.completions(uri, line=5, character=14)) >= {"stop", "continue"}


@pytest.mark.parametrize("key", ["prompt", "timeout", "output", "temperature"])
def test_a_key_is_explained_where_it_stands(
    editor: LanguageServer, tmp_path: Path, key: str
) -> None:
    written = {"prompt": "Hello", "timeout": "5m", "output": "{ n: text }", "temperature": "1"}
    lines = "".join(f"    {name}: {value}\n" for name, value in written.items())
    uri, text = _file(tmp_path, HEAD + lines)
    assert editor.open(uri, text) == []
    described = _behind(SCHEMA, SCHEMA["$defs"]["prompt_step"]["properties"][key])["description"]
    shown = editor.hover(uri, line=4 + list(written).index(key), character=6)
    first_words = described.partition(".")[0].partition("`")[0].strip()
    assert first_words in shown.replace("\\", "").replace("&nbsp;", " ")


STEPS = "flowrunner: 1\nname: Edited\nsteps:\n"
ONE = "steps:\n  - id: a\n    prompt: Hello\n"
TOP_OF_FILE = "flowrunner: 1\nname: Edited\n"
UNKNOWN = "Property {} is not allowed."
NO_KEY_OF_STEPS = "no step has this key; it is misspelt, or the verb is"
NO_KEY_OF_TOOLS = "no tool has this key; a tool says what it is with one of `run`"
TWO_VERBS = "a step has one verb: give this one a step of its own"


@dataclass(frozen=True)
class Mistake:
    """A text with one mistake: the token that is underlined, and the beginning of what is said."""

    text: str
    underlined: str
    said: str


MISTAKES = {
    "key": Mistake(f"{HEAD}    prompt: Hello\n    modle: x\n", "modle", UNKNOWN),
    "verb": Mistake(f"{HEAD}    promt: Hello\n", "promt", NO_KEY_OF_STEPS),
    "verb and a wrong value": Mistake(
        f"{HEAD}    comand: [date]\n    timeout: soon\n", "comand", NO_KEY_OF_STEPS
    ),
    "verb of a step inside": Mistake(
        f"{HEAD}    branch: run.id\n    cases:\n      a: [{{ id: b, promt: Hello }}]\n",
        "promt",
        NO_KEY_OF_STEPS,
    ),
    "no verb": Mistake(f"{HEAD}    model: x\n", "i", "this step does nothing: give it a verb"),
    "two verbs": Mistake(f"{HEAD}    run: [date]\n    prompt: Hello\n", "run", TWO_VERBS),
    "two prompts": Mistake(
        f"{HEAD}    prompt: Hello\n    prompt_file: a.md\n", "prompt_file", TWO_VERBS
    ),
    "a prompt and an input": Mistake(
        f"{HEAD}    prompt: Hello\n    input: Hello\n", "input", TWO_VERBS
    ),
    "key of another verb": Mistake(f"{HEAD}    run: [date]\n    model: x\n", "model", UNKNOWN),
    "no id": Mistake(f"{STEPS}  - prompt: Hello\n", "p", 'Missing property "id".'),
    "id": Mistake(
        f"{STEPS}  - id: My step\n    prompt: x\n", "My step", "this must be a step id: small"
    ),
    "a text for a step": Mistake(
        f"{STEPS}  - Say hello\n", "Say hello", 'Incorrect type. Expected "a step such as'
    ),
    "top": Mistake(f"{TOP_OF_FILE}input: {{ a: text }}\n{ONE}", "input", UNKNOWN),
    "no steps": Mistake(TOP_OF_FILE, "f", 'Missing property "steps".'),
    "output": Mistake(
        f"{HEAD}    prompt: x\n    output: {{ n: {{ type: text, descirbe: x }} }}\n",
        "descirbe",
        UNKNOWN,
    ),
    "shape": Mistake(
        f"{HEAD}    prompt: x\n    output:\n      team: txt\n",
        "txt",
        'Value is not accepted. Valid values: "text", "number"',
    ),
    "retry": Mistake(
        f"{HEAD}    prompt: x\n    retry: {{ attempts: 3, no: [refusal] }}\n",
        "no",
        "this must be a whole number from 1 to 20, or `{{ attempts: 3, on: [refusal] }}`",
    ),
    "for_each": Mistake(f"{HEAD}    prompt: x\n    for_eahc: a\n", "for_eahc", UNKNOWN),
    "repeat": Mistake(
        f"{HEAD}    repeat: {{ until: a, at_most: 3, fail: true }}\n"
        "    steps: [{ id: b, write: x }]\n",
        "fail",
        UNKNOWN,
    ),
    "limits": Mistake(f"{TOP_OF_FILE}limits: {{ at_onec: 3 }}\n{ONE}", "at_onec", UNKNOWN),
    "defaults": Mistake(f"{TOP_OF_FILE}defaults: {{ modle: x }}\n{ONE}", "modle", UNKNOWN),
    "tool": Mistake(
        f"{TOP_OF_FILE}tools:\n  t: {{ run: [date], argumnets: {{}} }}\n{ONE}", "argumnets", UNKNOWN
    ),
    "kind of tool": Mistake(
        f"{TOP_OF_FILE}tools:\n  t: {{ describe: x, rnu: [date] }}\n{ONE}", "rnu", NO_KEY_OF_TOOLS
    ),
    "two kinds of tool": Mistake(
        f"{TOP_OF_FILE}tools:\n  t: {{ python: a.py:b, shell: {{ in: x }} }}\n{ONE}",
        "shell",
        UNKNOWN,
    ),
    "no kind of tool": Mistake(
        f"{TOP_OF_FILE}tools:\n  t: {{ describe: x }}\n{ONE}", "t", "this tool does nothing: say"
    ),
    "duration": Mistake(
        f"{HEAD}    prompt: x\n    timeout: soon\n", "soon", "this must be a duration such as `30s`"
    ),
    "choice": Mistake(
        f"{HEAD}    prompt: x\n    on_error: go\n",
        "go",
        'Value is not accepted. Valid values: "stop", "continue".',
    ),
    "range": Mistake(
        f"{HEAD}    prompt: x\n    temperature: 3\n", "3", "Value is above the maximum of 2."
    ),
    "budget": Mistake(
        f"{TOP_OF_FILE}budget: 5 EUR\n{ONE}", "5 EUR", "this must be an amount such as `0.50 USD`"
    ),
    "key of a budget": Mistake(
        f"{TOP_OF_FILE}budget: {{ stop: 5 USD }}\n{ONE}", "stop", "this must be an amount such as"
    ),
    "list": Mistake(f"{HEAD}    prompt: x\n    needs: b\n", "b", "this must be a list of step ids"),
    "words": Mistake(f"{HEAD}    run: date\n", "date", "this must be a list: the command and its"),
    "number": Mistake(
        f"{TOP_OF_FILE}limits: {{ at_once: many }}\n{ONE}", "many", "this must be a whole number"
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_underlined_once_where_it_stands(
    editor: LanguageServer, tmp_path: Path, name: str
) -> None:
    mistake = MISTAKES[name]
    uri, text = _file(tmp_path, mistake.text)
    (found,) = editor.open(uri, text)
    assert _underlined(found, text) == mistake.underlined
    assert found["message"].startswith(mistake.said.format(mistake.underlined))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"{HEAD}    promt: Hello\n", "prompt"),
        (f"{HEAD}    prompt: Hello\n    modle: x\n", "model"),
    ],
)
def test_a_misspelt_key_can_be_mended_at_once(
    editor: LanguageServer, tmp_path: Path, text: str, right: str
) -> None:
    uri, text = _file(tmp_path, text)
    found = editor.open(uri, text)
    actions = editor.actions(uri, found)
    assert [action for action in actions if action.endswith(right)], actions


def _underlined(found: dict[str, Any], text: str) -> str:
    start, end = found["range"]["start"], found["range"]["end"]
    assert start["line"] == end["line"]
    return text.split("\n")[start["line"]][start["character"] : end["character"]]


def test_a_step_without_a_verb_may_have_every_key() -> None:
    """What the schema says of a misspelt verb knows all keys, and so names no other."""
    for name, parts in (("step", "_step"), ("tool", "_tool")):
        held = [part for key, part in SCHEMA["$defs"].items() if key.endswith(parts)]
        known = {key for part in held for key in part["properties"]}
        last = SCHEMA["$defs"][name]["allOf"][-1]
        assert set(last["then"]["else"]["properties"]) == known
        assert set(last["then"]["if"]["propertyNames"]["enum"]) == known - set(
            last["if"]["properties"]
        )


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_no_editor_shows_a_pattern(path: Path) -> None:
    """Where an editor's own words would be a regular expression or bare types stand ours."""
    parts = list(_parts(json.loads(path.read_text(encoding="utf-8"))))
    told = [part for part in parts if "title" in part and "errorMessage" in part]
    assert all(part["errorMessage"] == f"this must be {part['title']}" for part in told)
    if path.name.startswith(("workflow", "project", "test")):
        bare = [part for part in parts if _is_told_badly(part) and "errorMessage" not in part]
        assert bare == []


def _is_told_badly(part: dict[str, Any]) -> bool:
    is_odd = part.get("type") not in ("string", "object", None) or "pattern" in part
    if not is_odd or "title" not in part or {"enum", "const"} & set(part):
        return False
    # Of a mapping the same is said of its keys, which helps where it shows them.
    return not {"properties", "required"} & set(part) or "`{" in part["title"]


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for key, below in part.items():
            if key != "examples":
                yield from _parts(below)
    elif isinstance(part, list):
        for below in part:
            yield from _parts(below)


# Files of tests and of projects


TEST_SCHEMA = json.loads((TOP / "schemas" / "test.schema.json").read_text(encoding="utf-8"))
CASE = TEST_SCHEMA["$defs"]["case"]["properties"]
TEST_HEAD = "flowrunner_test: 1\nworkflow: a.yaml\ncases:\n  - name: one\n"


def _test_file(folder: Path, text: str) -> tuple[str, str]:
    schema = (TOP / "schemas" / "test.schema.json").as_posix()
    return (folder / "a.test.yaml").as_uri(), f"{text}# yaml-language-server: $schema={schema}\n"


def test_the_keys_of_a_case_are_offered(editor: LanguageServer, tmp_path: Path) -> None:
    uri, text = _test_file(tmp_path, f"{TEST_HEAD}    expect:\n      exit: 0\n      \n    \n")
    editor.open(uri, text)
    assert set(editor.completions(uri, line=7, character=4)) >= set(CASE) - {"name", "expect"}
    expected = set(CASE["expect"]["properties"]) - {"exit"}
    assert set(editor.completions(uri, line=6, character=6)) >= expected


def test_the_kinds_of_replies_are_offered(editor: LanguageServer, tmp_path: Path) -> None:
    uri, text = _test_file(tmp_path, f"{TEST_HEAD}    replies:\n      a:\n        o\n")
    editor.open(uri, text)
    offered = set(editor.completions(uri, line=6, character=9))
    assert offered >= set(TEST_SCHEMA["$defs"]["reply"]["properties"])


@pytest.mark.parametrize("key", ["asked", "called", "status"])
def test_what_a_case_expects_is_explained(editor: LanguageServer, tmp_path: Path, key: str) -> None:
    written = {"status": "succeeded", "asked": "{ a: Hello }", "called": "{ t: true }"}
    lines = "".join(f"      {name}: {value}\n" for name, value in written.items())
    uri, text = _test_file(tmp_path, f"{TEST_HEAD}    expect:\n{lines}")
    assert editor.open(uri, text) == []
    shown = editor.hover(uri, line=5 + list(written).index(key), character=8)
    described = CASE["expect"]["properties"][key]["description"]
    first_words = described.partition(".")[0].partition(":")[0].partition(",")[0]
    assert first_words in shown.replace("\\", "").replace("&nbsp;", " ")


@pytest.mark.parametrize(
    ("lines", "underlined", "said"),
    [
        ("    expct: {}\n    expect: { exit: 0 }\n", "expct", UNKNOWN),
        ("    expect: { stats: held }\n", "stats", UNKNOWN),
        ("    expect: { status: done }\n", "done", "Value is not accepted. Valid values: "),
        ("    expect: { that: result.a }\n", "result.a", "this must be a list of expressions"),
        ("    expect: { cost_below: 5 cent }\n", "5 cent", "this must be an amount such as"),
        ("    replies: { a: { refuse: x } }\n    expect: { exit: 0 }\n", "refuse", UNKNOWN),
        ("    tools: { a: { fail: x } }\n    expect: { exit: 0 }\n", "fail", UNKNOWN),
        ("    inputs: {}\n", "n", 'Missing property "expect".'),
    ],
)
def test_a_mistake_in_tests_is_underlined_once_where_it_stands(
    editor: LanguageServer, tmp_path: Path, lines: str, underlined: str, said: str
) -> None:
    uri, text = _test_file(tmp_path, TEST_HEAD + lines)
    (found,) = editor.open(uri, text)
    assert _underlined(found, text) == underlined
    assert found["message"].startswith(said.format(underlined))


def test_a_new_project_is_known_to_the_editor_by_its_settings(tmp_path: Path) -> None:
    """Without the lines on top: by the names of files, as `.vscode/settings.json` has it."""
    for name, content in project_files([template("hello")]).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    settings = json.loads((tmp_path / ".vscode/settings.json").read_bytes())
    server = LanguageServer(_command(), tmp_path, settings["yaml.schemas"])
    try:
        said = {
            name: [
                found["message"] for found in server.open((tmp_path / name).as_uri(), "zzz: 1\n")
            ]
            for name in ("workflows/a.yaml", "workflows/tests/a.test.yaml", "flowrunner.yaml")
        }
    finally:
        server.close()
    assert all("Property zzz is not allowed." in messages for messages in said.values())
    assert 'Missing property "steps".' in said["workflows/a.yaml"]
    assert 'Missing property "cases".' in said["workflows/tests/a.test.yaml"]
    assert 'Missing property "steps".' not in said["workflows/tests/a.test.yaml"]
    assert said["flowrunner.yaml"] == ["Property zzz is not allowed."]


@pytest.mark.parametrize(
    "path",
    [
        *sorted((TOP / "workflows").glob("*.yaml")),
        *sorted((TOP / "workflows").glob("tests/*.yaml")),
    ],
    ids=lambda path: path.name,
)
def test_the_gallery_has_no_mistake_for_an_editor(editor: LanguageServer, path: Path) -> None:
    assert editor.open(path.as_uri(), path.read_text(encoding="utf-8")) == []
