"""What the reference tells by hand is what the code offers; its text for shells stays as it is."""

from __future__ import annotations

import importlib.util
import re
from datetime import date
from pathlib import Path
from types import ModuleType

import click
import pytest

from flowrunner.cli.entry import SECTIONS, flowrunner
from flowrunner.language.checks.offers import RUN, Known, offered
from flowrunner.language.load import load_text
from flowrunner.language.shapes import Shape
from tests.documents import TOP

STEPS = """\
flowrunner: 1
name: All that steps offer
defaults: { model: gpt-6-luna }
inputs: { rows: table }
steps:
  - id: each
    for_each: inputs.rows
    prompt: "Which one is {{ item }}?"
    output: { one: text }
  - id: groups
    for_each: inputs.rows
    steps:
      - { id: inner, write: "{{ item }}" }
  - id: again
    repeat: { until: steps.look.output.good, at_most: 3 }
    steps:
      - { id: look, prompt: Is it good?, output: { good: yes_no } }
"""


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(shape: Shape) -> set[str]:
    """The names of all fields of a shape: of objects in it, and of what its lists hold."""
    below = [shape.item] if shape.item is not None else [field for _, field in shape.fields]
    own = {name for name, _ in shape.fields}
    return own.union(*map(names, below)) if below else own


def section(page: str, title: str) -> str:
    return page.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_field_that_a_step_offers_is_told_and_no_other(generate: ModuleType) -> None:
    found, diagnostics = load_text(STEPS, "all.yaml", Path(), today=date(2026, 11, 22))
    assert found is not None, diagnostics
    found_names: set[str] = set()
    for step in found.steps:
        inside = [{below.id: offered(below, Known()) for below in steps} for _, steps in step.lists]
        known = Known(inside=inside)
        found_names |= names(offered(step, known))
    told = section(generate.pages()["templates.md"], "What a step offers")
    told_names = {
        name for dotted in re.findall(r"`\.([\w.]+)`", told) for name in dotted.split(".")
    }
    assert told_names == found_names - {"one", "good", "inner"}  # those are the author's


def test_every_field_of_the_run_is_told_and_no_other(generate: ModuleType) -> None:
    told = section(generate.pages()["templates.md"], "Names")
    assert set(re.findall(r"`run\.(\w+)`", told)) == {name for name, _ in RUN.fields}


def test_every_option_says_what_it_is_for_and_what_it_takes(generate: ModuleType) -> None:
    page = generate.pages()["commands.md"]
    group = click.Context(flowrunner, info_name="flowrunner")
    for name in (name for names in SECTIONS.values() for name in names):
        command = flowrunner.get_command(group, name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (name, option.opts)
    assert "| `--port` `NUMBER` |" in page
    assert "Default: `8765`." in page
    assert '```text\nbash: eval "$(flowrunner completion bash)"\n' in page
