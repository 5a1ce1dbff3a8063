"""The gallery as templates: of each workflow the files that it needs to run as it stands.

What else a project consists of is left to `scaffolding`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowrunner.catalog import packaged
from flowrunner.commands.checking import today
from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import UsageError
from flowrunner.language.load import load
from flowrunner.language.paths import is_absolute
from flowrunner.language.testing import ENDINGS
from flowrunner.language.touching import touched
from flowrunner.language.workflow import CallWorkflow, Command, Workflow
from flowrunner.recordings.recording import FOLDER

DEFAULT = "hello"

_MODELINE = "# yaml-language-server: $schema="
_JETBRAINS = "# $schema: "
_SCHEMA = "../schemas/workflow.schema.json"
_SCHEMA_OF_TESTS = "../../schemas/test.schema.json"
_TESTS = "tests"
_COMMAND = re.compile(r"^#   (flowrunner .+)$", re.MULTILINE)
_NAMED_PATH = re.compile(r"workflows/([\w./*-]+)")
_RECORDING = re.compile(r"^ +recording: (\w+)$", re.MULTILINE)
_NOTICE = "inputs/NOTICE"


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow of the gallery. `commands` are those that its comment gives; `files` are what it
    consists of, relative to the folder of workflows."""

    name: str
    title: str
    description: str
    commands: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"{self.name}.yaml"

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Its files, those in YAML with the lines on top by which editors find the schema."""
        for name in self.files:
            content = (packaged("workflows") / name).read_bytes()
            yield name, _with_modelines(name, content) if name.endswith(".yaml") else content


def template_names() -> list[str]:
    """The names of all templates, sorted."""
    return sorted(path.stem for path in packaged("workflows").glob("*.yaml"))


def template(name: str) -> Template:
    """A template by its name. Raises UsageError, with a suggestion, where there is none."""
    known = template_names()
    asked = name.removesuffix(".yaml").replace("-", "_")
    if asked not in known:
        near = did_you_mean(asked, known)
        advice = f"did you mean `{near}`?" if near else "`flowrunner init --list` names them"
        raise UsageError(f"there is no template `{name}`", help=advice)
    path = packaged("workflows") / f"{asked}.yaml"
    workflow, _ = load(path, path.name, today=today())
    assert workflow is not None, "the gallery has no mistakes"
    text = path.read_text(encoding="utf-8")
    return Template(
        name=asked,
        title=workflow.name,
        description=workflow.description or "",
        commands=tuple(_COMMAND.findall(text)),
        files=tuple(_files(workflow, text)),
    )


def _files(workflow: Workflow, text: str) -> list[str]:
    """Everything in the gallery's folder that the workflow or its comment names."""
    folder = packaged("workflows")
    named = {Path(workflow.shown).name, *workflow.files, *_named(workflow)}
    named |= set(_NAMED_PATH.findall(text))
    named |= {each for name in tuple(named) for each in _tests_of(name)}
    found = {
        path.relative_to(folder).as_posix()
        for name in named
        if name and not is_absolute(name)
        for path in folder.glob(name)
        if path.is_file()
    }
    if any(name.startswith("inputs/") for name in found):
        found.add(_NOTICE)
    return sorted(found)


def _tests_of(name: str) -> Iterator[str]:
    """The tests of a workflow, and the recordings that answer them."""
    path = packaged("workflows") / _TESTS / f"{Path(name).stem}{ENDINGS[0]}"
    if name.endswith(".yaml") and path.is_file():
        yield f"{_TESTS}/{path.name}"
        for recording in _RECORDING.findall(path.read_text(encoding="utf-8")):
            yield f"{FOLDER}/{recording}.json"


def _named(workflow: Workflow) -> Iterator[str]:
    """The paths that a workflow, or one that it calls, has as defaults or runs."""
    for known in workflow.inputs:
        if isinstance(known.default, str) and known.shape.kind in ("file", "files", "table"):
            yield known.default
    for touch in touched(workflow):
        yield from (word for word in touch.name.split() if touch.by in workflow.tools)
    for step in workflow.all_steps():
        if isinstance(step.verb, Command):
            yield from (word for word in step.verb.argv if isinstance(word, str) and "/" in word)
        if isinstance(step.verb, CallWorkflow):
            yield from _named(step.verb.workflow)


def _with_modelines(name: str, content: bytes) -> bytes:
    """A workflow, or tests of one, with both lines on top, by which editors of either kind find the
    schema."""
    schema = _SCHEMA_OF_TESTS if name.endswith(ENDINGS) else _SCHEMA
    text = content.decode()
    lines = [line for line in text.splitlines() if not line.startswith((_MODELINE, _JETBRAINS))]
    on_top = [f"{_MODELINE}{schema}", f"{_JETBRAINS}{schema}"]
    return "".join(f"{line}\n" for line in [*on_top, *lines]).encode()
