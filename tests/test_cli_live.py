"""A run as a person at a terminal watches it, on an emulator: what moves, what stays, what ends."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Pace, Simulator
from flowrunner.visible import columns
from tests.cli_terminal import Terminal, terminal
from tests.cli_world import KEY, Project, check_books, posts

WORKFLOW = """\
flowrunner: 1
name: Live
budget: { stop_at: 0.50 USD }
defaults: { model: gpt-6-luna }
steps:
  - { id: story, prompt: Tell me a story., delivery: stream }
  - { id: rows, for_each: ROWS, as: n, prompt: "row {{ n }}", at_once: 4 }
  - { id: slow, prompt: slow }
  - { id: facts, prompt: "Of {{ steps.story.text }}" }
  - { id: last, prompt: "Of {{ steps.facts.text }} {{ steps.slow.text }}" }
result: { last: "{{ steps.last.text }}" }
""".replace("ROWS", str(list(range(30))))
STORY = "Once upon a time 世界 there was a fox that slept. " * 3
LATE = [
    {"match": {"client_request_id": "/rows"}, "do": {"delay": 0.1}},
    {"match": {"client_request_id": "/slow/"}, "do": {"delay": 1.5}},
]
HANGING = [{"match": {"client_request_id": "/slow/"}, "do": {"delay": 60}}]


def told_a_story(body: dict[str, Any]) -> str | None:
    return STORY if body["input"] == "Tell me a story." else None


@pytest.fixture
def live(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate(LATE, replies=told_a_story, event_delay_s=0.03)
    project.at(simulator).write("live.yaml", WORKFLOW)
    return project, simulator


def block(lines: list[str]) -> list[str]:
    """What stands below the lines that stay: from the first that is at work to the last line."""
    last = next((n for n, line in enumerate(lines) if re.match(" [0-5]/5 done", line)), None)
    if last is None:
        return []
    first = last
    while first and re.match(r" (?!✓)\S |   and | ─", lines[first - 1]):
        first -= 1
    return lines[first : last + 1]


def ends_well(seen: Terminal, status: int = ExitStatus.DONE) -> None:
    assert seen.running.exitstatus == status
    assert seen.told.count("\x1b[?25l") == seen.told.count("\x1b[?25h")
    assert not seen.screen.cursor.hidden
    assert not any("Ctrl-C stops" in line for line in seen.everything)


@pytest.mark.parametrize("width", [100, 60, 34])
def test_what_is_at_work_stands_below_what_is_done(
    live: tuple[Project, Simulator], width: int
) -> None:
    project, simulator = live
    seen = terminal(project, "run", "live.yaml", size=(30, width))
    seen.watch()
    ends_well(seen)
    blocks = [found for frame in seen.frames if (found := block(frame))]
    assert len(blocks) > 5
    text = "\n".join("\n".join(found) for found in blocks)
    for found in blocks:
        assert len(found) <= 10
        assert all(columns(line) < width for line in found)
    assert re.search(r"^ [⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] story  .*writing…", text, re.M)
    assert re.search(r"^ [⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] rows .*\d+/30", text, re.M)
    assert re.search(r"^ · facts +waiting for story", text, re.M)
    assert re.search(r"^ [0-5]/5 done · 0:0\d", text, re.M)
    if width == 100:
        assert 'writing… "Once upon a time 世界 there' in text
        assert re.search(r"/30 items · [\d.]+/s · [\d.]+m?s left", text)
        assert re.search(r"of \$0\.50 · Ctrl-C stops safely \(you can resume\)", text)
    stands = [line for line in seen.everything if line.startswith(" ✓ ")]
    assert [line.split()[1] for line in stands].count("story") == 1
    assert {line.split()[1] for line in stands} == {"story", "rows", "slow", "facts", "last"}
    check_books(project.latest, simulator)


def test_it_is_drawn_at_most_ten_times_a_second(live: tuple[Project, Simulator]) -> None:
    project, _ = live
    seen = terminal(project, "run", "live.yaml")
    seen.watch()
    events = project.latest.events
    assert seen.told.count("\x1b[?25l") <= (events[-1].at - events[0].at) * 10 + 4
    assert len(events) > 100


def test_without_colour_and_with(live: tuple[Project, Simulator]) -> None:
    project, _ = live
    for environ, is_coloured in (({}, False), ({"NO_COLOR": ""}, True)):
        seen = terminal(project, "run", "live.yaml", **environ)
        seen.watch()
        ends_well(seen)
        assert bool(re.search(r"\x1b\[[\d;]*m", seen.told)) is is_coloured


def test_ascii_where_the_locale_is_not_utf8(live: tuple[Project, Simulator]) -> None:
    project, _ = live
    seen = terminal(
        project, "run", "live.yaml", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    )
    seen.watch()
    ends_well(seen)
    assert seen.told.isascii()
    assert re.search(r"^ [|/\\-] story +gpt-6-luna", seen.all_frames, re.M)
    assert "Ctrl-C stops safely" in seen.told


@pytest.mark.parametrize(
    "environ", [{"TERM": "dumb"}, {"CI": "1"}, {"TERM": "dumb", "FORCE_COLOR": "1", "NO_COLOR": ""}]
)
def test_a_terminal_that_obeys_nothing_is_given_lines(
    live: tuple[Project, Simulator], environ: dict[str, str]
) -> None:
    project, _ = live
    seen = terminal(project, "run", "live.yaml", **environ)
    seen.watch()
    assert seen.running.exitstatus == ExitStatus.DONE
    assert "\r\r" not in seen.told
    assert "Ctrl-C" not in seen.told
    assert not re.search(r"\x1b\[[^m]*[A-HJKl]", seen.told)
    assert ("\x1b[" in seen.told) is ("FORCE_COLOR" in environ)
    assert " … rows      9 of 30 items" in re.sub(r"\x1b\[\d*m", "", seen.told)


def test_output_that_is_redirected_has_no_trace_of_it(live: tuple[Project, Simulator]) -> None:
    project, _ = live
    done = project.run("run", "live.yaml")
    assert done.status == ExitStatus.DONE
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.err
    assert "Ctrl-C" not in done.err
    assert re.search(r"^ … rows      9 of 30 items$", done.err, re.M)


def test_what_draws_is_read_at_a_terminal_only(project: Project) -> None:
    project.write("one.yaml", "flowrunner: 1\nname: One\nsteps:\n  - { id: one, set: { a: 1 } }\n")
    environ = {**project.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    done = project.run_from_nothing("run", "one.yaml", environ=environ)
    assert done.status == ExitStatus.DONE
    assert "flowrunner.cli.screen" in done.err
    assert "flowrunner.cli.drawing" not in done.err


def test_a_terminal_may_change_its_size(live: tuple[Project, Simulator]) -> None:
    project, _ = live
    seen = terminal(project, "run", "live.yaml", size=(30, 100))
    seen.watch(lambda lines: any("writing… " in line for line in lines))
    for width in (50, 120):
        seen.resize(30, width)
        start = len(seen.frames)
        seen.watch(lambda _, start=start: len(seen.frames) == start + 4)  # type: ignore[misc]
        for frame in seen.frames[start + 2 :]:
            assert columns(next(line for line in frame if line.startswith(" ──"))) in (
                width - 2,
                98,
            )
            assert len([line for line in frame if re.match(" [0-5]/5 done", line)]) == 1
            assert sum(line.startswith("Live · 5 steps") for line in frame) == 1
    seen.watch()
    ends_well(seen)
    assert sum(line.startswith(" ✓ ") for line in seen.everything) == 5


def test_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(HANGING, replies=told_a_story)
    project.at(simulator).write("live.yaml", WORKFLOW)
    seen = terminal(project, "run", "live.yaml")
    seen.watch(lambda lines: any("slow " in line and "waiting for the" in line for line in lines))
    seen.running.sendintr()
    seen.watch(lambda lines: any("stopping, Ctrl-C once more" in line for line in lines))
    seen.running.sendintr()
    seen.watch()
    ends_well(seen, ExitStatus.INTERRUPTED)
    assert any("Interrupted:" in line for line in seen.lines)
    assert any("Continue" in line for line in seen.lines)
    assert not any("stopping, " in line for line in seen.everything)


def test_a_program_that_is_killed_leaves_the_cursor(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(HANGING, replies=told_a_story)
    project.at(simulator).write("live.yaml", WORKFLOW)
    seen = terminal(project, "run", "live.yaml")
    seen.watch(lambda lines: any("slow " in line and "waiting for the" in line for line in lines))
    seen.running.kill(signal.SIGKILL)
    seen.watch()
    assert not seen.screen.cursor.hidden


GATED = """\
flowrunner: 1
name: Gated
defaults: { model: gpt-6-luna }
steps:
  - { id: slow, prompt: slow }
  - { id: agree, approve: "Shall we?" }
  - { id: other, needs: [slow], prompt: slow again }
  - { id: send, needs: [agree], prompt: send }
