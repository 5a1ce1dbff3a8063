"""A history that is made shorter before a step goes on from it: once, on record, paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.events import Usage
from flowrunner.responses.outcome import Answered, Outcome
from tests.engine_world import HEAD, Ended, Script, World, answered, in_turn, lost, refused

STEPS = """
steps:
  - { id: draft, prompt: Write., PARENT }
  - id: more
    continue: { step: draft, compact: true }
    prompt: Go on.
    CHILD: x
result: "{{ steps.more.text }}"
"""


def steps(parent: str = "describe: first") -> str:
    return STEPS.replace("PARENT", parent).replace("CHILD", "describe")


def window(summary: str = "short") -> Answered:
    """What the API makes of a history."""
    output = [
        {"type": "message", "id": "msg_1", "role": "user", "content": "Write."},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": summary},
    ]
    response = {"id": "resp_c", "object": "response.compaction", "output": output}
    return Answered(
        response=response | {"usage": {"input_tokens": 1100, "output_tokens": 50}},
        http_status=200,
        request_id="req_c",
        response_id="resp_c",
        status="completed",
        model=None,
        service_tier=None,
        usage=Usage(1100, 50),
        elapsed_s=0.5,
    )


def compacting(unit: str, body: dict[str, Any]) -> Outcome:
    if unit.endswith("/compact"):
        return window()
    return answered(f"answer of {unit}", id=f"resp_{unit}")


def then(**outcomes: list[Outcome]) -> Script:
    """The compaction's outcomes in turn, then everything else as usual."""
    left = {unit.replace("__", "/"): list(found) for unit, found in outcomes.items()}

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        return left[unit].pop(0) if left.get(unit) else compacting(unit, body)

    return script


def sent(ended: Ended, unit: str) -> list[dict[str, Any]]:
    bodies = ended.sender.bodies.items()
    return [body for name, body in bodies if name.split("/", 1)[1].rsplit("/", 1)[0] == unit]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_shorter_history_is_sent_whole_and_nothing_else(world: World) -> None:
    ended = world.run(steps("instructions: Be brief."), compacting)
    assert ended.sender.units() == ["draft", "more/compact", "more"]
    (asked,) = sent(ended, "more/compact")
    assert asked == {
        "model": "gpt-6-luna",
        "instructions": "Be brief.",
        "previous_response_id": "resp_draft",
    }
    (body,) = sent(ended, "more")
    assert "previous_response_id" not in body
    assert body["input"] == [
        {"type": "message", "role": "user", "content": "Write."},
        {"type": "compaction", "encrypted_content": "short"},
        {"role": "user", "content": "Go on."},
    ]
    assert ended.end.result == "answer of more"


def test_it_is_on_record_and_paid_for(world: World) -> None:
    ended = world.run(steps(), compacting)
    unit = ended.state.steps["more/compact"]
    assert (unit.verb, unit.status, len(unit.calls)) == ("compact", "succeeded", 1)
    assert unit.calls[0].cost_usd == pytest.approx(1100 * 0.1e-6 + 50 * 0.5e-6)
    assert ended.state.totals.calls == 3


def test_a_response_that_is_not_kept_is_sent_to_be_shortened(world: World) -> None:
    ended = world.run(steps("store: false"), compacting)
    (asked,) = sent(ended, "more/compact")
    assert [item.get("type") or item["role"] for item in asked["input"]] == ["user", "message"]
    assert asked.keys() == {"model", "input"}


def test_one_that_is_gone_is_sent_to_be_shortened_too(world: World) -> None:
    script = then(more__compact=[refused(400, "previous_response_not_found")])
    ended = world.run(steps(), script)
    first, second = sent(ended, "more/compact")
    assert first["previous_response_id"] == "resp_draft"
    assert len(second["input"]) == 2
    assert ended.end.exit_status is ExitStatus.DONE
    calls = ended.state.steps["more/compact"].calls
    assert [(call.attempt, call.post, call.state) for call in calls] == [
        (1, 1, "refused"),
        (1, 2, "answered"),
    ]


