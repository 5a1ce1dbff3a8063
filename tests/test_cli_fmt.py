"""`fmt`: files are written whole or not at all, and only where they change."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli_world import BARE, Project

UGLY = """\
name: Ugly
flowrunner: 1
steps:
- prompt: {{ inputs.a }}
  id: a   # first of all
  model: gpt-6-luna
inputs: {a: text}
"""
PRETTY = """\
flowrunner: 1
name: Ugly
inputs: { a: text }
steps:
  - id: a   # first of all
    model: gpt-6-luna
    prompt: "{{ inputs.a }}"
"""
BROKEN = "flowrunner: 1\nname: Broken\nname: Twice\n"


@pytest.fixture
def files(project: Project) -> Project:
    project.write("ugly.yaml", UGLY)
    project.write("sub/pretty.yaml", PRETTY)
    project.write("other.yaml", "services:   {}\n")
    return project


def text(project: Project, name: str) -> str:
    return (project.folder / name).read_text(encoding="utf-8")


def test_files_are_written_in_the_usual_look(files: Project) -> None:
    (files.folder / "ugly.yaml").chmod(0o640)
    done = files.run("fmt")
    assert (done.status, done.out) == (0, "ugly.yaml\n")
    assert "2 files: 1 formatted, 1 unchanged" in done.err
    assert text(files, "ugly.yaml") == PRETTY
    assert text(files, "other.yaml") == "services:   {}\n"
    assert (files.folder / "ugly.yaml").stat().st_mode & 0o777 == 0o640
    assert files.run("fmt", "--check").status == 0


def test_check_names_what_would_change_and_writes_nothing(files: Project) -> None:
    done = files.run("fmt", "--check")
    assert (done.status, done.out) == (1, "ugly.yaml\n")
    assert "1 would change" in done.err
    assert text(files, "ugly.yaml") == UGLY


def test_diff_shows_what_would_change_and_writes_nothing(files: Project) -> None:
    done = files.run("fmt", "--diff", "ugly.yaml")
    assert done.status == 1
    assert '+    prompt: "{{ inputs.a }}"' in done.out.splitlines()
    assert "--- ugly.yaml" in done.out
    assert text(files, "ugly.yaml") == UGLY


def test_a_file_that_cannot_be_mended_keeps_the_others_from_nothing(files: Project) -> None:
    files.write("broken.yaml", BROKEN)
    done = files.run("fmt")
    assert (done.status, done.out) == (3, "ugly.yaml\n")
    assert "dup-key" in done.err
    assert "broken.yaml stays as it is" in done.err
    assert text(files, "broken.yaml") == BROKEN
    assert text(files, "ugly.yaml") == PRETTY


def test_bytes_that_are_no_text_are_left_alone(project: Project) -> None:
    content = b"flowrunner: 1\nname: \xff\n"
    (project.folder / "a.yaml").write_bytes(content)
    done = project.run("fmt", "a.yaml")
    assert done.status == 3
    assert "UTF-8" in done.err
    assert (project.folder / "a.yaml").read_bytes() == content


def test_a_byte_order_mark_goes_and_line_ends_of_windows_stay(project: Project) -> None:
    path = project.folder / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + PRETTY.replace("\n", "\r\n").encode())
    assert project.run("fmt", "a.yaml").status == 0
    assert path.read_bytes() == PRETTY.replace("\n", "\r\n").encode()


def test_a_link_stays_a_link(files: Project) -> None:
    (files.folder / "link.yaml").symlink_to("ugly.yaml")
    assert files.run("fmt", "link.yaml").status == 0
    assert (files.folder / "link.yaml").is_symlink()
    assert text(files, "ugly.yaml") == PRETTY


def test_a_file_that_cannot_be_written_is_told(files: Project) -> None:
    name = "u" * 250 + ".yaml"  # no room for the name under which it is first written
    files.write(name, UGLY)
    done = files.run("fmt", name)
    assert done.status == 4
    assert "cannot be written: file name too long" in done.err
    assert text(files, name) == UGLY


@pytest.mark.parametrize(
    ("given", "out", "status"), [(UGLY, PRETTY, 0), (PRETTY, PRETTY, 0), (BROKEN, BROKEN, 3)]
)
def test_stdin_goes_to_stdout_for_editors(
    project: Project, given: str, out: str, status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flowrunner", "fmt", "-"],
        cwd=project.folder,
        env=BARE,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, out)


def test_a_path_that_is_not_there_is_told(project: Project) -> None:
    done = project.run("fmt", "nope.yaml")
    assert (done.status, done.out) == (2, "")
    assert "there is no file `nope.yaml`" in done.err


UGLY_TESTS = """\
# the tests
cases:
- expect: {ran: [a], status: succeeded}   # what must be
  name: one
  replies:
    # what it says
    a: Hello.
workflow: pretty.yaml
flowrunner_test: 1
"""
PRETTY_TESTS = """\
# the tests
flowrunner_test: 1
workflow: pretty.yaml
cases:
  - name: one
    replies:
      # what it says
      a: Hello.
    expect: { status: succeeded, ran: [a] }   # what must be
"""


def test_tests_have_their_own_order_of_keys(project: Project) -> None:
    project.write("sub/a.test.yaml", UGLY_TESTS)
    assert project.run("fmt", "--check").status == 1
    done = project.run("fmt")
    assert (done.status, done.out) == (0, "sub/a.test.yaml\n")
    written = text(project, "sub/a.test.yaml")
    assert written.removeprefix("# the tests\n") == PRETTY_TESTS.removeprefix("# the tests\n")
    assert written.startswith("# the tests\n")
    assert project.run("fmt", "--check").status == 0
