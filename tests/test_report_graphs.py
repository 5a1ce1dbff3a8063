"""The graph of a workflow in four forms: every step once, who waits for whom, texts as texts."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flowrunner.language.load import load, load_text
from flowrunner.language.workflow import Workflow
from flowrunner.report.graphs import Graph, graph_of, to_dot, to_lines, to_mermaid, to_svg
from flowrunner.report.html.layout import Sizes, lay_out
from tests.cli_world import GALLERY, Project

TODAY = date(2026, 11, 22)
CASES = Path(__file__).parent / "cases" / "ok"
FILES = sorted([*GALLERY.glob("*.yaml"), CASES / "nested.yaml"])
SVG = "{http://www.w3.org/2000/svg}"

WHOLE = """\
flowrunner: 1
name: "{name}"
defaults: {{ model: gpt-6-luna }}
inputs: {{ team: [a, 'b"<&`]'], word: text }}
steps:
  - {{ id: ask, prompt: Hello }}
  - id: way
    needs: [ask]
    branch: inputs.team
    cases:
      a: [{{ id: one, write: x }}, {{ id: two, write: "{{{{ steps.one.text }}}}" }}]
      'b"<&`]': [{{ id: three, if: "'</text><script>' != inputs.word", write: x }}]
  - id: each
    for_each: [1, 2]
    as: entry
    steps: [{{ id: inner, repeat: {{ until: "true", at_most: 2 }}, write: x }}]
  - {{ id: agree, needs: [way, each], approve: Go on? }}
