"""`init`, `schema`, `completion` and the bare command: the first minutes of a project."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml
from jsonschema import Draft202012Validator

from flowrunner.catalog import load_schema, packaged
from flowrunner.commands.templates import template, template_names
from tests.cli_world import GALLERY, Project

EDITED = ("workflow", "test", "project", "recording")
"""The schemas that editors are given."""
NAMES = sorted(path.stem for path in GALLERY.glob("*.yaml"))

# init


def test_every_workflow_of_the_gallery_is_a_template(project: Project) -> None:
    assert template_names() == NAMES
    done = project.run("init", "--list")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()] == NAMES
    assert "Sorts a support message and drafts the answer." in done.out


@pytest.mark.parametrize("name", NAMES)
def test_a_project_from_a_template_is_complete(project: Project, name: str) -> None:
    made = project.folder / "new"
    assert project.run("init", "new", "--template", name).status == 0
    done = project.run("validate", "--strict", folder=made)
    assert (done.status, done.out) == (0, "")
    assert project.run("fmt", "--check", folder=made).status == 0
    workflow = (made / "workflows" / f"{name}.yaml").read_text(encoding="utf-8")
    signs = ("# yaml-language-server: $schema=", "# $schema: ")
    for line, sign in zip(workflow.splitlines(), signs, strict=False):
        assert line.startswith(sign)
        assert json.loads((made / "workflows" / line.removeprefix(sign)).read_bytes())
    tests = made / "workflows" / "tests" / f"{name}.test.yaml"
    for line, sign in zip(tests.read_text(encoding="utf-8").splitlines(), signs, strict=False):
        assert line.startswith(sign)
        assert json.loads((tests.parent / line.removeprefix(sign)).read_bytes())["title"]
    found = [path for path in (made / "workflows").rglob("*") if path.is_file()]
    inputs = {path.relative_to(made / "workflows").as_posix() for path in found}
    assert inputs == set(template(name).files)


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_a_template_pass_in_its_project(project: Project, name: str) -> None:
    assert project.run("init", "new", "--template", name).status == 0
    done = project.run("test", folder=project.folder / "new")
    assert done.status == 0, done.err
    assert f"workflows/tests/{name}.test.yaml" in done.err


@pytest.mark.parametrize("name", ["receipts", "translate_page", "changelog_facts", "support_desk"])
def test_a_template_runs_by_the_command_that_is_named(project: Project, name: str) -> None:
    done = project.run("init", "new", "--template", name.replace("_", "-"))
    (command,) = re.findall(r"^  flowrunner (run .*)$", done.err, re.MULTILINE)
    ran = project.run(*command.split(), folder=project.folder / "new")
    assert ran.status == 0, ran.err
    assert (project.folder / "new" / ".flowrunner").is_dir(), "its runs are its own"


def test_what_a_project_is_made_of(project: Project) -> None:
    done = project.run("init")
    assert done.status == 0
    assert done.out.splitlines() == [
        "workflows/hello.yaml",
        "workflows/tests/hello.test.yaml",
        "flowrunner.yaml",
        ".gitignore",
        ".env.example",
        ".github/workflows/flowrunner.yml",
        ".vscode/settings.json",
        ".vscode/extensions.json",
        "README.md",
        "schemas/workflow.schema.json",
        "schemas/test.schema.json",
        "schemas/project.schema.json",
        "schemas/recording.schema.json",
    ]
    made = project.folder
    settings = json.loads((made / ".vscode/settings.json").read_bytes())
    assert all((made / name).is_file() for name in settings["yaml.schemas"])
    assert all((made / each["url"]).is_file() for each in settings["json.schemas"])
    assert json.loads((made / ".vscode/extensions.json").read_bytes())["recommendations"]
    assert {".env", ".flowrunner/"} <= set((made / ".gitignore").read_text().split())
    assert "OPENAI_API_KEY=\n" in (made / ".env.example").read_text()
    ci = yaml.safe_load((made / ".github/workflows/flowrunner.yml").read_text())
    commands = [step["run"] for step in ci["jobs"]["validate"]["steps"] if "run" in step]
    for command in commands[1:]:
        ran = project.run(*command.split()[1:])
        assert ran.status == 0, ran.err
    for command in re.findall(
        r"^    flowrunner (\w[^#\n]*)", (made / "README.md").read_text(), re.M
    ):
        ran = project.run(*command.split())
        assert ran.status == 0, ran.err
    assert project.run("doctor", environ={"OPENAI_API_KEY": "sk-x"}).err == ""


def test_nothing_that_is_there_is_written_over(project: Project) -> None:
    mine = {"README.md": "mine", "workflows/hello.yaml": "mine", ".gitignore": "*.pyc\n.env\n"}
    for name, text in mine.items():
        project.write(name, text)
    done = project.run("init")
    assert done.status == 0
    assert all((project.folder / name).read_text() == text for name, text in mine.items())
    for name in mine:
        assert f"  {name}" in done.err
        assert name not in done.out.splitlines()
    assert ".gitignore  (it does not name .flowrunner/)" in done.err
    again = project.run("init")
    assert (again.status, again.out) == (0, "")
    assert "nothing was missing" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--template", "helo"], "did you mean `hello`?"),
        (["--template", "zzz"], "flowrunner init --list"),
        (["taken"], "`taken` is a file, not a folder"),
    ],
)
def test_what_cannot_be_begun_is_told(project: Project, words: list[str], said: str) -> None:
    project.write("taken", "")
    done = project.run("init", *words)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_a_folder_in_the_place_of_a_file_stays(project: Project) -> None:
    (project.folder / "README.md").mkdir()
    assert "  README.md" in project.run("init").err
    project.write("other/workflows", "a file")
    done = project.run("init", "other")
    assert done.status == 4
    assert "cannot be written" in done.err


# schema


@pytest.mark.parametrize("name", [*EDITED, "report"])
def test_a_schema_is_printed_as_it_ships(project: Project, name: str) -> None:
    done = project.run("schema", name)
    assert done.result == load_schema(name)
    Draft202012Validator.check_schema(done.result)
    assert done.out == packaged(f"schemas/{name}.schema.json").read_text(encoding="utf-8")


def test_the_schema_of_workflows_is_printed_where_none_is_named(project: Project) -> None:
    assert project.run("schema").result == load_schema("workflow")


def test_schemas_are_put_where_editors_look(project: Project) -> None:
    project.write("schemas/workflow.schema.json", "{}")
    (project.folder / "workflows").mkdir()
    done = project.run("schema", "--write", folder=project.folder / "workflows")
    assert done.status == 0
    written = [project.folder / f"schemas/{name}.schema.json" for name in EDITED]
    assert done.out.splitlines() == [str(path) for path in written]
    assert all(json.loads(path.read_bytes())["title"] for path in written)
    assert "# yaml-language-server: $schema=" in done.err
    assert project.run("schema", "report", "--write").status == 0
    assert (project.folder / "schemas/report.schema.json").is_file()


def test_an_unknown_schema_gets_a_suggestion(project: Project) -> None:
    for words in (["reprot"], ["reprot", "--write"]):
        done = project.run("schema", *words)
        assert (done.status, done.out) == (2, "")
        assert "did you mean `report`?" in done.err


# completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(project: Project, shell: str) -> None:
    done = project.run("completion", shell, environ={"PATH": "/nowhere"})
    assert (done.status, done.err) == (0, "")
    assert f"_FLOWRUNNER_COMPLETE={shell}_complete" in done.out


def test_commands_and_options_are_completed(project: Project) -> None:
    def completed(words: str, at: int) -> list[str]:
        ask = {"_FLOWRUNNER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return project.run(environ=ask).out.split()

    assert completed("flowrunner va", 1) == ["plain,validate"]
    assert completed("flowrunner run --sim", 2) == ["plain,--simulate"]
    for command in ("run", "validate", "fmt"):
        assert completed(f"flowrunner {command} wor", 2) == ["file,wor"]


def test_files_of_tests_are_completed(project: Project) -> None:
    project.with_gallery()
    project.write("other.test.yaml", "services: {}\n")
    ask = {"_FLOWRUNNER_COMPLETE": "bash_complete", "COMP_CWORD": "2"}

    def completed(start: str) -> list[str]:
        return project.run(environ=ask | {"COMP_WORDS": f"flowrunner test {start}"}).out.split()

    assert completed("workflows/tests/pol") == ["plain,workflows/tests/polish.test.yaml"]
    assert len(completed("")) == len(NAMES)
    assert completed("oth") == ["file,oth"]


def test_an_unknown_shell_is_told(project: Project) -> None:
    done = project.run("completion", "tcsh")
    assert done.status == 2
    assert "'bash', 'zsh', 'fish'" in done.err


# The bare command


def test_the_bare_command_names_the_workflows_it_finds(project: Project) -> None:
    project.with_gallery()
    project.write("odd.yaml", "flowrunner: 1\nsteps: []\n")
    done = project.run()
    assert done.status == 0
    for section in ("Start:", "Author:", "Run:", "Look:", "Automate:", "Tidy:"):
        assert f"\n{section}\n" in done.out
    assert re.search(r"^  workflows/hello.yaml +Hello$", done.out, re.MULTILINE)
    assert re.search(r"^  odd.yaml$", done.out, re.MULTILINE)


def test_the_bare_command_says_what_to_do_where_there_is_nothing(project: Project) -> None:
    assert "Try: flowrunner demo, or: flowrunner init" in project.run().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["valdate"], "did you mean `validate`?"),
        (["expalin", "retry"], "did you mean `explain`?"),
        (["run", "a.yaml", "--simulat"], "--simulate"),
        (["fmt", "--chek"], "--check"),
    ],
)
def test_what_is_misspelt_gets_a_suggestion(project: Project, words: list[str], said: str) -> None:
    done = project.run(*words)
    assert done.status == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("authoring", ["flowrunner.commands.explaining", "flowrunner.commands.formatting"]),
        ("formatting", ["flowrunner.engine", "flowrunner.simulator"]),
        ("completing", ["flowrunner.language", "flowrunner.commands"]),
        ("entry", ["flowrunner.language", "flowrunner.commands"]),
    ],
)
def test_no_command_pays_for_the_imports_of_another(module: str, without: list[str]) -> None:
    program = f"import sys, flowrunner.cli.{module}; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(without).isdisjoint(done.stdout.split())
