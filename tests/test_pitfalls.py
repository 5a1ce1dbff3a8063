"""The nastiest pitfalls of the Responses API, one after another (FACTS, section 14), each from the
command line over a real socket to a server that is strict about it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from wire_server import Peer, RawServer, Received, reply

from flowrunner.errors import ExitStatus
from flowrunner.events import CallAnswered
from flowrunner.simulator import Pace, Simulator
from tests.cli_world import KEY, Done, Project, check_books, posts
from tests.sample_files import pdf, png
from tests.test_cli_state import asked, kinds, statuses

PNG = base64.b64encode(png()).decode()
HEAD = "flowrunner: 1\nname: Pitfalls\ndefaults: { model: gpt-6-luna }\n"
STATELESS = ", store: false, reasoning: { effort: high, summary: auto }"
Simulate = Callable[..., Simulator]


def run(project: Project, simulator: Simulator, flow: str, *words: str) -> Done:
    """Run a workflow at a server; nothing that happens is told as a traceback."""
    project.at(simulator).write("flow.yaml", HEAD + flow)
    done = project.run("run", "flow.yaml", *words)
    assert "Traceback" not in done.err
    return done


def told(done: Done) -> str:
    """What was said to people, in one line."""
    return " ".join(done.err.split())


def outputs(project: Project, step: str) -> list[dict[str, Any]]:
    """The items of a step's last answer, as the journal has them."""
    events = [event for event in project.latest.events if isinstance(event, CallAnswered)]
    (*_, last) = [event for event in events if event.address.unit == step]
    return list(last.response["output"])


# 1, 2, 3: what was said before is sent again whole, in order, with its empty lists.

SEARCHED = f"""steps:
  - {{ id: a, prompt: one{STATELESS}, tools: [web_search, code_interpreter] }}
  - {{ id: b, continue: a, prompt: two{STATELESS} }}
  - {{ id: c, continue: b, prompt: three }}
"""


def test_pitfall_01_reasoning_is_followed_by_what_followed_from_it(
    project: Project, simulator: Simulator
) -> None:
    done = run(project, simulator, SEARCHED)
    assert done.status == ExitStatus.DONE, done.err
    assert set(statuses(simulator)) == {200}
    given = asked(simulator, "c")[0].body["input"]
    made = [*outputs(project, "a"), *outputs(project, "b")]
    again = [item for item in given if item.get("role") != "user"]
    assert [item["type"] for item in again] == [item["type"] for item in made]
    assert "web_search_call" in kinds({"input": given}), "tools stand between thought and text"
    for item, original in zip(again, made, strict=True):
        assert item.items() <= original.items(), "nothing of it is changed"


def test_pitfall_02_a_message_is_never_sent_without_the_reasoning_behind_it(
    project: Project, simulator: Simulator
) -> None:
    done = run(project, simulator, SEARCHED)
    assert done.status == ExitStatus.DONE, done.err
    given = kinds(asked(simulator, "c")[0].body)
    for place, kind in enumerate(given):
        if kind == "assistant":
            assert "reasoning" in given[:place]
    thoughts = [item for item in outputs(project, "a") if item["type"] == "reasoning"]
    sent = [item for item in asked(simulator, "b")[0].body["input"] if "encrypted_content" in item]
    assert [item["encrypted_content"] for item in sent] == [
        item["encrypted_content"] for item in thoughts
    ]


def test_pitfall_03_an_empty_summary_stays_an_empty_list(
    project: Project, simulator: Simulator
) -> None:
    flow = SEARCHED.replace(", summary: auto", "")
    done = run(project, simulator, flow)
    assert done.status == ExitStatus.DONE, done.err
    thoughts = [i for i in asked(simulator, "b")[0].body["input"] if i.get("type") == "reasoning"]
    assert [item["summary"] for item in thoughts] == [[]]


# 4, 5: calls that wait for an answer, and what they are named by.

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look_up"}
CALLING = {"output": [CALL | {"arguments": "{}", "status": "completed"}]}