"""
NAME = 'A \\"name\\" </svg> %%{init} -->'


def graph(text: str, folder: Path) -> Graph:
    found, diagnostics = load_text(text, "a.yaml", folder, today=TODAY)
    assert found is not None, diagnostics
    return graph_of(found)


def workflow(path: Path) -> Workflow:
    found, diagnostics = load(path, path.name, today=TODAY)
    assert found is not None, diagnostics
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_step_is_drawn_in_every_form(path: Path) -> None:
    found = workflow(path)
    drawn = graph_of(found)
    ids = [step.id for step in found.all_steps()]
    lines = to_lines(drawn, utf8=True)
    told = [line.lstrip("│├└─ ") for line in lines[1:] if not line.endswith(":")]
    assert [line.split("  ")[0] for line in told] == ids
    for name in ids:
        assert to_mermaid(drawn).count(f'"{name}<br/>') == 1
        assert to_dot(drawn).count(f'label="{name}\\n') == 1
    names = [each.text for each in ElementTree.fromstring(to_svg(drawn)).iter(f"{SVG}text")
             if each.get("class") == "name"]  # fmt: skip
    assert sorted(filter(None, names)) == sorted(ids)


def test_the_tree_shows_cases_loops_and_what_waits(tmp_path: Path) -> None:
    lines = to_lines(graph(WHOLE.format(name="W"), tmp_path), utf8=True)
    assert lines == [
        "W",
        "├─ ask  prompt gpt-6-luna",
        "├─ way  branch by inputs.team  ← ask",
        "│  ├─ a:",
        "│  │  ├─ one  write",
        "│  │  └─ two  write  ← one",
        '│  └─ b"<&`]:',
        "│     └─ three  write  if '</text><script>' != inputs.word",
        "├─ each  group  for each entry of 2 entries",
        "│  └─ inner  write  up to 2 rounds",
        "└─ agree  approve  ← way, each",
    ]
    plain = to_lines(graph(WHOLE.format(name="W"), tmp_path), utf8=False)
    assert "".join(plain).isascii()
    assert "`- agree  approve  <- way, each" in plain


def test_mermaid_nests_and_takes_texts_as_texts(tmp_path: Path) -> None:
    drawn = to_mermaid(graph(WHOLE.format(name=NAME), tmp_path))
    assert drawn.startswith(
        "%% A #quot;name#quot; #lt;/svg#gt; #37;#37;#123;init#125; --#gt;\nflowchart TD\n"
    )
    assert '    subgraph n2_1["b#quot;#lt;#amp;#96;]"]\n' in drawn
    assert "#lt;/text#gt;#lt;script#gt;" in drawn
    assert '{{"agree<br/>approve"}}' in drawn
    assert drawn.count("subgraph") == drawn.count("\n  end\n") + drawn.count("\n    end\n") == 4
    edges = re.findall(r"^  (\w+) (-->|-\.->) (\w+)$", drawn, re.MULTILINE)
    assert edges == [("n1", "-->", "n2"), ("n3", "-->", "n4"), ("n2", "-->", "n8"),
                     ("n6", "-->", "n8")]  # fmt: skip


def test_dot_nests_and_takes_texts_as_texts(tmp_path: Path) -> None:
    drawn = to_dot(graph(WHOLE.format(name=NAME), tmp_path))
    assert drawn.startswith('digraph "A \\"name\\" </svg> %%{init} -->" {\n')
    assert drawn.count("{") - drawn.count("{init") == drawn.count("}") - drawn.count("init}")
    assert 'label="b\\"<&`]";' in drawn
    assert "  n1 -> n3 [lhead=cluster_n2];" in drawn
    assert "  n5 -> n8 [ltail=cluster_n2];" in drawn
    assert "  n7 -> n8 [ltail=cluster_n6];" in drawn


def test_the_picture_opens_alone_and_runs_nothing(tmp_path: Path) -> None:
    drawn = to_svg(graph(WHOLE.format(name=NAME), tmp_path))
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == 'A "name" </svg> %%{init} -->'
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags == {"svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"}
    names = {name for each in root.iter() for name in each.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name}
    assert "prefers-color-scheme: dark" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_hidden_characters_of_a_file_are_shown_in_every_form(tmp_path: Path) -> None:
    drawn = graph(WHOLE.format(name="A\\u202e\\x1b[31mB"), tmp_path)
    for text in ("\n".join(to_lines(drawn, utf8=True)), to_mermaid(drawn), to_dot(drawn),
                 to_svg(drawn)):  # fmt: skip
        assert "\u202e" not in text
        assert "\x1b" not in text


def test_boxes_hold_what_is_inside_of_them(tmp_path: Path) -> None:
    sizes = Sizes(width=10, height=10, gap=2, layer_gap=5)
    layout = lay_out({"a": [], "wide": ["a"], "b": ["wide"]}, sizes, {"wide": (40, 30)})
    assert (layout.width, layout.height) == (40, 10 + 5 + 30 + 5 + 10)
    assert layout.places == {"a": (20, 0), "wide": (20, 15), "b": (20, 50)}
    assert [points[0][1] for _, _, points in layout.edges] == [10, 45]


def test_a_long_workflow_is_drawn_too(tmp_path: Path) -> None:
    steps = "".join(f"  - {{ id: s{n}, needs: [s{n - 1}], write: x }}\n" for n in range(1, 600))
    text = f"flowrunner: 1\nname: Long\nsteps:\n  - {{ id: s0, write: x }}\n{steps}"
    assert to_svg(graph(text, tmp_path)).count('class="box"') == 600


# The command


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        ([], "Support desk\n├─ sort  prompt gpt-6-luna\n"),
        (["--format", "mermaid"], "%% Support desk\nflowchart TD\n"),
        (["--format", "dot"], 'digraph "Support desk" {\n'),
        (["--format", "svg"], '<svg xmlns="http://www.w3.org/2000/svg"'),
    ],
)
def test_the_command_draws_on_stdout(project: Project, words: list[str], begins: str) -> None:
    project.with_gallery()
    done = project.run("graph", "workflows/support_desk.yaml", *words)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(begins)
    assert list(project.folder.glob(".flowrunner")) == []


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.svg", "<svg "), ("a.mmd", "%% "), ("a.dot", "digraph "), ("a.txt", "Support desk\n")],
)
def test_the_ending_of_a_file_says_how_to_draw(project: Project, name: str, begins: str) -> None:
    project.with_gallery()
    done = project.run("graph", "workflows/support_desk.yaml", "--output", name)
    assert (done.status, done.out) == (0, f"{name}\n")
    assert (project.folder / name).read_text(encoding="utf-8").startswith(begins)


def test_a_file_that_cannot_be_written_is_told(project: Project) -> None:
    project.with_gallery()
    done = project.run("graph", "workflows/hello.yaml", "--output", "nowhere/a.svg")
    assert done.status == 4
    assert "`nowhere/a.svg` cannot be written" in done.err


def test_a_workflow_with_mistakes_is_not_drawn(project: Project) -> None:
    project.write("bad.yaml", "flowrunner: 1\nname: Bad\nsteps: [{ id: a, promt: hi }]\n")
    done = project.run("graph", "bad.yaml")
    assert (done.status, done.out) == (3, "")
