"""`run --watch`: when a save counts, what is asked again because of it, what it costs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowrunner.commands.rerunning import watch
from flowrunner.commands.rerunning.saves import Mark, Saves, read_mark
from flowrunner.commands.running import RunOptions
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import list_runs
from flowrunner.language.workflow import Input
from flowrunner.project.inputs import Given
from flowrunner.simulator import Simulator
from tests.cli_world import KEY, Project, posts

Simulate = Callable[..., Simulator]

A, B = Path("/a"), Path("/b")


class Disk:
    """Files as tests say that they are; `there` are those that count."""

    def __init__(self, **texts: str) -> None:
        self.texts: dict[Path, str] = {Path("/", name): text for name, text in texts.items()}

    def mark(self, path: Path, _: Mark) -> Mark:
        text = self.texts.get(path)
        return None if text is None else (0, len(text), text)

    def saves(self, *, look: Callable[[], Sequence[Path]] | None = None) -> Saves:
        saves = Saves(look or (lambda: [A, B]), self.mark)
        saves.begin()
        return saves


def test_nothing_counts_while_nothing_is_saved() -> None:
    saves = Disk(a="1", b="1").saves()
    assert [saves.changed() for _ in range(5)] == [()] * 5


def test_a_save_counts_once_it_holds_still() -> None:
    disk = Disk(a="1", b="1")
    saves = disk.saves()
    disk.texts[A] = "12"
    assert saves.changed() == ()
    disk.texts[A] = "123"
    assert saves.changed() == (), "it is still being written"
    assert saves.changed() == (A,)
    saves.begin()
    assert [saves.changed() for _ in range(3)] == [()] * 3


def test_a_file_that_is_put_back_was_not_saved() -> None:
    disk = Disk(a="1")
    saves = disk.saves()
    disk.texts[A] = "2"
    assert saves.changed() == ()
    disk.texts[A] = "1"
    assert [saves.changed() for _ in range(3)] == [()] * 3


@pytest.mark.parametrize("amid", [None, ""], ids=["gone", "empty"])
def test_a_file_amid_a_save_is_waited_for(amid: str | None) -> None:
    disk = Disk(a="1", b="1")
    saves = disk.saves()
    if amid is None:
        del disk.texts[A]
    else:
        disk.texts[A] = amid
    assert [saves.changed() for _ in range(2)] == [(), ()]
    disk.texts[A] = "2"
    assert [saves.changed() for _ in range(2)] == [(), (A,)]


def test_a_file_that_stays_away_counts_as_gone() -> None:
    disk = Disk(a="1", b="1")
    saves = disk.saves()
    del disk.texts[A]
    found = [saves.changed() for _ in range(5)]
    assert found[:3] == [(), (), ()]
    assert found[-1] == (A,)


def test_a_file_that_is_new_counts_and_one_that_only_counts_now_does_not() -> None:
    disk = Disk(a="1", b="1")
    there = [A]
    saves = disk.saves(look=lambda: there)
    there.append(B)
    assert [saves.changed() for _ in range(2)] == [(), (B,)]
    saves.begin()
    there.append(Path("/c"))
    disk.texts[Path("/c")] = "1"
    saves.widen()
    assert [saves.changed() for _ in range(3)] == [()] * 3


def test_a_file_is_read_only_where_it_looks_new(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert read_mark(path, None) is None
    path.write_text("one", encoding="utf-8")
    first = read_mark(path, None)
    assert first is not None
    assert read_mark(path, (first[0], first[1], "kept")) == (first[0], first[1], "kept")
    os.utime(path, ns=(1, 1))
    again = read_mark(path, first)
    assert again is not None
    assert again[2] == first[2], "a touch is no change"


WORKFLOW = """\
flowrunner: 1
name: Letters
inputs:
  letter: { type: text, default: Dear all }
  notes: { type: files, optional: true, default: "notes/*.txt" }
defaults: { model: gpt-6-luna }
steps:
  - { id: first, prompt: "first {{ inputs.letter }}" }
  - { id: second, prompt_file: second.md }
  - { id: third, for_each: inputs.notes, as: note, prompt: "third {{ note.text }}" }
  - { id: last, write: "{{ steps.first.text }}", save_to: out.txt }
