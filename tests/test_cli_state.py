"""What was said before, against a server that keeps to the rules: nothing of it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowrunner.simulator import Simulator
from flowrunner.simulator.ledger import Call
from tests.cli_world import Project, check_books

HEAD = "flowrunner: 1\nname: State\ndefaults: { model: gpt-6-luna }\n"


def kinds(body: dict[str, Any]) -> list[str]:
    """The types of the items of a request, messages by their roles."""
    return [item["role"] if "role" in item else item["type"] for item in body["input"]]


def asked(simulator: Simulator, step: str = "") -> list[Call]:
    """The requests for a response, all or those of one step."""
    calls = [call for call in simulator.ledger if call.path == "/v1/responses"]
    units = [(call.client_request_id or "").partition("/")[2] for call in calls]
    return [call for call, unit in zip(calls, units, strict=True) if unit.startswith(step)]


def statuses(simulator: Simulator) -> list[int | None]:
    return [call.status for call in simulator.ledger]


def test_a_chain_that_nobody_keeps_is_sent_again_and_accepted(
    project: Project, simulator: Simulator
) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}steps:
  - {{ id: a, prompt: one, store: false, reasoning: {{ effort: high }} }}
  - {{ id: b, continue: a, prompt: two, store: false, reasoning: {{ effort: high }} }}
  - {{ id: c, continue: b, prompt: three }}
result: {{ c: "{{{{ steps.c.text }}}}" }}
""",
    )
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert set(statuses(simulator)) == {200}
    turn = ["user", "reasoning", "assistant"]
    assert kinds(asked(simulator, step="c")[0].body) == [*turn, *turn, "user"]
    check_books(project.latest, simulator)


def test_another_model_is_told_without_the_thoughts_of_the_first(
    project: Project, simulator: Simulator
) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}steps:
  - {{ id: a, prompt: one, store: false, reasoning: {{ effort: high }} }}
  - {{ id: b, continue: a, prompt: two, model: gpt-6-sol }}
""",
    )
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert [call.status for call in asked(simulator, step="b")] == [400, 200]
    assert kinds(asked(simulator, step="b")[1].body) == ["user", "assistant", "user"]


def test_a_stored_chain_is_continued_by_its_ids(project: Project, simulator: Simulator) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}steps:
  - {{ id: a, prompt: one, tools: [web_search] }}
  - {{ id: b, for_each: [x, y], continue: a, prompt: "{{{{ item }}}}", output: {{ ok: yes_no }} }}
  - id: again
    repeat: {{ until: false, at_most: 2 }}
    steps:
      - {{ id: c, prompt: one }}
      - {{ id: d, continue: c, prompt: two, retry: 2 }}
""",
    )
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert set(statuses(simulator)) == {200}
    chained = [call for call in asked(simulator) if call.body.get("previous_response_id")]
    assert len(chained) == 4


CONVERSATION = f"""{HEAD}steps:
  - {{ id: a, prompt: one, conversation: {{ name: thread }} }}
  - {{ id: b, prompt: two, conversation: {{ name: thread }}, output: {{ ok: yes_no }} }}
  - id: each
    for_each: [x, y, z]
    steps:
      - {{ id: c, prompt: "{{{{ item }}}}", conversation: {{ name: thread }} }}
      - {{ id: d, prompt: more, conversation: {{ name: thread }} }}
result: {{ b: "{{{{ steps.b.output.ok }}}}" }}
"""


def test_named_conversations_are_begun_and_spoken_in(
    project: Project, simulator: Simulator
) -> None:
    project.write("flow.yaml", CONVERSATION)
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert set(statuses(simulator)) == {200}, "none was ever used by two at a time"
    begun = [call for call in simulator.ledger if call.path == "/v1/conversations"]
    assert len(begun) == 4
    by_id: dict[str, list[str]] = {}
    for call in asked(simulator):
        by_id.setdefault(call.body["conversation"], []).append(call.body["input"])
    assert sorted(by_id.values()) == [["one", "two"], *([item, "more"] for item in "xyz")]
    tokens = {
        name: [call.usage.input for call in asked(simulator) if call.body["conversation"] == name]
        for name in by_id
    }
    assert all(first < second for first, second in tokens.values()), "it remembers"


def test_the_simulator_of_a_run_has_conversations_too(project: Project) -> None:
    project.write("flow.yaml", CONVERSATION)
    done = project.run("run", "flow.yaml", "--simulate")
    assert done.status == 0, done.err
    assert not (project.folder / ".flowrunner" / "conversations.json").exists()