def test_pitfall_04_a_call_to_what_nobody_offers_is_answered_and_bricks_no_chain(
    project: Project, simulate: Simulate
) -> None:
    said: list[Any] = ["fine", CALLING, "fine again", "and again"]
    simulator = simulate(replies=lambda _: said.pop(0))
    talk = "conversation: { name: thread }"
    flow = f"steps:\n  - {{ id: a, prompt: one, {talk} }}\n  - {{ id: b, prompt: two, {talk} }}\n"
    done = run(project, simulator, f"{flow}  - {{ id: c, prompt: three, {talk} }}\n")
    assert done.status == ExitStatus.DONE, done.err
    assert set(statuses(simulator)) == {200}
    (_, answer), (after,) = asked(simulator, "b"), asked(simulator, "c")
    (reply_to_it,) = answer.body["input"]
    assert (reply_to_it["type"], reply_to_it["call_id"]) == ("function_call_output", "call_1")
    assert "look_up" in reply_to_it["output"]
    assert after.body["input"] == "three"


def test_pitfall_04_a_step_that_ends_amid_its_calls_bricks_no_conversation(
    project: Project, simulate: Simulate
) -> None:
    """What it left open is replied to by whoever speaks next, in this run or in a later one."""
    calls = [{**CALLING["output"][0], "id": f"fc_{n}", "call_id": f"call_{n}"} for n in range(4)]
    said: list[Any] = [{"output": calls[:1]}, {"output": calls[1:3]}, "two", {"output": calls[3:]}]
    simulator = simulate(replies=lambda _: said.pop(0) if said else "again")
    talk = "conversation: { name: thread, keep: true }"
    ends = f"  - {{ id: a, prompt: one, {talk}, max_turns: 2, on_error: continue }}\n"
    goes_on = f"  - {{ id: b, prompt: two, {talk} }}\n"
    assert run(project, simulator, f"steps:\n{ends}{goes_on}").status == ExitStatus.ITEMS_FAILED
    refused, answered = asked(simulator, "b")
    assert (refused.status, answered.status) == (400, 200)
    assert kinds(answered.body) == ["function_call_output", "function_call_output", "user"]
    assert [item["call_id"] for item in answered.body["input"][:2]] == ["call_1", "call_2"]
    check_books(project.latest, simulator)

    alone = ends.replace("max_turns: 2", "max_turns: 1")
    assert run(project, simulator, f"steps:\n{alone}").status == ExitStatus.ITEMS_FAILED
    done = run(project, simulator, f"steps:\n{goes_on}")
    assert done.status == ExitStatus.DONE, done.err
    assert kinds(asked(simulator, "b")[-1].body) == ["function_call_output", "user"]
    assert len({call.body["conversation"] for call in asked(simulator)}) == 1


def test_pitfall_05_a_call_is_answered_under_its_call_id(
    project: Project, simulator: Simulator
) -> None:
    flow = """steps:
  - id: a
    input:
      - user: How warm is it?
      - { type: function_call, call_id: call_1, name: warmth, arguments: "{}" }
      - { type: function_call_output, call_id: call_1, output: "21 degrees" }
"""
    assert run(project, simulator, flow).status == ExitStatus.DONE
    wrong = flow.replace("output, call_id: call_1", "output, call_id: fc_1")
    done = run(project, simulator, wrong)
    assert done.status == ExitStatus.FAILED
    assert "No tool call found for function call output with call_id fc_1" in told(done)
    assert len(posts(simulator)) == 2, "what the API does not take is asked for once"


def test_pitfall_05_no_id_of_an_item_stands_where_a_call_id_belongs(
    project: Project, simulator: Simulator
) -> None:
    flow = """steps:
  - id: a
    input:
      - user: hi
      - { type: function_call, id: call_1, call_id: call_1, name: f, arguments: "{}" }
"""
    done = run(project, simulator, flow)
    assert done.status == ExitStatus.FAILED
    assert "Expected an ID that begins with 'fc'" in told(done)


# 6, 7: what is stored is named, what is not is sent, and never both.


