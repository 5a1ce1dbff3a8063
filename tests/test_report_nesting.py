"""Runs with steps inside of steps: items, rounds, cases, approvals, reuse; and very many units."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from test_report_stories import RUN, SCHEMA, MemoryRecord, Story, report_of

from flowrunner.errors import ExitStatus
from flowrunner.events import Address, ApprovalAsked, ApprovalGiven, ForEachBegan, Usage
from flowrunner.report.html import render_html
from flowrunner.report.report import build_report
from flowrunner.report.units import ancestors, listed_units, parent_of, place_of


def _drawn(name: str, verb: str = "prompt", **more: Any) -> dict[str, Any]:
    told = {"id": name, "verb": verb, "line": 3, "describe": None, "waits_for": []}
    return told | {"condition": None, "for_each": None, "inside": []} | more


GRAPH = {
    "steps": [
        _drawn(
            "extract",
            "steps",
            for_each="inputs.papers",
            inside=[_drawn("read"), _drawn("judge", condition="steps.read.text != ''", line=9)],
        ),
        _drawn("polish", "steps", waits_for=["extract"], inside=[_drawn("draft")]),
        _drawn("route", "branch", waits_for=["polish"], inside=[_drawn("billing_reply")]),
        _drawn("gate", "approve", waits_for=["route"]),
        _drawn("send", waits_for=["gate"]),
    ]
}


def prompted(story: Story, unit: str, cost: bool = True, **told: Any) -> Story:
    story.start(unit).send(unit, f"Do {unit}")
    changes = {} if cost else {"model": "house-model"}
    story.answer(unit, "Good.", Usage(10, 20), 0.5, **changes)
    return story.finish(unit, result={"text": "Good.", **told})


def began(story: Story, unit: str, items: int) -> Story:
    story.start(unit, "steps")
    story.events.append(ForEachBegan(at=story.at, address=Address.parse(unit), items=items))
    return story


def nested() -> Story:
    """Three items of which one fails, two rounds, a branch, and a gate that waits."""
    story = began(Story(graph=GRAPH).begin(), "extract", 3)
    for number in (2, 1, 3):
        item = f"extract[{number}]"
        prompted(story.start(item, "steps"), f"{item}/read")
        status, told = "succeeded", {}
        if number == 2:
            told = {"reason": "wrong-shape", "message": "The answer has the wrong shape."}
            status = "failed"
            story.finish(f"{item}/judge", status, **told)
        story.finish(item, status, verb="steps", result={"input": f"paper {number}"}, **told)
    message = "1 of 3 items failed"
    story.finish("extract", verb="steps", reason="items", message=message, result={"items": 3})
    for number in (1, 2):
        prompted(story, f"polish#{number}/draft")
        story.finish(f"polish#{number}", verb="steps")
    story.finish("polish", verb="steps", result={"rounds": 2, "reached": True})
    prompted(story.start("route", "branch"), "route/billing_reply")
    story.finish("route", verb="branch", result={"case": "billing"})
    return asked(story, "gate")


def asked(story: Story, unit: str) -> Story:
    story.start(unit, "approve")
    text = "Send \x1b[2J42 mails?"
    story.events.append(ApprovalAsked(at=story.at, address=Address.parse(unit), text=text))
    message = f"somebody must agree: {text}"
    return story.finish(unit, "waiting", verb="approve", reason="approval", message=message)


def waiting() -> Story:
    return nested().end("waiting", ExitStatus.WAITING)


def agreed() -> Story:
    story = (
        nested().end("waiting", ExitStatus.WAITING).after(600).resume(2).start("gate", "approve")
    )
    given = {"granted": True, "by": "ada", "way": "command", "why": "looked at them"}
    story.events.append(ApprovalGiven(at=story.at, address=Address.parse("gate"), **given))
    story.finish("gate", verb="approve")
    result = {"text": "Sent.", "cost_usd": 0.0031}
    story.finish("send", reason="reused", reused_from="20261121-0700-11c2/send", result=result)
    return story.end("succeeded", ExitStatus.ITEMS_FAILED)


def many(items: int) -> Story:
    """A list of which every thousandth fails."""
    graph = {"steps": [_drawn("extract", for_each="inputs.rows")]}
    story = began(Story(graph=graph).begin(), "extract", items)
    for number in range(1, items + 1):
        unit = f"extract[{number}]"
        if number % 1000 == 0:
            story.start(unit).finish(unit, "failed", message="No.")
        else:
            prompted(story, unit)
    message = f"{items // 1000} of {items} items failed"
    story.finish("extract", reason="items", message=message)
    return story.end("succeeded", ExitStatus.ITEMS_FAILED)


def step_of(report: dict[str, Any], unit: str) -> dict[str, Any]:
    return next(step for step in report["steps"] if step["unit"] == unit)


@pytest.mark.parametrize(
    ("unit", "parent", "place"),
    [
        ("extract", None, "extract"),
        ("extract[3]", "extract", "extract"),
        ("extract[3]/read", "extract[3]", "extract/read"),
        ("polish#2/draft", "polish#2", "polish/draft"),
        ("a[3]#2", "a[3]", "a"),
        ("sub/b[1]#2/c", "sub/b[1]#2", "sub/b/c"),
    ],
)
def test_addresses_are_a_tree(unit: str, parent: str | None, place: str) -> None:
    assert (parent_of(unit), place_of(unit)) == (parent, place)
    assert next(ancestors(unit), None) == parent


@pytest.mark.parametrize("story", [waiting, agreed, lambda: many(10)])
def test_a_nested_report_fits_its_schema(story: Any) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    faults = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(report_of(story()))]
    assert faults == []


def test_units_stand_behind_what_they_are_in() -> None:
    units = [step["unit"] for step in report_of(waiting())["steps"]]
    assert units[:8] == [
        "extract",
        "extract[1]",
        "extract[1]/read",
        "extract[2]",
        "extract[2]/read",
        "extract[2]/judge",
        "extract[3]",
        "extract[3]/read",
    ]


def test_the_tally_counts_the_steps_of_the_file() -> None:
    tally = report_of(waiting())["verdict"]["tally"]
    assert (tally["total"], tally["succeeded"], tally["waiting"]) == (5, 3, 1)
    assert tally["failed"] == 0


def test_items_are_tallied() -> None:
    items = step_of(report_of(waiting()), "extract")["items"]
    assert (items["total"], items["ok"], items["failed"], items["left"]) == (3, 2, 1, 0)
    assert step_of(report_of(waiting()), "extract[2]")["input"] == {"value": "paper 2"}


def test_what_is_inside_is_added_up() -> None:
    report = report_of(waiting())
    whole = step_of(report, "extract")["numbers"]
    inner = [step_of(report, f"extract[{n}]/read")["numbers"] for n in (1, 2, 3)]
    assert whole["calls"] == 3
    assert whole["cost_usd"] == pytest.approx(sum(one["cost_usd"] for one in inner))
    named = {line["name"] for line in report["money"]["by_step"]}
    assert named == {"extract/read", "polish/draft", "route/billing_reply"}


def test_rounds_and_cases_are_told() -> None:
    report = report_of(waiting())
    assert step_of(report, "polish")["rounds"] == {"count": 2, "reached": True}
    assert step_of(report, "route")["case"] == "billing"


def test_a_loop_begins_with_its_first_round() -> None:
    polish = step_of(report_of(waiting()), "polish")
    assert polish["elapsed_s"] == 1.0
    assert polish["why"]["sentence"] == "It ran as soon as `extract` had ended."
    item = step_of(report_of(waiting()), "extract[1]")
    assert item["why"]["sentence"] == "It is one item of `extract`."


def test_an_inner_condition_speaks_of_its_own_list() -> None:
    why = step_of(report_of(waiting()), "extract[2]/judge")["why"]
    assert why["condition"] == "steps.read.text != ''"
    assert step_of(report_of(waiting()), "extract[2]/judge")["place"].endswith(":9")


def test_a_waiting_run_names_who_must_do_what() -> None:
    report = report_of(waiting())
    assert report["verdict"]["sentence"] == "It waits for somebody to agree to `gate`."
    assert report["commands"]["approve"] == [f"flowrunner approve {RUN} gate"]
    assert step_of(report, "gate")["approval"]["granted"] is None


def test_an_approval_keeps_who_and_why() -> None:
    told = step_of(report_of(agreed()), "gate")["approval"]
    assert (told["granted"], told["by"], told["why"]) == (True, "ada", "looked at them")


def test_what_was_reused_was_saved() -> None:
    report = report_of(agreed())
    assert report["money"]["saved"] == {"units": 1, "usd": 0.0031, "is_complete": True}
    assert step_of(report, "send")["reused_from"] == "20261121-0700-11c2/send"
    assert step_of(report, "send")["saved_usd"] == 0.0031


def test_budgets_of_file_and_operator() -> None:
    story = agreed()
    record = MemoryRecord(story)
    record._frozen |= {"settings": {"budget": {"stop_at_usd": 0.5, "warn_at_usd": None}}}
    report = build_report(record.replay(), record)
    assert report["money"]["budget"] == {"stop_at_usd": 0.5, "warn_at_usd": None, "tokens": None}
    assert report_of(story)["money"]["budget"] is None


def test_of_very_many_units_those_that_failed_are_told() -> None:
    story = many(5_000)
    record = MemoryRecord(story)
    state = record.replay()
    assert len(listed_units({unit: step.status for unit, step in state.steps.items()}, 50)) == 51
    report = build_report(state, record)
    assert report["units"]["total"] == 5_001
    assert report["units"]["listed"] == len(report["steps"]) == 2_001
    failed = [step["unit"] for step in report["steps"] if step["status"] == "failed"]
    assert failed == [f"extract[{n}]" for n in (1000, 2000, 3000, 4000, 5000)]
    assert report["steps"][0]["items"]["ok"] == 4_995
    assert report["verdict"]["tokens"]["output"] == 4_995 * 20
    page = render_html(report)
    assert page.count('<details class="step ') <= 301
    assert len(page) < 2_000_000


@pytest.mark.parametrize("story", [waiting, agreed])
def test_a_nested_page_is_made(story: Any) -> None:
    assert "extract" in render_html(report_of(story()))