"""


def test_nothing_is_drawn_over_a_question(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    names = ("/slow/", "/other/")
    late = [{"match": {"client_request_id": name}, "do": {"delay": 1}} for name in names]
    simulator = simulate(late)
    project.at(simulator).write("gated.yaml", GATED)
    seen = terminal(project, "run", "gated.yaml")
    seen.watch(lambda lines: "Agree? [y/n]" in lines)
    asked = len(seen.frames)
    seen.watch(lambda lines: any(line.startswith(" ✓ slow") for line in lines))
    for frame in seen.frames[asked:]:
        assert [line for line in frame if line][-1] == "Agree? [y/n]"
    seen.running.sendline("y fine")
    seen.watch(lambda lines: any("other " in line and "waiting" in line for line in lines))
    seen.watch()
    ends_well(seen)
    assert sum(line.startswith(" ✓ slow") for line in seen.everything) == 1
    assert [line for line in seen.everything if "Shall we?" in line]
    check_books(project.latest, simulator)


def test_a_question_that_was_answered_elsewhere_stands_in_no_way(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate([{"match": {"client_request_id": "/send/"}, "do": {"delay": 1}}])
    project.at(simulator).write("gated.yaml", GATED)
    seen = terminal(project, "run", "gated.yaml")
    seen.watch(lambda lines: "Agree? [y/n]" in lines)
    assert project.run("approve", "latest", "agree").status == ExitStatus.DONE
    seen.watch(lambda lines: any(line.startswith(" 3/4 done") for line in lines))
    assert "Agree? [y/n]" not in seen.lines
    seen.watch()
    ends_well(seen)


def test_what_a_model_writes_is_shown_and_not_obeyed(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    evil = f"\x1b[2J\x1b]0;owned\x07\rforged\n ✓ forged\x9b31m {KEY} and more words to come"
    simulator = simulate(replies=lambda _: evil, event_delay_s=0.05)
    project.at(simulator).write(
        "evil.yaml",
        "flowrunner: 1\nname: Evil\nsteps:\n  - { id: evil, model: gpt-6-luna, prompt: Hello. ,"
        " delivery: stream }\n",
    )
    seen = terminal(project, "run", "evil.yaml", size=(24, 160))
    seen.watch()
    ends_well(seen)
    assert "\x1b]" not in seen.told
    assert "\x1b[2J" not in seen.told
    assert "\x07" not in seen.told
    assert KEY[:8] not in seen.told
    assert any(
        r"\x1b[2J\x1b]0;owned\x07\rforged\n" in line for frame in seen.frames for line in frame
    )
    assert not any(line.startswith(" ✓ forged") for line in seen.everything)


def test_a_response_in_the_background_is_seen_waiting(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(pace=Pace(polls_until_done=6, poll_after_ms=200))
    project.at(simulator).write(
        "back.yaml",
        "flowrunner: 1\nname: Back\ndefaults: { model: gpt-6-luna }\nsteps:\n"
        "  - { id: picture, prompt: Hello., delivery: background }\n",
    )
    seen = terminal(project, "run", "back.yaml")
    seen.watch()
    ends_well(seen)
    text = seen.all_frames
    assert "in background" in text
    assert ", polled " in text


def test_a_wide_list_stays_small_and_quick(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    rows = list(range(2_000))
    simulator = simulate(replies=lambda _: "x")
    project.at(simulator).write(
        "wide.yaml",
        "flowrunner: 1\nname: Wide\ndefaults: { model: gpt-6-luna }\nsteps:\n"
        f"  - {{ id: rows, for_each: {rows}, as: n, prompt: 'row {{{{ n }}}}' }}\n",
    )
    seen = terminal(project, "run", "wide.yaml", "--at-once", "32")
    seen.watch()
    ends_well(seen)
    assert len(posts(simulator)) == 2_000
    text = seen.all_frames
    assert re.search(r"[\d,]+/2,000 items · \d+/s · [\dm s.]+ left", text)
    length_s = project.latest.events[-1].at - project.latest.events[0].at
    assert len(seen.told) < 5_000 + length_s * 10 * 1_000
    assert sum("rows" in line for line in seen.everything) == 1


def test_a_terminal_that_takes_nothing_holds_no_run_up(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    arrived = threading.Event()

    def note(body: dict[str, Any]) -> None:
        if body["input"] == "row 1199":
            arrived.set()

    # Far more lines than a terminal takes that nobody reads.
    simulator = simulate(replies=note)
    steps = "".join(f"  - {{ id: s{n}, prompt: row {n} }}\n" for n in range(1200))
    project.at(simulator).write(
        "many.yaml", f"flowrunner: 1\nname: Many\ndefaults: {{ model: m }}\nsteps:\n{steps}"
    )
    seen = terminal(project, "run", "many.yaml")
    assert arrived.wait(60)
    seen.watch()
    ends_well(seen)
    assert len(seen.told) > 80_000