def test_pitfall_06_what_is_not_stored_is_not_named(project: Project, simulator: Simulator) -> None:
    done = run(project, simulator, SEARCHED)
    assert done.status == ExitStatus.DONE, done.err
    for call in asked(simulator):
        assert "previous_response_id" not in call.body
        items = call.body["input"] if isinstance(call.body["input"], list) else []
        named = [item for item in items if item.get("type") in ("message", "reasoning")]
        assert not [item for item in named if "id" in item]


def test_pitfall_06_a_parent_that_is_gone_is_sent_again_whole(
    project: Project, simulate: Simulate
) -> None:
    gone = {"message": "Previous response not found.", "code": "previous_response_not_found"}
    strikes = {"match": {"client_request_id": "/b/"}, "times": 1}
    simulator = simulate([strikes | {"do": {"status": 400, "error": gone}}])
    flow = "steps:\n  - { id: a, prompt: one }\n  - { id: b, continue: a, prompt: two }\n"
    done = run(project, simulator, flow)
    assert done.status == ExitStatus.DONE, done.err
    named, whole = asked(simulator, "b")
    assert named.body["previous_response_id"]
    assert "previous_response_id" not in whole.body
    assert kinds(whole.body)[0] == "user"
    check_books(project.latest, simulator)


def test_pitfall_07_nothing_is_said_twice_in_a_conversation(
    project: Project, simulate: Simulate
) -> None:
    said: list[Any] = ["one", "not the shape", '{"ok": true}']
    simulator = simulate(replies=lambda _: said.pop(0))
    talk = "conversation: { name: thread }"
    done = run(
        project,
        simulator,
        f"steps:\n  - {{ id: a, prompt: first, {talk} }}\n"
        f"  - {{ id: b, prompt: second, {talk}, output: {{ ok: yes_no }}, retry: 2 }}\n",
    )
    assert done.status == ExitStatus.DONE, done.err
    assert set(statuses(simulator)) == {200}, "a server that refuses what is there already"
    first, second, corrected = asked(simulator)
    assert (first.body["input"], second.body["input"]) == ("first", "second")
    assert kinds(corrected.body) == ["user"], "the bad answer is in the conversation"


def test_pitfall_07_a_history_and_a_conversation_exclude_one_another(project: Project) -> None:
    project.write(
        "flow.yaml",
        f"{HEAD}steps:\n  - {{ id: a, prompt: one }}\n"
        "  - { id: b, prompt: two, continue: a, conversation: conv_1 }\n",
    )
    done = project.run("validate", "flow.yaml")
    assert done.status == ExitStatus.INVALID
    assert "`continue`" in done.out
    assert "`conversation`" in done.out


# 8: what was cut off is no answer.


@pytest.mark.parametrize("delivery", ["direct", "stream", "background"])
@pytest.mark.parametrize("output", ["", ", output: { title: text }"], ids=["text", "json"])
def test_pitfall_08_an_incomplete_answer_is_no_success(
    project: Project, simulate: Simulate, delivery: str, output: str
) -> None:
    simulator = simulate(
        [{"do": {"response_status": "incomplete"}}], pace=Pace(polls_until_done=1, poll_after_ms=1)
    )
    flow = f"""steps:
  - {{ id: a, prompt: one, on_error: continue, delivery: {delivery}{output} }}
  - {{ id: b, write: "{{{{ default(steps.a.error, 0) }}}}" }}
result: {{ b: "{{{{ steps.b.text }}}}" }}
"""
    done = run(project, simulator, flow, "--wait")
    assert done.status == ExitStatus.ITEMS_FAILED, done.err
    assert "max_output_tokens" in told(done)
    error = json.loads(done.result["b"])
    (message,) = [item for item in outputs(project, "a") if item["type"] == "message"]
    assert (error["kind"], error["partial"]) == ("incomplete", message["content"][0]["text"])
    assert len(posts(simulator)) == 1


# 9, 10: streams that say under 200 that they failed, and those that say nothing.

STREAMED = "steps: [{ id: a, prompt: one, delivery: stream, on_unknown: hold }]\n"


