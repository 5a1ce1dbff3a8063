"""Documents say what is true: every YAML block is valid, every console block is what is printed.

How a page is played is told in `documents`. FLOWRUNNER_REWRITE_DOCS=1 writes the blocks anew.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from flowrunner import catalog
from tests.documents import TOP, Reader, pages

DOCS = list(pages())
LINK = re.compile(r"\[`(?P<name>test_\w+)`\]\((?P<path>[^)#]+)\)")
ANY_LINK = re.compile(r"\]\((?P<path>[^)#:]+)\)")
FEATURES = [
    *("Input", "State", "Stream", "Background", "Answers", "Include", "Errors"),
    *("Providers", "Limits", "Simulator"),
]


def name(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_a_page_says_what_happens_to_its_reader(doc: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path, [sys.executable, "-m", "flowrunner"])
    played = reader.play(doc.read_text(encoding="utf-8"))
    assert reader.faults == []
    if os.environ.get("FLOWRUNNER_REWRITE_DOCS"):
        doc.write_text(played, encoding="utf-8")
        return
    for each in reader.printed:
        assert each.is_true, f"$ {each.command}\n{each.found}"


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


def test_the_reference_says_what_its_sources_say() -> None:
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    made = generate.pages()
    there = {path.name for path in (TOP / "docs" / "reference").glob("*.md")}
    assert there == set(made)
    for page, text in made.items():
        kept = (TOP / "docs" / "reference" / page).read_text(encoding="utf-8")
        assert kept == text, "python docs/generate.py"


@pytest.mark.parametrize("doc", DOCS, ids=name)
def test_only_generated_pages_have_blocks_that_are_held_elsewhere(doc: Path) -> None:
    if doc.parent.name != "reference":
        text = doc.read_text(encoding="utf-8")
        assert "<!-- part of a file -->" not in text
        assert "<!-- a mistake -->" not in text


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