def test_a_kept_conversation_goes_on_in_the_next_run(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}inputs: {{ who: text, said: text }}
steps:
  - id: a
    prompt: "{{{{ inputs.said }}}}"
    conversation: {{ name: "{{{{ inputs.who }}}}", keep: true }}
result: {{ a: "{{{{ steps.a.text }}}}" }}
""",
    )
    simulator = simulate()
    project.at(simulator)
    for who, said in (("ada", "hello"), ("bob", "hello"), ("ada", "and again")):
        done = project.run("run", "flow.yaml", "-i", f"who={who}", "-i", f"said={said}")
        assert done.status == 0, done.err
    names = [call.body["conversation"] for call in asked(simulator)]
    assert names[0] == names[2] != names[1]
    given = [call.usage.input for call in asked(simulator) if call.usage is not None]
    assert given[2] > given[0] + 2, "it remembers the first run"
    kept = (project.folder / ".flowrunner" / "conversations.json").read_text(encoding="utf-8")
    assert '"name": "ada"' in kept
    assert '"workflow": "flow.yaml"' in kept


def test_typed_items_and_references_go_out_as_they_are(
    project: Project, simulator: Simulator
) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}inputs: {{ who: text }}
steps:
  - {{ id: a, prompt: one }}
  - id: b
    input:
      - developer: Be brief.
      - user: "Who is {{{{ inputs.who }}}}?"
      - assistant: A mathematician.
      - {{ type: item_reference, id: "{{{{ steps.a.response.output[0].id }}}}" }}
      - {{ type: item_reference, id: "{{{{ steps.a.response.output[1].id }}}}" }}
      - type: message
        role: user
        content: [{{ type: input_text, text: "And {{{{ inputs.who }}}} again?" }}]
  - {{ id: c, prompt: three, previous_response_id: "{{{{ steps.a.response_id }}}}" }}
""",
    )
    done = project.at(simulator).run("run", "flow.yaml", "-i", "who=Ada")
    assert done.status == 0, done.err
    assert set(statuses(simulator)) == {200}
    (first,), (second,), (third,) = (asked(simulator, step=step) for step in "abc")
    assert third.body["previous_response_id"] == first.response_id
    assert [item.get("role", item.get("type")) for item in second.body["input"]] == [
        "developer",
        "user",
        "assistant",
        "item_reference",
        "item_reference",
        "user",
    ]
    assert second.body["input"][2] == {"role": "assistant", "content": "A mathematician."}
    assert second.body["input"][5]["content"][0]["text"] == "And Ada again?"


def test_a_stored_prompt_with_variables_and_what_is_asked_beside_it(
    project: Project, simulator: Simulator
) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}inputs: {{ who: text }}
steps:
  - id: a
    prompt:
      id: pmpt_1
      version: 2
      variables:
        who: "{{{{ inputs.who }}}}"
        page: {{ type: input_text, text: "{{{{ inputs.who }}}}!" }}
    input: [{{ user: "And {{{{ inputs.who }}}}?" }}]
  - {{ id: b, prompt: {{ id: pmpt_1 }} }}
""",
    )
    done = project.at(simulator).run("run", "flow.yaml", "-i", "who=Ada")
    assert done.status == 0, done.err
    (sent,) = asked(simulator, step="a")
    assert sent.body["prompt"] == {
        "id": "pmpt_1",
        "version": "2",
        "variables": {"who": "Ada", "page": {"type": "input_text", "text": "Ada!"}},
    }
    assert sent.body["input"] == [{"role": "user", "content": "And Ada?"}]
    assert "input" not in asked(simulator, step="b")[0].body


def test_a_history_is_made_shorter(project: Project, simulator: Simulator) -> None:
    project.write(
        "flow.yaml",
        f"""{HEAD}steps:
  - {{ id: a, prompt: one }}
  - {{ id: b, continue: {{ step: a, compact: true }}, prompt: two }}
  - {{ id: c, continue: b, prompt: three, store: false }}
  - {{ id: d, continue: {{ step: c, compact: true }}, prompt: four }}
result: {{ d: "{{{{ steps.d.text }}}}" }}
""",
    )
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == 0, done.err
    assert set(statuses(simulator)) == {200}
    compacted = [call for call in simulator.ledger if call.path == "/v1/responses/compact"]
    assert len(compacted) == 2
    assert kinds(asked(simulator, "b/")[0].body) == ["user", "compaction", "user"]
    assert kinds(asked(simulator, "d/")[0].body)[-2:] == ["compaction", "user"]
    check_books(project.latest, simulator)
    step = project.latest.step("b/compact")
    assert (step["verb"], step["status"], step["parent"]) == ("compact", "succeeded", "b")