@pytest.mark.parametrize("form", ["flat", "nested"])
@pytest.mark.parametrize("code", ["rate_limit_exceeded", "server_is_overloaded"])
def test_pitfall_09_a_limit_that_is_told_within_a_stream_is_waited_for(
    project: Project, simulate: Simulate, form: str, code: str
) -> None:
    fault = {"error": code, "error_after": 2, "error_form": form, "failed": form == "nested"}
    simulator = simulate([{"times": 1, "do": {"stream": fault}}])
    done = run(project, simulator, STREAMED)
    assert done.status == ExitStatus.DONE, done.err
    assert statuses(simulator) == [200, 200]
    assert [call.is_paid for call in simulator.ledger] == [False, True]
    check_books(project.latest, simulator)


def test_pitfall_09_a_used_up_quota_within_a_stream_ends_the_run(
    project: Project, simulate: Simulate
) -> None:
    simulator = simulate([{"do": {"stream": {"error": "insufficient_quota", "error_after": 1}}}])
    done = run(project, simulator, STREAMED)
    assert done.status == ExitStatus.ENVIRONMENT
    assert len(posts(simulator)) == 1


def test_pitfall_10_a_stream_without_its_last_event_is_no_answer(
    project: Project, simulate: Simulate
) -> None:
    simulator = simulate([{"do": {"stream": {"cut": "before_terminal", "then": "finish"}}}])
    done = run(project, simulator, STREAMED)
    assert done.status == ExitStatus.HELD
    assert "may have been processed and billed" in told(done)
    assert len(posts(simulator)) == 1


@pytest.mark.parametrize("then", ["close", "reset", "hang"])
def test_pitfall_10_what_happens_after_the_last_event_does_no_harm(
    project: Project, simulate: Simulate, then: str
) -> None:
    simulator = simulate([{"do": {"stream": {"cut": {"after_event": 10_000}, "then": then}}}])
    done = run(project, simulator, STREAMED)
    assert done.status == ExitStatus.DONE, done.err
    check_books(project.latest, simulator)


def stream_of(simulator: Simulator) -> bytes:
    """The bytes of the stream that the step `a` of `STREAMED` is answered with."""
    server = http.client.HTTPConnection("127.0.0.1", simulator.port)
    asked = {"model": "gpt-6-luna", "input": "one", "stream": True}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    server.request("POST", "/v1/responses", json.dumps(asked), headers)
    with contextlib.closing(server):
        return server.getresponse().read()


