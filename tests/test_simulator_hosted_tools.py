"""Tools that the API runs itself: their items, what `include` brings, citations and tool usage."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from flowrunner import catalog
from tests.simulator_talk import Talk, kinds, only, text_of

WEB = {"type": "web_search", "filters": {"allowed_domains": ["example.org"]}}
FILES = {"type": "file_search", "vector_store_ids": ["vs_1"]}
CODE = {"type": "code_interpreter", "container": {"type": "auto"}}
MCP = {"type": "mcp", "server_label": "notes", "server_url": "https://mcp.example.org"}


def annotation_of(response: dict[str, Any]) -> dict[str, Any]:
    (note,) = only(response, "message")["content"][0]["annotations"]
    return dict(note)


@pytest.mark.parametrize("kind", ["web_search", "web_search_2025_08_26", "web_search_preview"])
def test_a_web_search_cites_and_tells_its_sources_when_asked(kind: str) -> None:
    talk = Talk()
    plain = talk.create(input="News?", tools=[{**WEB, "type": kind}])
    assert kinds(plain["output"]) == ["reasoning", "web_search_call", "message"]
    assert only(plain, "web_search_call")["action"] == {
        "type": "search",
        "query": "News?",
        "queries": ["News?"],
    }
    note = annotation_of(plain)
    assert note["type"] == "url_citation"
    assert note["url"].startswith("https://example.org/")
    assert note["url"] in text_of(plain)[note["start_index"] : note["end_index"]]
    include = ["web_search_call.action.sources", "web_search_call.results"]
    full = only(talk.create(tools=[WEB], include=include), "web_search_call")
    assert [source["type"] for source in full["action"]["sources"]] == ["url"] * 3
    assert full["results"]


def test_a_file_search_cites_and_shows_its_results_when_asked() -> None:
    talk = Talk()
    plain = talk.create(tools=[FILES])
    assert only(plain, "file_search_call")["results"] is None
    note = annotation_of(plain)
    full = talk.create(tools=[FILES], include=["file_search_call.results"])
    (found,) = only(full, "file_search_call")["results"]
    assert (note["type"], note["file_id"]) == ("file_citation", found["file_id"])
    assert note["index"] == len(text_of(plain))


def test_code_is_run_and_its_outputs_are_shown_when_asked() -> None:
    talk = Talk()
    plain = talk.create(tools=[CODE])
    call = only(plain, "code_interpreter_call")
    assert call["outputs"] is None
    assert call["code"]
    note = annotation_of(plain)
    assert note["type"] == "container_file_citation"
    assert note["container_id"] == call["container_id"]
    full = talk.create(tools=[CODE], include=["code_interpreter_call.outputs"])
    assert only(full, "code_interpreter_call")["outputs"] == [
        {"type": "logs", "logs": "simulated\n"}
    ]


def test_a_container_goes_on_in_a_chain_and_may_be_named() -> None:
    talk = Talk()
    first = talk.create(tools=[CODE])
    container = only(first, "code_interpreter_call")["container_id"]
    second = talk.create(previous_response_id=first["id"], tools=[CODE])
    assert only(second, "code_interpreter_call")["container_id"] == container
    named = talk.create(tools=[{**CODE, "container": "cntr_mine"}])
    assert only(named, "code_interpreter_call")["container_id"] == "cntr_mine"


def test_an_image_is_a_real_png() -> None:
    response = Talk().create(input="A lake", tools=[{"type": "image_generation", "quality": "low"}])
    call = only(response, "image_generation_call")
    assert (call["status"], call["output_format"], call["quality"]) == ("completed", "png", "low")
    assert call["revised_prompt"] == "A lake"
    content = base64.b64decode(call["result"], validate=True)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    length, name = struct.unpack(">I4s", content[8:16])
    assert name == b"IHDR"
    checked = content[12 : 16 + length]
    assert content[16 + length : 20 + length] == struct.pack(">I", zlib.crc32(checked))
    assert response["tool_usage"]["image_gen"]["output_tokens"] > 0


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("jpeg", b"\xff\xd8\xff"),
        ("webp", b"RIFF"),
        ("gif", b"GIF87a"),
        ("svg", b"<svg "),
    ],
)
def test_an_image_has_the_format_that_is_asked_for(form: str, start: bytes) -> None:
    tool = {"type": "image_generation", "output_format": form}
    call = only(Talk().create(tools=[tool]), "image_generation_call")
    assert base64.b64decode(call["result"], validate=True).startswith(start)
    assert call["output_format"] == form


def test_a_server_is_listed_and_called_when_nobody_need_approve() -> None:
    talk = Talk()
    tool = {**MCP, "require_approval": "never", "allowed_tools": ["look_up", "write"]}
    first = talk.create(tools=[tool])
    assert kinds(first["output"]) == ["reasoning", "mcp_list_tools", "mcp_call", "message"]
    listed = only(first, "mcp_list_tools")
    assert [one["name"] for one in listed["tools"]] == ["look_up", "write"]
    call = only(first, "mcp_call")
    assert (call["server_label"], call["name"], call["error"]) == ("notes", "look_up", None)
    assert json.loads(call["arguments"]) == {"query": "Say hi"}
    second = talk.create(previous_response_id=first["id"], tools=[tool])
    assert kinds(second["output"]) == ["reasoning", "mcp_call", "message"]


def reply_to(request: dict[str, Any], approve: bool) -> dict[str, Any]:
    return {
        "type": "mcp_approval_response",
        "approval_request_id": request["id"],
        "approve": approve,
    }


@pytest.mark.parametrize(("approve", "called"), [(True, True), (False, False)])
def test_a_call_waits_for_approval_when_nothing_else_is_said(approve: bool, called: bool) -> None:
    talk = Talk()
    first = talk.create(tools=[MCP])
    assert kinds(first["output"]) == ["reasoning", "mcp_list_tools", "mcp_approval_request"]
    request = only(first, "mcp_approval_request")
    second = talk.create(
        previous_response_id=first["id"], tools=[MCP], input=[reply_to(request, approve)]
    )
    assert ("mcp_call" in kinds(second["output"])) is called
    assert "message" in kinds(second["output"])
    if called:
        assert only(second, "mcp_call")["approval_request_id"] == request["id"]


@pytest.mark.parametrize(
    ("rule", "waits"),
    [
        ("always", True),
        ({"never": {"tool_names": ["look_up"]}}, False),
        ({"never": {"tool_names": ["other"]}}, True),
        ({"never": {"read_only": True}}, False),
        ({"always": {"tool_names": ["look_up"]}}, True),
        ({"always": {"tool_names": ["other"]}, "never": {"tool_names": ["look_up"]}}, False),
    ],
    ids=str,
)
def test_who_must_approve_is_said_by_name(rule: Any, waits: bool) -> None:
    tool = {**MCP, "allowed_tools": {"tool_names": ["look_up"]}, "require_approval": rule}
    assert ("mcp_approval_request" in kinds(Talk().create(tools=[tool])["output"])) is waits


def test_a_server_without_allowed_tools_is_only_listed() -> None:
    response = Talk().create(tools=[{**MCP, "allowed_tools": []}])
    assert kinds(response["output"]) == ["reasoning", "mcp_list_tools", "message"]


def test_a_shell_in_a_container_answers_itself() -> None:
    talk = Talk()
    tool = {"type": "shell", "environment": {"type": "container_auto"}}
    response = talk.create(tools=[tool])
    assert kinds(response["output"])[1:] == ["shell_call", "shell_call_output", "message"]
    talk.create(previous_response_id=response["id"], input="next")


def test_tools_whose_loading_was_put_off_are_found() -> None:
    late = {"type": "function", "name": "late", "defer_loading": True}
    talk = Talk()
    response = talk.create(tools=[{"type": "tool_search"}, late])
    assert kinds(response["output"])[1:] == [
        "tool_search_call",
        "tool_search_output",
        "function_call",
    ]
    assert only(response, "tool_search_output")["tools"] == [late]
    call = only(response, "function_call")
    reply = {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
    talk.create(previous_response_id=response["id"], input=[reply])


def test_each_tool_is_used_once_for_each_time_the_user_speaks() -> None:
    talk = Talk()
    function = {"type": "function", "name": "f"}
    first = talk.create(tools=[WEB, function])
    assert kinds(first["output"])[1:] == ["web_search_call", "function_call"]
    call = only(first, "function_call")
    reply = {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
    second = talk.create(previous_response_id=first["id"], input=[reply], tools=[WEB, function])
    assert kinds(second["output"])[1:] == ["message"]
    third = talk.create(previous_response_id=second["id"], tools=[WEB])
    assert "web_search_call" in kinds(third["output"])


def test_built_in_calls_are_limited_and_may_be_forced() -> None:
    tools = [WEB, FILES, CODE]
    limited = Talk().create(tools=tools, max_tool_calls=2)
    assert kinds(limited["output"])[1:-1] == ["web_search_call", "file_search_call"]
    forced = Talk().create(tools=tools, tool_choice={"type": "file_search"})
    assert kinds(forced["output"])[1:-1] == ["file_search_call"]
    labelled = [{**MCP, "server_label": label, "require_approval": "never"} for label in "ab"]
    chosen = Talk().create(tools=labelled, tool_choice={"type": "mcp", "server_label": "b"})
    assert only(chosen, "mcp_call")["server_label"] == "b"


def test_searches_are_counted_and_paid() -> None:
    talk = Talk()
    response = talk.create(tools=[WEB])
    assert response["tool_usage"]["web_search"] == {"num_requests": 1}
    (paid,) = talk.ledger.paid()
    assert paid.cost_usd == catalog.cost_usd("gpt-5.4", paid.usage, web_searches=1)
    assert "tool_usage" not in talk.create()


def test_json_is_not_interrupted_by_citations() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    text = {"format": {"type": "json_schema", "name": "o", "strict": True, "schema": schema}}
    response = Talk().create(tools=[WEB, CODE], text=text)
    assert json.loads(text_of(response)).keys() == {"a"}
    assert only(response, "message")["content"][0]["annotations"] == []


def test_log_probabilities_are_given_when_asked() -> None:
    include = ["message.output_text.logprobs"]
    part = only(Talk().create(include=include, top_logprobs=2), "message")["content"][0]
    assert "".join(one["token"] for one in part["logprobs"]) == part["text"]
    assert {len(one["top_logprobs"]) for one in part["logprobs"]} == {2}
    assert all(one["logprob"] <= 0 for one in part["logprobs"])
    assert only(Talk().create(), "message")["content"][0]["logprobs"] == []


def test_reasoning_is_told_when_asked() -> None:
    asked = only(Talk().create(reasoning={"summary": "auto"}), "reasoning")
    assert "Say hi" in asked["summary"][0]["text"]
    assert only(Talk().create(), "reasoning")["summary"] == []
    assert "reasoning" not in kinds(Talk().create(reasoning={"effort": "none"})["output"])
    assert "reasoning" not in kinds(Talk().create(model="gpt-4o")["output"])


def test_moderation_finds_nothing() -> None:
    response = Talk().create(moderation={"model": "omni-moderation-latest"})
    for side in ("input", "output"):
        assert response["moderation"][side]["flagged"] is False
        assert response["moderation"][side]["model"] == "omni-moderation-latest"


def test_a_stored_prompt_is_taken_with_its_variables() -> None:
    prompt = {"id": "pmpt_1", "version": "2", "variables": {"city": "Graz"}}
    status, response = Talk().send("POST", "responses", {"prompt": prompt})
    assert status == 200
    assert response["prompt"] == prompt


def test_what_is_asked_for_later_is_shown_later() -> None:
    talk = Talk()
    created = talk.create(tools=[WEB, CODE], include=["code_interpreter_call.outputs"])
    again = talk.get(f"responses/{created['id']}")
    assert only(again, "code_interpreter_call")["outputs"] is None
    target = f"responses/{created['id']}?include[]=web_search_call.action.sources"
    more = talk.get(f"{target}&include[]=code_interpreter_call.outputs")
    assert only(more, "web_search_call")["action"]["sources"]
    assert only(more, "code_interpreter_call")["outputs"]
    assert talk.send("GET", f"responses/{created['id']}?include[]=nonsense")[0] == 400


def test_a_cut_answer_cites_nothing_past_its_end() -> None:
    talk = Talk([{"do": {"response_status": "incomplete"}}])
    response = talk.create(tools=[WEB, {"type": "image_generation"}])
    assert only(response, "message")["content"][0]["annotations"] == []
    assert only(response, "image_generation_call")["status"] == "completed"
