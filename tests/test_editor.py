"""What an editor shows with the published schema: keys to choose from, hover text, mistakes.

The server that most editors use for YAML is installed by `npm ci` in `tests/editor`, or named by
`YAML_LANGUAGE_SERVER`. What `flowrunner` itself says of a file is tested elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from language_server import LanguageServer

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


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    named = os.environ.get("YAML_LANGUAGE_SERVER")
    node = shutil.which("node")
    program = Path(named) if named else INSTALLED / "yaml-language-server"
    if node is None or not program.exists():
        pytest.skip("the language server is not installed: run `npm ci` in tests/editor")
    server = LanguageServer([node, str(program), "--stdio"], tmp_path_factory.mktemp("editor"))
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
        name for name, part in SCHEMA["$defs"][step]["properties"].items() if part is not False
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


@pytest.mark.parametrize(
    ("lines", "underlined"),
    [
        ("    prompt: Hello\n    modle: gpt-6-luna\n", "modle"),
        ("    prompt: Hello\n    timeout: soon\n", "soon"),
        ("    prompt: Hello\n    on_error: go\n", "go"),
        ("    prompt: Hello\n    temperature: 3\n", "3"),
        ("    run: [date]\n    model: gpt-6-luna\n", "model"),
    ],
    ids="key duration choice range verb".split(),  # noqa: SIM905
)
def test_a_mistake_is_underlined_where_it_stands(
    editor: LanguageServer, tmp_path: Path, lines: str, underlined: str
) -> None:
    uri, text = _file(tmp_path, HEAD + lines)
    (found,) = editor.open(uri, text)
    start, end = found["range"]["start"], found["range"]["end"]
    assert start["line"] == end["line"]
    line = text.split("\n")[start["line"]]
    assert line[start["character"] : end["character"]] == underlined


@pytest.mark.parametrize(
    "path", sorted((TOP / "workflows").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_gallery_has_no_mistake_for_an_editor(editor: LanguageServer, path: Path) -> None:
    assert editor.open(path.as_uri(), path.read_text(encoding="utf-8")) == []