def test_pitfall_10_a_stream_that_is_cut_at_any_byte_is_no_answer(
    project: Project, simulator: Simulator, simulate: Simulate
) -> None:
    """Steps by the dozen, each cut a few bytes later than the one before it."""
    whole = len(stream_of(simulator).rstrip())
    places = sorted({*range(0, whole, whole // 40), *range(whole - 40, whole + 1)})
    faults = [
        {
            "match": {"client_request_id": f"/s{place}/"},
            "do": {"stream": {"cut": {"after_byte": place}, "then": "finish"}},
        }
        for place in places
    ]
    steps = "".join(f"  - {{ id: s{place}, prompt: one }}\n" for place in places)
    cutting = simulate(faults)
    project.at(cutting).write(
        "flow.yaml",
        HEAD.replace(" }", ", delivery: stream, on_unknown: hold }") + f"steps:\n{steps}",
    )
    done = project.run("run", "flow.yaml")
    assert done.status == ExitStatus.HELD, done.err
    stands = {name: step.status for name, step in project.latest.state.steps.items()}
    assert stands.pop(f"s{whole}") == "succeeded", "its last event had come"
    assert set(stands.values()) == {"unknown"}
    assert len(posts(cutting)) == len(places)
    check_books(project.latest, cutting)


# 11: a response in the background is looked for, however its stream ended.

BEHIND = "steps: [{ id: a, prompt: one, background: true, stream: true, on_unknown: hold }]\n"
CREATING = {"match": {"endpoint": "create"}}
QUICK = Pace(polls_until_done=2, poll_after_ms=1)


def free(simulator: Simulator) -> list[str]:
    """Where was looked for a response, in order."""
    return [call.path for call in simulator.ledger if call.method == "GET"]


@pytest.mark.parametrize("cut", [{"after_event": 1}, "mid_delta", "before_terminal"], ids=str)
def test_pitfall_11_a_cut_stream_in_the_background_is_taken_up_again(
    project: Project, simulate: Simulate, cut: Any
) -> None:
    simulator = simulate([CREATING | {"do": {"stream": {"cut": cut}}}])
    done = run(project, simulator, BEHIND)
    assert done.status == ExitStatus.DONE, done.err
    assert len(free(simulator)) == 1
    assert len(posts(simulator)) == 1
    check_books(project.latest, simulator)


def test_pitfall_11_what_can_be_streamed_no_more_is_looked_at(
    project: Project, simulate: Simulate
) -> None:
    old = {
        "message": "This response can no longer be streamed because it is more than 5 minutes old."
    }
    too_late = {"match": {"endpoint": "retrieve"}, "times": 1, "do": {"status": 400, "error": old}}
    cut = CREATING | {"do": {"stream": {"cut": "mid_delta"}}}
    simulator = simulate([cut, too_late], pace=QUICK)
    done = run(project, simulator, BEHIND, "--wait")
    assert done.status == ExitStatus.DONE, done.err
    assert len(free(simulator)) == 3, "once for the rest of the stream, then looked at"
    assert len(posts(simulator)) == 1
    check_books(project.latest, simulator)


def test_pitfall_11_what_is_queued_for_ever_is_cancelled_at_the_timeout(
    project: Project, simulate: Simulate
) -> None:
    simulator = simulate(pace=Pace(queued_forever=True, poll_after_ms=1))
    done = run(project, simulator, BEHIND.replace("hold", "hold, timeout: 1s"), "--wait")
    assert done.status == ExitStatus.FAILED
    assert project.latest.state.steps["a"].reason == "timeout"
    assert [call.path.rpartition("/")[2] for call in simulator.ledger][-1] == "cancel"
    assert len(asked(simulator)) == 1


# 12: nobody but a person acknowledges a safety check.

CHECK = {"id": "cu_sc_1", "code": "malicious_instructions", "message": "Are you sure?"}
CLICK = {"type": "click", "button": "left", "x": 1, "y": 2}


def test_pitfall_12_a_safety_check_is_never_acknowledged_by_itself(
    project: Project, simulate: Simulate
) -> None:
    call = {"type": "computer_call", "id": "cu_1", "call_id": "call_1", "status": "completed"}
    asking = {"output": [call | {"action": CLICK, "pending_safety_checks": [CHECK]}]}
    simulator = simulate(replies=lambda _: asking)
    done = run(project, simulator, "steps: [{ id: a, prompt: one }]\n")
    assert done.status == ExitStatus.FAILED
    assert len(posts(simulator)) == 1, "nothing is answered in a person's name"
    assert "acknowledged_safety_checks" not in json.dumps(posts(simulator)[0].body)


def test_pitfall_12_what_the_api_says_of_an_unacknowledged_check(
    project: Project, simulator: Simulator
) -> None:
    flow = f"""steps:
  - id: a
    input:
      - user: Click it.
      - type: computer_call
        id: cu_1
        call_id: call_1
        status: completed
        action: {json.dumps(CLICK)}
        pending_safety_checks: [{json.dumps(CHECK)}]
      - type: computer_call_output
        call_id: call_1
        output: {{ type: computer_screenshot, image_url: "data:image/png;base64,{PNG}" }}
"""
    done = run(project, simulator, flow)
    assert done.status == ExitStatus.FAILED
    assert "unacknowledged safety check(s): cu_sc_1" in told(done)
    good = flow + f"        acknowledged_safety_checks: [{json.dumps(CHECK)}]\n"
    assert run(project, simulator, good).status == ExitStatus.DONE


# 13: containers go; what they hold is fetched at once.

CODE = f"""steps:
  - {{ id: a, prompt: one{STATELESS}, tools: [code_interpreter], tool_choice: required }}
  - {{ id: ok, approve: Go on? }}
  - {{ id: b, continue: a, prompt: two, tool_choice: auto }}
result: {{ files: "{{{{ steps.a.files }}}}", b: "{{{{ steps.b.text }}}}" }}
"""


def test_pitfall_13_a_container_that_is_gone_spoils_no_history(
    project: Project, simulate: Simulate
) -> None:
    later = [0.0]
    simulator = simulate(clock=lambda: time.time() + later[0])
    assert run(project, simulator, CODE).status == ExitStatus.WAITING
    later[0] = 3600.0
    assert project.run("approve", "latest", "ok").status == ExitStatus.DONE
    done = project.run("resume")
    assert done.status == ExitStatus.DONE, done.err
    (name,) = done.result["files"]
    fetched = (project.latest.folder / name).read_text(encoding="utf-8")
    assert fetched.startswith("name,made by"), "at once, before it was gone"
    first, second = asked(simulator, "b")
    assert "code_interpreter_call" in kinds(first.body)
    assert kinds(second.body) == ["user", "assistant", "user"]


# 14: a server of tools that is not there fails the whole request.


def test_pitfall_14_an_mcp_server_out_of_reach_fails_the_whole_request(
    project: Project, simulate: Simulate
) -> None:
    gone = {"message": "Error retrieving tool list from MCP server: 'docs'.", "code": None}
    simulator = simulate([{"do": {"status": 424, "error": gone}}])
    project.write(
        "flow.yaml",
        HEAD + "steps:\n  - id: a\n    prompt: hi\n    on_unknown: retry_once\n"
        "    tools: [{ mcp: { server_label: docs, server_url: 'https://docs.example/mcp', "
        "require_approval: never, allowed_tools: { read_only: true } } }]\n",
    )
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == ExitStatus.FAILED
    assert len(posts(simulator)) == 2, "once more, then it is over"
    assert "could not reach the MCP server `docs`" in " ".join(done.err.split())


# 15: files go as data URLs with their type and a name.


@pytest.mark.parametrize(
    ("name", "content", "key", "kind"),
    [
        ("page.pdf", pdf(), "file_data", "application/pdf"),
        ("notes.txt", "Grüße".encode(), "file_data", "text/plain"),
        ("table.csv", b"a,b\n1,2\n", "file_data", "text/csv"),
        ("scan.png", png(), "image_url", "image/png"),
    ],
)
def test_pitfall_15_a_file_is_a_data_url_with_its_type_and_a_name(
    project: Project, simulator: Simulator, name: str, content: bytes, key: str, kind: str
) -> None:
    (project.folder / name).write_bytes(content)
    done = run(project, simulator, f"steps: [{{ id: a, prompt: Read., attach: [{name}] }}]\n")
    assert done.status == ExitStatus.DONE, done.err
    (message,) = posts(simulator)[0].body["input"]
    part = message["content"][1]
    head, _, data = part[key].partition(",")
    assert head.startswith(f"data:{kind}")
    assert head.endswith(";base64")
    assert base64.b64decode(data) == content
    assert key == "image_url" or part["filename"] == name


# 16, 17: what a model lacks, and what no patience cures.


def test_pitfall_16_what_a_model_lacks_is_not_asked_of_it(
    project: Project, simulator: Simulator
) -> None:
    flow = "steps: [{ id: a, model: gpt-4o, prompt: hi, include: [reasoning.encrypted_content] }]\n"
    done = run(project, simulator, flow)
    assert done.status == ExitStatus.INVALID
    assert not posts(simulator)
    assert "error[model-lacks]" in done.err


def test_pitfall_16_a_refused_parameter_is_named_and_not_asked_again(
    project: Project, simulate: Simulate
) -> None:
    error = {
        "message": "Unsupported parameter: 'temperature'",
        "code": "unsupported_parameter",
        "param": "temperature",
    }
    simulator = simulate([{"do": {"status": 400, "error": error}}])
    flow = "steps: [{ id: a, prompt: hi, temperature: 0.5, reasoning: { effort: none } }]\n"
    project.write("flow.yaml", HEAD + flow)
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == ExitStatus.FAILED
    assert len(posts(simulator)) == 1
    assert "remove `temperature` from the step: this model does not take it" in " ".join(
        done.err.split()
    )


@pytest.mark.parametrize(
    "code",
    ["credit_balance_exhausted", "project_spend_limit_exceeded", "billing_hard_limit_reached"],
)
def test_pitfall_17_a_used_up_quota_is_asked_once_and_ends_the_run(
    project: Project, simulate: Simulate, code: str
) -> None:
    error = {"message": "You exceeded your current quota", "code": code}
    simulator = simulate([{"do": {"status": 429, "error": error, "retry_after": 0}}])
    steps = "".join(f"  - {{ id: {name}, prompt: hi }}\n" for name in "abcdef")
    project.write("flow.yaml", f"{HEAD}limits: {{ at_once: 1 }}\nsteps:\n{steps}")
    done = project.at(simulator).run("run", "flow.yaml")
    assert done.status == ExitStatus.ENVIRONMENT
    assert len(posts(simulator)) == 1
    assert "quota or credit of this key is used up" in " ".join(done.err.split())


# 18: what the API's own description demands by mistake is demanded of nobody.


def test_pitfall_18_items_that_the_description_of_the_api_gets_wrong_are_taken(
    project: Project, simulator: Simulator
) -> None:
    flow = """steps:
  - id: a
    input:
      - user: Go on.
      - type: local_shell_call
        id: lsh_1
        call_id: call_1
        action: { type: exec, command: [ls], env: {} }
        status: completed
      - { type: local_shell_call_output, id: lsh_1o, call_id: call_1, output: "{}" }
      - role: assistant
        type: message
        content: [{ type: output_text, text: It is listed. }]
      - type: message
        role: user
        content: [{ type: input_image, image_url: "https://example.com/a.png" }]
"""
    done = run(project, simulator, flow)
    assert done.status == ExitStatus.DONE, done.err
    assert "warning" not in done.err
    approval = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    project.write(
        "flow.yaml", f"{HEAD}steps: [{{ id: a, input: [{json.dumps(approval)}, {{ user: x }}] }}]\n"
    )
    checked = project.run("validate", "flow.yaml")
    assert checked.status == ExitStatus.DONE, checked.out


MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "hello"}],
}


