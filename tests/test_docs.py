"""Documents say what is true: every YAML block is valid, every console block is what is printed.

A YAML block after "Save this as `PATH`" becomes that file of a project in which the console blocks
run in order; `<!-- edit PATH: OLD => NEW -->` changes a file for the next console block alone. Run
ids and times are not compared. FLOWRUNNER_REWRITE_DOCS=1 writes the blocks anew.
"""

from __future__ import annotations

import datetime
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flowrunner import catalog
from flowrunner.diagnostics import render
from flowrunner.language.load import load_text
from flowrunner.language.testing import read_tests
from flowrunner.project.project_file import open_project_file

TOP = Path(__file__).resolve().parent.parent
DOCS = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
LINK = re.compile(r"\[`(?P<name>test_\w+)`\]\((?P<path>[^)#]+)\)")
ANY_LINK = re.compile(r"\]\((?P<path>[^)#:]+)\)")
YAML = re.compile(r"(?:Save this as `(?P<path>[^`]+)`:\n\n)?```yaml\n(?P<text>.*?)```", re.S)
CONSOLE = re.compile(
    r"(?P<edits>(?:<!-- edit [^\n]* -->\n)*)\n*"
    r"```console\n\$ (?P<command>[^\n]*)\n(?P<printed>.*?)```",
    re.S,
)
EDIT = re.compile(r"<!-- edit (?P<path>\S+): (?P<old>.*?) => (?P<new>.*?) -->")
FEATURES = [
    *("Input", "State", "Stream", "Background", "Answers", "Include", "Errors"),
    *("Providers", "Limits", "Simulator"),
]
PASSING = [(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN"), (r" *\b\d+(\.\d+)?m?s\b", " TIME")]


def name(path: Path) -> str:
    return path.name


def lasting(text: str) -> str:
    """What is printed without what differs from run to run."""
    for pattern, word in PASSING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_yaml_block_is_valid(doc: Path, tmp_path: Path) -> None:
    blocks = list(YAML.finditer(doc.read_text(encoding="utf-8")))
    assert blocks
    for block in blocks:
        if "flowrunner_test:" in block["text"]:
            path = project_of("", tmp_path / "gallery") / "workflows/tests/block.test.yaml"
            path.write_text(block["text"], encoding="utf-8")
            day = datetime.date(2026, 11, 22)
            assert render(read_tests(path, "block.test.yaml", today=day)[1]) == ""
            continue
        if "flowrunner:" not in block["text"]:
            (tmp_path / "flowrunner.yaml").write_text(block["text"], encoding="utf-8")
            assert render(open_project_file(tmp_path)[1]) == ""
            continue
        today = datetime.date(2026, 11, 22)
        _, found = load_text(block["text"], "block.yaml", tmp_path, today=today)
        assert render(found) == ""


def project_of(text: str, folder: Path) -> Path:
    """The gallery and the files that the document tells to save."""
    shutil.copytree(TOP / "workflows", folder / "workflows")
    for block in YAML.finditer(text):
        if block["path"]:
            (folder / block["path"]).write_text(block["text"], encoding="utf-8")
    return folder


def printed(project: Path, command: str) -> str:
    """What a command prints, on both streams, to a screen of 100 columns."""
    program, *words = shlex.split(command)
    assert program == "flowrunner"
    done = subprocess.run(
        [sys.executable, "-m", "flowrunner", *words],
        cwd=project,
        env={"PATH": os.environ["PATH"], "COLUMNS": "100", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_console_block_is_what_is_printed(doc: Path, tmp_path: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    project = project_of(text, tmp_path)
    blocks = list(CONSOLE.finditer(text))
    assert len(blocks) == text.count("```console")
    for block in blocks:
        before = {}
        for edit in EDIT.finditer(block["edits"]):
            path = project / edit["path"]
            before.setdefault(path, path.read_text(encoding="utf-8"))
            changed = path.read_text(encoding="utf-8").replace(edit["old"], edit["new"])
            assert changed != path.read_text(encoding="utf-8")
            path.write_text(changed, encoding="utf-8")
        found = printed(project, block["command"])
        for path, old in before.items():
            path.write_text(old, encoding="utf-8")
        if os.environ.get("FLOWRUNNER_REWRITE_DOCS"):
            new = f"{block[0].removesuffix(block['printed'] + '```')}{found.strip()}\n```"
            doc.write_text(doc.read_text(encoding="utf-8").replace(block[0], new), encoding="utf-8")
        else:
            assert lasting(found) == lasting(block["printed"])


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_every_linked_file_and_test_exists(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    for link in ANY_LINK.finditer(text):
        assert (doc.parent / link["path"]).exists(), link["path"]
    for link in LINK.finditer(text):
        tests = (doc.parent / link["path"]).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {link['name']}\(", tests, re.M), link["name"]


def test_every_feature_and_every_include_key_is_in_the_table_of_the_api() -> None:
    text = (TOP / "docs" / "responses-api.md").read_text(encoding="utf-8")
    assert [key for key in catalog.include_keys() if f"`{key}`" not in text] == []
    sections = re.findall(r"^## (.*)$", text, re.M)
    assert sections == FEATURES
    for section in text.split("\n## ")[1:]:
        assert LINK.search(section), section.splitlines()[0]


def test_the_readme_lists_every_command_and_exit_status() -> None:
    from flowrunner.cli.entry import SECTIONS
    from flowrunner.errors import ExitStatus

    text = (TOP / "README.md").read_text(encoding="utf-8")
    for section in SECTIONS.values():
        for command in section:
            assert re.search(rf"`{command}\b", text), command
    for status in ExitStatus:
        assert re.search(rf"\| .*\b{int(status)}\b", text), status


def test_the_readme_draws_every_room() -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    for path in (TOP / "flowrunner").iterdir():
        if path.is_dir() and any(path.glob("*.py")):
            assert f"`{path.name}/`" in text or f"`{path.name}`" in text, path.name
        elif path.suffix == ".py" and not path.stem.startswith("__"):
            assert f"`{path.stem}`" in text, path.name
