"""`flowrunner.yaml`: what it may say, and what it prints when it says it wrong.

`cases_project/<code>.yaml` print their `.out`, with that code among the rest where the file is
named after one. With FLOWRUNNER_REWRITE_CASES=1 in the environment the `.out` files are written
anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrunner.catalog import load_schema
from flowrunner.diagnostics import RULES, render
from flowrunner.language.workflow import Limits
from flowrunner.language.workflow.parts import Money
from flowrunner.project.key_names import key_name_fault
from flowrunner.project.project_file import ProjectFile, read_project_file

CASES = sorted((Path(__file__).parent / "cases_project").glob("*.yaml"))
SCHEMA = load_schema("project")
WORKFLOW = load_schema("workflow")

WHOLE = """\
model: gpt-6-luna
defaults:
  reasoning: { effort: low }
  store: false
  metadata: { team: 3.10 }
budget: { stop_at: 3 USD, warn_at: 2.50 USD, tokens: 200000 }
confirm_above: 5 USD
limits: { at_once: 4, timeout: 10m }
provider: azure
providers:
  openai: { base_url: https://eu.api.openai.com/v1/, key_env: OPENAI_API_KEY }
  azure:
    base_url: "https://NAME.openai.azure.com/openai/v1"
    key_env: AZURE_OPENAI_API_KEY
    auth: api-key
  local:
    base_url: http://127.0.0.1:11434/v1
    supports: { store: false, previous_response_id: false }
prices:
  my-model: { input: 1, cached_input: 0.1, output: 2.5 }
  gpt-5: { input: 1, output: 8 }
"""


def read(folder: Path, text: str) -> ProjectFile:
    (folder / "flowrunner.yaml").write_text(text)
    file, found = read_project_file(folder / "flowrunner.yaml", "flowrunner.yaml")
    assert file is not None, render(found)
    assert list(file.warnings) == found
    return file


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_wrong_file_prints_what_is_wrong(path: Path) -> None:
    file, found = read_project_file(path, "flowrunner.yaml")
    printed = render(found)
    expected = path.with_suffix(".out")
    if os.environ.get("FLOWRUNNER_REWRITE_CASES"):
        expected.write_text(printed, encoding="utf-8")
    assert printed == expected.read_text(encoding="utf-8")
    codes = {each.code for each in found}
    assert codes <= set(RULES)
    assert path.stem in codes or path.stem not in RULES
    assert (file is None) == any(each.severity == "error" for each in found)
    assert not re.search("hunter2|sk-proj|0123456789", printed)


def test_everything_that_a_file_may_say(tmp_path: Path) -> None:
    file = read(tmp_path, WHOLE)
    assert file.model == "gpt-6-luna"
    assert file.defaults["metadata"] == {"team": 3.1}
    assert file.defaults["reasoning"] == {"effort": "low"}
    assert file.budget == Money(3.0, 2.5, 200_000)
    assert file.confirm_above_usd == 5.0
    assert file.limits == Limits(4, 600.0)
    assert file.provider == "azure"
    assert file.prices == {
        "my-model": {"input": 1.0, "cached_input": 0.1, "output": 2.5},
        "gpt-5": {"input": 1.0, "output": 8.0},
    }
    assert file.providers["openai"].base_url == "https://eu.api.openai.com/v1"
    assert file.providers["azure"].auth == "api-key"
    assert file.providers["local"].supports == {"store": False, "previous_response_id": False}
    assert file.providers["local"].key_env is None
    assert file.source("limits.timeout") == f"{tmp_path / 'flowrunner.yaml'}:8"
    assert file.source("providers.local") == f"{tmp_path / 'flowrunner.yaml'}:16"


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "---\n", "{}"])
def test_a_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    file = read(tmp_path, text)
    assert file == ProjectFile(tmp_path / "flowrunner.yaml")


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "flowrunner.yaml").mkdir()
    file, (found,) = read_project_file(tmp_path / "flowrunner.yaml", "flowrunner.yaml")
    assert file is None
    assert (found.message, found.help) == ("this is a folder, not a project file", None)


@given(st.text() | st.text().map(lambda text: f"providers: {{ x: {text} }}"))
def test_no_text_raises_anything(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    file, found = read_project_file(path, "flowrunner.yaml")
    assert file is not None or found


@pytest.mark.parametrize(
    ("name", "host", "said"),
    [
        ("OPENAI_API_KEY", "api.openai.com", None),
        ("OPENAI_API_KEY", "EU.api.openai.com", None),
        ("OPENAI_API_KEY", "127.0.0.1", None),
        ("OPENAI_API_KEY", "api.openai.com.evil.example", "`api.openai.com` only"),
        ("OPENAI_API_KEY", "evilapi.openai.com.example", "`api.openai.com` only"),
        ("AZURE_OPENAI_API_KEY", "name.openai.azure.com", None),
        ("AZURE_OPENAI_API_KEY", "evil.example", "`openai.azure.com` only"),
        ("ANTHROPIC_API_KEY", "evil.example", "`anthropic.com` only"),
        ("OPENAI_ADMIN_KEY", "api.openai.com", "something else"),
        ("AWS_SECRET_ACCESS_KEY", "evil.example", "something else"),
        ("GITHUB_TOKEN", "evil.example", "something else"),
        ("PATH", "evil.example", "ends in `_KEY`"),
        ("sk-CANARY-0123", "evil.example", "not the key itself"),
        ("lower_api_key", "evil.example", "capital letters"),
        ("GATEWAY_API_KEY", "gateway.example", None),
    ],
)
def test_which_variable_may_hold_the_key_of_a_host(name: str, host: str, said: str | None) -> None:
    sentence = key_name_fault(name, host)
    assert (sentence is None) == (said is None)
    if said and sentence:
        assert said in sentence
        assert "CANARY" not in sentence


# The schema itself


def _properties(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        for position, below in enumerate(part):
            yield from _properties(below, f"{path}/{position}")
    if not isinstance(part, dict):
        return
    for name, described in part.get("properties", {}).items():
        yield f"{path}/{name}", described
    for key, below in part.items():
        if key not in ("examples", "enum", "const", "required", "if"):
            yield from _properties(below, f"{path}/{key}")


def _behind(part: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").removeprefix("#/$defs/")
    return {**SCHEMA["$defs"][name], **part} if name else part


def test_the_schema_is_a_schema_with_an_address_that_nobody_fetches() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "https://flowrunner.invalid/project.schema.json"
    assert "'oneOf'" not in str(SCHEMA)


def test_every_property_is_described_and_shown() -> None:
    bare = [
        path
        for path, part in _properties(SCHEMA)
        if not (_behind(part).get("description") and _behind(part).get("examples"))
    ]
    assert bare == []
    assert all(each.get("description") for each in SCHEMA["properties"].values())


def test_what_both_files_may_say_is_the_same_in_both_schemas() -> None:
    for name, part in SCHEMA["$defs"].items():
        if name in WORKFLOW["$defs"]:
            assert part == WORKFLOW["$defs"][name], f"copy `{name}` from workflow.schema.json"
    assert SCHEMA["properties"]["limits"] == WORKFLOW["properties"]["limits"]
    used = set(re.findall(r"#/\$defs/(\w+)", str(SCHEMA)))
    assert used == set(SCHEMA["$defs"])
    for name, part in SCHEMA["properties"]["defaults"]["properties"].items():
        assert part == WORKFLOW["properties"]["defaults"]["properties"][name]