def test_pitfall_18_answers_without_what_the_description_demands_are_read(
    project: Project,
) -> None:
    """No logprobs, no annotations, no status of an item; no sequence numbers in a stream."""
    whole = {"id": "resp_1", "object": "response", "status": "completed", "output": [MESSAGE]}
    events = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "delta": "hello"},
        {"type": "response.completed", "response": whole},
    ]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    kinds_of_reply = {False: "application/json", True: "text/event-stream"}

    def answer(peer: Peer, request: Received) -> None:
        is_streamed = json.loads(request.body)["stream"]
        content = stream if is_streamed else json.dumps(whole).encode()
        head = reply(content).replace(b"application/json", kinds_of_reply[is_streamed].encode())
        peer.send(head)

    with RawServer(answer) as server:
        project.environ |= {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": KEY}
        flow = "steps: [{ id: a, prompt: x }, { id: b, prompt: x, delivery: stream }]\n"
        project.write(
            "flow.yaml",
            f'{HEAD}{flow}result: ["{{{{ steps.a.text }}}}", "{{{{ steps.b.text }}}}"]\n',
        )
        done = project.run("run", "flow.yaml")
    assert done.status == ExitStatus.DONE, done.err
    assert done.result == ["hello", "hello"]


def test_every_pitfall_that_applies_has_a_test() -> None:
    """They are numbered as in FACTS, from 1 to 18."""
    names = "\n".join(name for name in globals() if name.startswith("test_pitfall_"))
    numbers = {int(number) for number in re.findall(r"test_pitfall_(\d\d)_", names)}
    assert numbers == set(range(1, 19))