def test_a_resume_takes_the_shorter_history_up(world: World) -> None:
    world.run(steps(), then(more=[refused(400)]))
    again = world.resume(compacting)
    assert again.sender.units() == ["more"]
    assert sent(again, "more")[0]["input"][1]["encrypted_content"] == "short"


def test_an_edit_of_the_question_does_not_shorten_again(world: World) -> None:
    world.run(steps(), compacting)
    again = world.resume(compacting, edited=steps().replace("Go on.", "Stop."))
    assert again.sender.units() == ["more"]


def test_an_edit_above_shortens_again(world: World) -> None:
    world.run(steps(), compacting)

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        if unit == "draft":
            return answered(id="resp_other")
        return window("other") if unit == "more/compact" else compacting(unit, body)

    again = world.resume(script, edited=steps().replace("Write.", "Sing."))
    assert again.sender.units() == ["draft", "more/compact", "more"]
    assert sent(again, "more/compact")[0]["previous_response_id"] == "resp_other"
    attempts = [call.attempt for call in again.state.steps["more/compact"].calls]
    assert attempts == [1, 2]
    last = world.resume(compacting, edited=steps().replace("Write.", "Sing.") + " ")
    assert last.sender.units() == []


def test_what_cannot_be_shortened_fails_the_step(world: World) -> None:
    ended = world.run(steps(), then(more__compact=[refused(400, "unsupported", "no such model")]))
    assert ended.sender.units() == ["draft", "more/compact"]
    assert ended.reason("more") == "api-error"
    assert ended.status("more/compact") == "failed"
    again = world.resume(compacting)
    assert again.sender.units() == ["more/compact", "more"]
    assert again.end.exit_status is ExitStatus.DONE


def test_a_lost_shorter_history_is_held_and_asked_for_again_by_a_person(world: World) -> None:
    held = steps().replace("    describe: x", "    on_unknown: hold")
    first = world.run(held, then(more__compact=[lost()]))
    assert first.end.exit_status is ExitStatus.HELD
    assert (first.status("more"), first.status("more/compact")) == ("unknown", "unknown")
    again = world.resume(compacting)
    assert (again.end.exit_status, again.sender.units()) == (ExitStatus.HELD, [])
    asked = world.resume(compacting, asks_held=True)
    assert asked.sender.units() == ["more/compact", "more"]
    assert asked.end.exit_status is ExitStatus.DONE


def test_a_lost_shorter_history_may_be_asked_for_once_more(world: World) -> None:
    ended = world.run(steps(), then(more__compact=[lost()]))
    assert ended.sender.units() == ["draft", "more/compact", "more/compact", "more"]


def test_several_that_go_on_from_one_each_have_it_shortened(world: World) -> None:
    two = steps().replace("    prompt: Go on.", '    for_each: [x, y]\n    prompt: "{{ item }}"')
    ended = world.run(two.partition("result")[0], compacting)
    assert sorted(ended.sender.units()) == [
        "draft",
        "more[1]",
        "more[1]/compact",
        "more[2]",
        "more[2]/compact",
    ]


def test_a_budget_covers_it(world: World) -> None:
    """What is made shorter is no longer than it was, and not all that a model can write."""
    head = HEAD + "budget: 0.02 USD\n"
    small = steps("max_output_tokens: 99").replace("describe: x", "max_output_tokens: 99")
    assert world.run(small, compacting, head=head).end.exit_status is ExitStatus.DONE


def test_a_budget_that_is_too_small_stops_before_it(world: World) -> None:
    head = HEAD + "budget: 0.0004 USD\n"
    small = steps("max_output_tokens: 99").replace("describe: x", "max_output_tokens: 99")
    ended = world.run(small, compacting, head=head)
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert ended.sender.units() == ["draft"]


def test_what_was_shortened_is_what_the_next_one_goes_on_from(world: World) -> None:
    chain = steps().replace("result:", "  - { id: last, continue: more, prompt: End. }\nresult:")
    ended = world.run(chain, in_turn(**{"more/compact": [window()], "more": [answered(id="m")]}))
    assert sent(ended, "last")[0]["previous_response_id"] == "m"
