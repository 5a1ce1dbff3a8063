"""A project around workflows: what editors, git, CI and people need, written where nothing stands.

Which workflows it begins with is left to `templates`; nothing that is there is ever written over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowrunner.catalog import packaged
from flowrunner.commands.templates import Template, template, template_names
from flowrunner.commands.viewing import Viewer
from flowrunner.errors import EnvironmentFault, ExitStatus, UsageError
from flowrunner.report.figures import counted

SCHEMAS = ("workflow", "test", "project", "recording")
"""The schemas that a project keeps for its editors."""

_PROJECT_FILE = """\
# yaml-language-server: $schema=schemas/project.schema.json
# $schema: schemas/project.schema.json
#
# What all workflows of this project share. Every line is optional; `flowrunner explain
# flowrunner.yaml` tells of all of them.
#
# model: gpt-6-luna
# budget: 1 USD
"""
_GITIGNORE = """\
.flowrunner/
.env
"""
_ENV_EXAMPLE = """\
# Copy this file to .env, which git ignores, and write your key behind the sign.
OPENAI_API_KEY=
"""
_GITHUB = """\
# Finds every mistake in the workflows of this project and runs their tests. It needs no key and
# sends nothing.
name: Workflows
on: [push, pull_request]
permissions:
  contents: read
jobs:
  validate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: { python-version: "3.12" }
      - run: pip install flowrunner
      - run: flowrunner validate --strict --format github
      - run: flowrunner fmt --check
      - run: flowrunner test
"""
_SETTINGS = {
    "yaml.schemas": {
        "./schemas/workflow.schema.json": ["workflows/*.yaml", "!*.test.yaml"],
        "./schemas/test.schema.json": ["*.test.yaml"],
        "./schemas/project.schema.json": ["flowrunner.yaml"],
    },
    "json.schemas": [
        {"url": "./schemas/recording.schema.json", "fileMatch": ["/workflows/recordings/*.json"]}
    ],
}
_EXTENSIONS = {"recommendations": ["redhat.vscode-yaml"]}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the files of a project, by their names in it."""

    made: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]


def init(folder: Path, name: str, viewer: Viewer) -> ExitStatus:
    """Make a project from a template in a folder; what stands there already stays as it is.

    Raises UsageError for a name that is no template, EnvironmentFault where nothing can be written.
    """
    chosen = template(name)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`{folder}` is a file, not a folder", help="name another folder")
    written = write_missing(folder, project_files([chosen], _readme(chosen)))
    for made in written.made:
        viewer.result(str(folder / made))
    if written.kept:
        viewer.progress("These were there and stay as they are:")
        for kept in written.kept:
            viewer.progress(f"  {folder / kept}{_advice(folder, kept)}")
    viewer.progress(_next(folder, chosen, written))
    return ExitStatus.DONE


def _advice(folder: Path, kept: str) -> str:
    """What a file that stays as it is should say, where a secret hangs on it."""
    if kept != ".gitignore":
        return ""
    said = (folder / kept).read_text(encoding="utf-8", errors="replace").split()
    missing = [line for line in _GITIGNORE.split() if not {line, line.rstrip("/")} & set(said)]
    return f"  (it does not name {' and '.join(missing)})" if missing else ""


def list_templates(viewer: Viewer) -> ExitStatus:
    """Print the templates with what each does."""
    found = [template(name) for name in template_names()]
    width = max(len(each.name) for each in found)
    viewer.result("\n".join(f"{each.name:<{width}}  {each.description}" for each in found))
    return ExitStatus.DONE


def project_files(templates: list[Template], readme: str | None = None) -> dict[str, bytes]:
    """The files of a project with these templates, by their names in it."""
    found = {f"workflows/{name}": text for each in templates for name, text in each.contents()}
    texts = {
        "flowrunner.yaml": _PROJECT_FILE,
        ".gitignore": _GITIGNORE,
        ".env.example": _ENV_EXAMPLE,
        ".github/workflows/flowrunner.yml": _GITHUB,
        ".vscode/settings.json": json.dumps(_SETTINGS, indent=2) + "\n",
        ".vscode/extensions.json": json.dumps(_EXTENSIONS, indent=2) + "\n",
    }
    if readme is not None:
        texts["README.md"] = readme
    schemas = ((schema_path(name), schema_bytes(name)) for name in SCHEMAS)
    return {**found, **{name: text.encode() for name, text in texts.items()}, **dict(schemas)}


def schema_path(name: str) -> str:
    """Where a project keeps one of our schemas."""
    return f"schemas/{name}.schema.json"


def schema_bytes(name: str) -> bytes:
    """One of our schemas as it ships."""
    return packaged(f"schemas/{name}.schema.json").read_bytes()


def write_missing(folder: Path, files: Mapping[str, bytes]) -> Written:
    """Write those files of a project that are not there. Raises EnvironmentFault."""
    made, same, kept = [], [], []
    for name, content in files.items():
        try:
            if _make(folder / name, content):
                made.append(name)
            elif (folder / name).read_bytes() == content:
                same.append(name)
            else:
                kept.append(name)
        except IsADirectoryError:
            kept.append(name)
        except OSError as fault:
            why = (fault.strerror or "unknown").lower()
            raise EnvironmentFault(f"`{folder / name}` cannot be written: {why}") from None
    return Written(tuple(made), tuple(same), tuple(kept))


def _make(path: Path, content: bytes) -> bool:
    """Write a file that does not exist; False where something of that name does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


def _readme(chosen: Template) -> str:
    return "".join(f"{line}\n" for line in _readme_lines(chosen))


def _readme_lines(chosen: Template) -> Iterator[str]:
    yield f"# {chosen.title}"
    yield ""
    yield chosen.description
    yield ""
    yield "On the simulator, without a key and without cost:"
    yield ""
    yield from (f"    {command}" for command in chosen.commands)
    yield ""
    yield "With a key in `.env` (see `.env.example`), the same without `--simulate` asks the API."
    yield ""
    yield "    flowrunner validate                 # every mistake, before anything is sent"
    yield f"    flowrunner explain workflows/{chosen.file}"
    yield f"    flowrunner plan workflows/{chosen.file}    # what it may cost"
    yield "    flowrunner fmt                      # one look for all files"
    yield "    flowrunner test                     # the cases in workflows/tests, without a key"


def _next(folder: Path, chosen: Template, written: Written) -> str:
    made = f"{counted(len(written.made), 'file')} made" if written.made else "nothing was missing"
    there = "" if folder == Path() else f"  cd {folder}\n"
    commands = "".join(f"  {command}\n" for command in chosen.commands[:1])
    return f"{made}. Next:\n{there}{commands}  flowrunner explain workflows/{chosen.file}"
