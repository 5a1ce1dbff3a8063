"""The lines of a run for terminals and logs, word by word."""

from __future__ import annotations

import re

import pytest
from test_report_stories import (
    RUN,
    STORIES,
    MemoryRecord,
    Story,
    bare,
    failed,
    held,
    report_of,
    retried,
    simulated,
    succeeded,
    triaged,
    wide,
)

from flowrunner.events import Usage
from flowrunner.report.closing import closing_lines, tally_line
from flowrunner.report.listing import run_lines, run_row, show_lines, show_step_lines
from flowrunner.report.terminal import ProgressLines, Style

PLAIN = Style()
FOLDER = ".flowrunner/runs/latest"


def _progress(story: Story, style: Style = PLAIN, *, verbose: bool = False) -> list[str]:
    progress = ProgressLines(style, verbose=verbose)
    return [line for event in story.events for line in progress.feed(event)]


def test_one_line_a_finished_step() -> None:
    assert _progress(succeeded()) == [
        f"Ticket triage · 4 steps · openai · run {RUN}",
        "",
        " ✓ summary     gpt-6-luna         3.1s            81 → 118 tok    $0.000067",
        " ✓ triage      gpt-6-luna         2.4s          1,432 → 96 tok    $0.000099",
        " » bug_report  prompt          skipped: Its `if` is false.",
        " ✓ reply       gpt-6-luna         5.6s            97 → 301 tok     $0.00016",
    ]


def test_ascii_where_the_locale_is_not_utf8() -> None:
    lines = _progress(failed(), Style(utf8=False))
    lines += closing_lines(report_of(failed()), FOLDER, Style(utf8=False))
    lines += show_lines(report_of(retried()), Style(utf8=False))
    assert all(line.isascii() for line in lines), lines
    assert lines[2].startswith(" + summary ")
    assert lines[3].startswith(" x triage ")
    assert "81 -> 118 tok" in lines[2]


def test_a_simulated_run_says_so_first() -> None:
    lines = _progress(simulated())
    assert lines[1] == "SIMULATED: no model is asked and nothing is paid."
    assert lines[3].endswith("simulated")
    assert "$" not in "".join(lines)


def test_verbose_tells_what_begins_and_what_is_tried_again() -> None:
    lines = _progress(retried(), verbose=True)
    assert " … reply       prompt begins" in lines
    (refused,) = [line for line in lines if "refused (429)" in line]
    assert refused.endswith("Next attempt in 4.0s.")
    assert " warning  reply: The API slowed this run down for 4 s. [rate-limit]" in lines
    assert "Resumed by process 2 of this run." in lines


def test_an_unknown_price_is_unknown() -> None:
    story = Story().begin().start("summary").send("summary", "Hi", model="house-model")
    story.answer("summary", "Hi", Usage(3, 1), 0.5).finish("summary", result={"text": "Hi"})
    assert _progress(story)[-1].endswith("unknown")


def test_text_of_others_is_shown_and_never_obeyed() -> None:
    story = Story().begin(workflow="Tri\x1b[2Jage").start("summary")
    message = "bad\r\nDone. OK=9 FAILED=0\x1b]52;c;aGk=\x07 \u202egnp"
    story.finish("summary", "failed", message=message, help="do\x1b[31m this")
    report = report_of(story)
    lines = _progress(story) + closing_lines(report, FOLDER, PLAIN)
    lines += show_lines(report, PLAIN) + show_step_lines(report["steps"][0], PLAIN)
    text = "\n".join(lines)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\x1b]52;c;aGk=\\x07" in text
    assert not any(line.startswith("Done.") for line in lines)


def test_the_end_good() -> None:
    assert closing_lines(report_of(succeeded()), FOLDER, PLAIN) == [
        "",
        "✓ Done in 0:11 · 3 ran, 1 skipped · $0.00033 · 2,125 tokens",
        "  Result      .flowrunner/runs/latest/result.json",
        "  Report      .flowrunner/runs/latest/report.html    open with: flowrunner report --open",
    ]


def test_the_end_bad() -> None:
    request = "req_00000000000000000000000000000003"
    keeps = "(keeps the finished step, pays only for what is left)"
    assert closing_lines(report_of(failed()), FOLDER, Style(width=88)) == [
        "",
        "✗ Stopped: 1 of 4 steps failed · 1 ran · 2 cancelled · $0.00014",
        "  triage      The model's answer did not match the shape you asked for: `team` must be",
        "              one of `billing`, `bug`, `other`, found the text `complaints`.",
        "              workflows/ticket_triage.yaml:36",
        f"              2 attempts · request {request} · more: flowrunner show {RUN} triage",
        "  Try         add “choose billing, bug or other, and nothing else” to the prompt",
        "  Next        Mend the step `triage`, then go on with `flowrunner resume`.",
        f"  Continue    flowrunner resume {RUN}    {keeps}",
        "  Report      .flowrunner/runs/latest/report.html    open with: flowrunner report --open",
    ]  # fmt: skip