result: "{{ steps.last.text }}"
"""


class Watched:
    """A watch in this process: what it printed, and what an author does between its looks."""

    is_live = colour = False
    utf8 = True
    width, height = 100, 24

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.results: list[str] = []
        self.heard = threading.Event()

    def result(self, text: str) -> None:
        self.results.append(text)

    def progress(self, text: str) -> None:
        self.lines += text.splitlines()
        if "A file was saved" in text:
            self.heard.set()

    def redraw(self, below: Sequence[str], above: Sequence[str] = ()) -> None:
        raise AssertionError("nobody watches live")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def run(
        self, *acts: Callable[[], Any], given: Given | None = None, **options: Any
    ) -> ExitStatus:
        """Watch; an act follows once nothing was new for ten looks, Ctrl-C follows the last."""
        coming, looks, runs = iter(acts), 0, -1

        def sleep(_: float) -> None:
            nonlocal looks, runs
            looks = looks + 1 if runs == len(self.watching) else 0
            runs = len(self.watching)
            if looks < 10:
                return
            looks = 0
            act = next(coming, None)
            if act is None:
                raise KeyboardInterrupt
            act()

        told = given or Given()
        return watch(Path("flow.yaml"), told, RunOptions(**options), self, None, sleep)

    @property
    def watching(self) -> list[str]:
        return [line for line in self.lines if line.startswith("Watching")]


@pytest.fixture
def watched(
    project: Project, simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> tuple[Watched, Simulator]:
    simulator = simulate(replies=lambda body: str(body["input"]).upper())
    project.write("flow.yaml", WORKFLOW)
    project.write("second.md", "second")
    project.write("notes/a.txt", "a")
    monkeypatch.chdir(project.folder)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "FLOWRUNNER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return Watched(project.folder), simulator


def asked(simulator: Simulator) -> list[str]:
    return sorted(str(call.body["input"]) for call in posts(simulator))


FIRST = ["first Dear all", "second", "third a"]


def test_only_what_a_save_touched_is_asked_again(watched: tuple[Watched, Simulator]) -> None:
    author, simulator = watched
    status = author.run(lambda: author.write("second.md", "second, better"))
    assert status == ExitStatus.DONE
    assert asked(simulator) == sorted([*FIRST, "second, better"])
    assert "── second.md saved ──" in author.lines
    assert any("reused" in line and "first" in line for line in author.lines)
    assert len(author.results) == 2
    assert author.watching[0].startswith("Watching 3 files · 1 run · $0.0")
    assert "2 runs" in author.watching[1]


EDITS: dict[str, tuple[Callable[[Watched], Any], list[str]]] = {
    "the-file": (lambda a: a.edit("flow.yaml", "first {{", "1st {{"), ["1st Dear all"]),
    "a-new-file-of-a-pattern": (lambda a: a.write("notes/b.txt", "b"), ["third b"]),
    "a-file-of-a-pattern": (lambda a: a.write("notes/a.txt", "A"), ["third A"]),
    "a-file-that-goes": (lambda a: (a.folder / "notes/a.txt").unlink(), []),
    "a-touch": (lambda a: os.utime(a.folder / "second.md", ns=(5, 5)), []),
    "another-file": (lambda a: a.write("other.md", "x"), []),
    "its-own-output": (lambda a: a.write("out.txt", "x"), []),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_counts_and_what_follows_from_it(
    watched: tuple[Watched, Simulator], edit: str
) -> None:
    author, simulator = watched
    act, more = EDITS[edit]
    author.run(lambda: act(author))
    assert asked(simulator) == sorted([*FIRST, *more])
    again = bool(more) or edit == "a-file-that-goes"
    assert len(author.watching) == 1 + again


def test_a_mistake_is_told_and_the_next_save_mends_it(watched: tuple[Watched, Simulator]) -> None:
    author, simulator = watched
    status = author.run(
        lambda: author.edit("flow.yaml", "prompt: ", "promt: "),
        lambda: (author.folder / "second.md").rename(author.folder / "2nd.md"),
        lambda: author.edit("flow.yaml", "promt: ", "prompt: "),
        lambda: author.edit("flow.yaml", "second.md", "2nd.md"),
    )
    assert status == ExitStatus.DONE
    text = "\n".join(author.lines)
    assert "unknown key `promt` in step `first`: did you mean `prompt`?" in text
    assert text.count("has mistakes; nothing was sent") >= 2
    assert asked(simulator) == sorted(FIRST), "what was answered stays answered"


def test_a_file_with_a_mistake_from_the_start_is_watched(
    watched: tuple[Watched, Simulator],
) -> None:
    author, simulator = watched
    author.edit("flow.yaml", "prompt_file: second.md", "prompt_file: missing.md")
    author.run(lambda: author.edit("flow.yaml", "missing.md", "second.md"))
    assert asked(simulator) == sorted(FIRST)


def test_a_called_workflow_and_what_it_reads_count(watched: tuple[Watched, Simulator]) -> None:
    author, simulator = watched
    author.write("inner.yaml", WORKFLOW.replace("name: Letters", "name: Inner"))
    author.write(
        "flow.yaml",
        "flowrunner: 1\nname: Outer\nsteps: [{ id: call, workflow: inner.yaml }]\n",
    )
    author.run(
        lambda: author.write("second.md", "other"),
        lambda: author.edit("inner.yaml", "first {{", "1st {{"),
    )
    assert asked(simulator) == sorted([*FIRST, "other", "1st Dear all"])


def test_a_save_amid_a_run_throws_nothing_away(
    watched: tuple[Watched, Simulator], simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, _ = watched

    def answer(body: dict[str, Any]) -> str:
        if str(body["input"]).startswith("first") and not author.heard.is_set():
            author.write("second.md", "better")
            assert author.heard.wait(timeout=30)
        return str(body["input"]).upper()

    simulator = simulate(replies=answer)
    monkeypatch.setenv("OPENAI_BASE_URL", simulator.base_url)
    author.edit("flow.yaml", "id: second,", "id: second, needs: [first],")
    author.run()
    assert asked(simulator) == ["better", "first Dear all", "third a"]
    states = []
    for folder in reversed(list_runs(author.folder)):
        with Journal.open(folder) as journal:
            states.append(journal.replay())
    assert [state.status for state in states] == ["interrupted", "succeeded"]
    assert states[1].steps["first"].reused_from is not None


def test_a_step_that_acts_outside_wants_a_word_before_it_acts_with_every_save(
    watched: tuple[Watched, Simulator],
) -> None:
    author, simulator = watched
    acting = "steps:\n  - { id: touch, run: [touch, touched] }\n"
    author.edit("flow.yaml", "steps:\n", acting)
    author.run(lambda: author.edit("flow.yaml", acting, "steps:\n"))
    assert any(
        "`touch` may change things outside, and would with every save" in line
        for line in author.lines
    )
    assert not (author.folder / "touched").exists()
    assert asked(simulator) == sorted(FIRST)
    author.edit("flow.yaml", "steps:\n", acting)
    author.run(may_act=True)
    assert (author.folder / "touched").exists()


def test_the_bound_on_the_cost_is_one_for_the_whole_watch(
    watched: tuple[Watched, Simulator],
) -> None:
    author, simulator = watched
    author.run()
    (paid,) = {sum(call.cost_usd or 0 for call in posts(simulator))}
    author.edit("flow.yaml", "defaults: {", "defaults: { max_output_tokens: 20,")
    status = author.run(
        *(
            (lambda number=number: author.write("second.md", f"better {number}"))
            for number in range(500)
        ),
        max_cost_usd=paid + 0.001,
    )
    assert status == ExitStatus.BUDGET
    assert "The bound of `--max-cost` is reached: nothing more is watched." in author.lines
    with_both = sum(call.cost_usd or 0 for call in posts(simulator))
    assert with_both <= 2 * paid + 0.001


def test_what_a_person_answered_is_not_asked_again(watched: tuple[Watched, Simulator]) -> None:
    author, simulator = watched
    author.edit("flow.yaml", "letter: { type: text, default: Dear all }", "letter: text")
    questions: list[str] = []

    def ask(wanted: Input) -> str:
        questions.append(wanted.name)
        return "Dear all"

    author.run(lambda: author.write("second.md", "2"), given=Given(ask=ask))
    assert questions == ["letter"]
    assert asked(simulator) == sorted([*FIRST, "2"])


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (Given(inputs_file="-"), {}, "standard input can be read once"),
        (Given(pairs=("letter=@-",)), {}, "standard input can be read once"),
        (Given(), {"as_json": True}, "prints one document"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    watched: tuple[Watched, Simulator], given: Given, options: dict[str, Any], said: str
) -> None:
    author, simulator = watched
    with pytest.raises(UsageError, match=said):
        author.run(given=given, **options)
    assert posts(simulator) == []


def test_at_a_terminal_ctrl_c_ends_it(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", WORKFLOW)
    project.write("second.md", "second")
    project.write("notes/a.txt", "a")
    program = project.start_at_a_terminal("run", "flow.yaml", "--watch")
    program.expect("Watching 3 files")
    project.write("second.md", "better")
    program.expect("second.md saved")
    program.expect("Watching 3 files · 2 runs")
    program.sendintr()
    program.expect(pytest.importorskip("pexpect").EOF)
    program.close()
    assert program.exitstatus == ExitStatus.DONE
    assert [call.body["input"] for call in posts(simulator)].count("better") == 1
