"""A rule by its code: what holds, a mistake, what the checks say of it, and the mend.

What is said is said by the checks themselves, each time; the mistakes stand in `mistakes.yaml`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flowrunner.commands.checking import today
from flowrunner.diagnostics import RULES, Diagnostic
from flowrunner.language.document import read
from flowrunner.language.load import load, load_text
from flowrunner.project.project_file import read_project_file
from flowrunner.project.providers import known_providers

_FRAME = "flowrunner: 1\nname: Example\ndefaults: { model: gpt-6-luna }\n"
_NAME = "example.yaml"
_PROJECT = """\
providers:
  local: { base_url: http://127.0.0.1:11434/v1, supports: { store: false } }
  azure: { base_url: https://NAME.openai.azure.com/openai/v1, key_env: AZURE_OPENAI_API_KEY }
"""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake and the same without it. `kind` is what the texts are: steps and inputs of a file,
    a `whole` file, one `beside` a project file, a `project` file, or `words`. `files` stand beside
    the workflow."""

    code: str
    wrong: str
    right: str
    kind: str = "part"
    files: Mapping[str, str] = field(default_factory=dict)

    def said(self, text: str) -> list[Diagnostic]:
        """What the checks say of one of the two texts."""
        if self.kind == "words":
            return []
        if self.kind == "project":
            return _said_of_project(text)
        if self.kind == "beside":
            return _said_beside_project({**self.files, _NAME: text})
        whole = text if self.kind == "whole" else _FRAME + text
        nowhere = Path(tempfile.gettempdir()) / "flowrunner-nowhere"
        return load_text(whole, _NAME, nowhere, today=today(), files=self.files)[1]


@cache
def mistakes() -> Mapping[str, Mistake]:
    """A mistake for each rule, by its code."""
    document, _ = read(Path(__file__).with_name("mistakes.yaml"), "mistakes.yaml")
    assert document is not None
    return {code: Mistake(code, **entry) for code, entry in document.value.items()}


def rule_lines(code: str) -> list[str]:
    """What is to be said of one rule, unwrapped."""
    mistake = mistakes()[code]
    said = [each for each in mistake.said(mistake.wrong) if each.code == code][:1]
    told = [line for each in said for line in _told(each)]
    return [
        f"Rule {code}",
        f"  {RULES[code]}",
        "",
        "  A mistake",
        *_indented(mistake.wrong),
        *(["", "  What is said of it", *told] if told else []),
        "",
        "  Without it",
        *_indented(mistake.right),
    ]


def _told(diagnostic: Diagnostic) -> list[str]:
    lines = [f"    {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    return [*lines, f"    help: {diagnostic.help}"] if diagnostic.help else lines


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.rstrip("\n").split("\n")]


def _said_of_project(text: str) -> list[Diagnostic]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flowrunner.yaml")
        path.write_text(text, encoding="utf-8")
        return read_project_file(path, path.name)[1]


def _said_beside_project(files: Mapping[str, str]) -> list[Diagnostic]:
    """What is said of a workflow under a project file that declares two providers."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"flowrunner.yaml": _PROJECT, **files}.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        project, _ = read_project_file(Path(folder, "flowrunner.yaml"), "flowrunner.yaml")
        known = None if project is None else known_providers(project)
        return load(Path(folder, _NAME), _NAME, today=today(), providers=known)[1]