def test_the_end_of_a_held_run_names_the_id_to_search_for() -> None:
    text = "\n".join(closing_lines(report_of(held()), FOLDER, PLAIN))
    assert text.startswith("\n? Held: A call's outcome is unknown · 2 ran · 1 skipped")
    assert f"client request {RUN}.reply.1.1.1" in text
    assert "$0.00017 and an unknown part" in text


def test_many_failures_are_named_up_to_five() -> None:
    text = "\n".join(closing_lines(report_of(wide(800)), FOLDER, PLAIN))
    assert text.count("The answer was cut off.") == 5
    assert "and 3 more steps, all in the report" in text


@pytest.mark.parametrize("name", STORIES)
def test_every_story_has_an_end_and_fits_the_width(name: str) -> None:
    report = report_of(STORIES[name]())
    lines = closing_lines(report, FOLDER, Style(width=80)) + show_lines(report, Style(width=80))
    assert lines
    assert tally_line(report).endswith(f"RUN={RUN}")


@pytest.mark.parametrize(
    ("story", "line"),
    [
        (succeeded, "OK=3 REUSED=0 FAILED=0 SKIPPED=1 TOTAL=4 COST=$0.00033 TIME=11s"),
        (failed, "OK=1 REUSED=0 FAILED=1 SKIPPED=0 CANCELLED=2 TOTAL=4 COST=$0.00014 TIME=7s"),
        (held, "OK=2 REUSED=0 FAILED=0 SKIPPED=1 UNKNOWN=1 TOTAL=4 COST=$0.00017+unknown TIME=14s"),
        (bare, "OK=0 REUSED=0 FAILED=0 SKIPPED=0 TOTAL=0 COST=$0 TIME=0s"),
    ],
)  # fmt: skip
def test_the_line_for_grep(story: object, line: str) -> None:
    report = report_of(story())  # type: ignore[operator]
    assert tally_line(report) == f"Done. {line} RUN={RUN}"


def test_the_line_for_grep_says_simulated() -> None:
    assert " SIMULATED=1 RUN=" in tally_line(report_of(simulated()))


def test_colour_is_never_the_only_sign() -> None:
    style = Style(colour=True)
    coloured = _progress(failed(), style) + closing_lines(report_of(failed()), FOLDER, style)
    plain = _progress(failed()) + closing_lines(report_of(failed()), FOLDER, PLAIN)
    assert "\x1b[31m✗\x1b[0m" in "\n".join(coloured)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain


def test_the_table_of_runs() -> None:
    rows = [run_row(MemoryRecord(story()).replay()) for story in (succeeded, simulated, held, bare)]
    assert run_lines(rows, PLAIN) == [
        "   run                 workflow       status      started                    took  cost",
        f" ✓ {RUN}  Ticket triage  succeeded   22 Nov 2026, 07:00:04 UTC  11s   $0.00033",
        f" ✓ {RUN}  Ticket triage  succeeded   22 Nov 2026, 07:00:04 UTC  11s   simulated",
        f" ? {RUN}  Ticket triage  held        22 Nov 2026, 07:00:04 UTC  14s   $0.00017 + unknown",
        f" … {RUN}  Ticket triage  unfinished  22 Nov 2026, 07:00:04 UTC        $0",
    ]
    assert run_lines([], PLAIN) == ["No run yet. Start one with: flowrunner run WORKFLOW"]


def test_show_tells_the_run_and_its_result() -> None:
    lines = show_lines(report_of(succeeded()), PLAIN)
    assert lines[0] == "Ticket triage  workflows/ticket_triage.yaml"
    assert " ✓ reply          5.6s  $0.00016" in lines
    assert "Result" in lines
    assert lines[-1] == f"One step: flowrunner show {RUN} STEP"


def test_show_tells_a_step_with_everything_known() -> None:
    report = report_of(failed())
    text = "\n".join(show_step_lines(report["steps"][1], PLAIN))
    for part in ("Why", "Asked", "Answered", "Attempts", "Numbers"):
        assert f"\n{part}\n" in text
    assert "user: Choose the team for:" in text
    assert "response id: resp_" in text
    assert "Try: add" in text


def test_show_says_where_a_cut_value_is_whole() -> None:
    long = "word " * 40_000
    story = triaged(Story()).start("reply").send("reply", "Hi")
    story.answer("reply", long, Usage(9, 9), 1.0).finish("reply", result={"text": long})
    text = "\n".join(show_step_lines(report_of(story)["steps"][3], PLAIN))
    assert f"200,000 bytes; all of it: flowrunner show {RUN} reply" in " ".join(text.split())
