"""What the simulated API remembers: chains, items, conversations, sealed reasoning, compaction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowrunner.simulator.state.conversations import Conversation, Conversations
from flowrunner.simulator.state.histories import Histories, Said
from tests.simulator_talk import Talk, kinds, only, text_of

FUNCTION = {"type": "function", "name": "f"}


def text_of_user(item: dict[str, Any]) -> str:
    return str(item["content"][0]["text"])


# ---- chains -------------------------------------------------------------------------------------


def test_a_chain_carries_its_items() -> None:
    talk = Talk()
    first = talk.create(input="one")
    second = talk.create(input="two", previous_response_id=first["id"])
    third = talk.create(input="three", previous_response_id=second["id"])
    asked = talk.get(f"responses/{third['id']}/input_items?order=asc")["data"]
    assert kinds(asked) == ["message", "reasoning", "message"] * 2 + ["message"]
    assert [text_of_user(item) for item in asked if item.get("role") == "user"] == [
        "one",
        "two",
        "three",
    ]
    assert asked[1:3] == first["output"]


def test_a_parent_that_was_not_stored_is_not_found() -> None:
    talk = Talk()
    first = talk.create(store=False)
    status, error = talk.refused(previous_response_id=first["id"])
    assert (status, error["code"]) == (400, "previous_response_not_found")
    assert error["param"] == "previous_response_id"


def test_a_deleted_response_is_forgotten_but_not_what_builds_on_it() -> None:
    talk = Talk()
    first = talk.create(input="one")
    second = talk.create(input="two", previous_response_id=first["id"])
    assert talk.send("DELETE", f"responses/{first['id']}")[0] == 200
    assert talk.refused(previous_response_id=first["id"])[0] == 400
    assert talk.send("GET", f"responses/{first['id']}/input_items")[0] == 404
    third = talk.create(input="three", previous_response_id=second["id"])
    assert len(talk.get(f"responses/{third['id']}/input_items")["data"]) == 7


def test_input_is_counted_with_all_that_was_said_before() -> None:
    talk = Talk()
    first = talk.create(input="one")
    counted = talk.post(
        "responses/input_tokens", model="gpt-5.4", input="two", previous_response_id=first["id"]
    )
    second = talk.create(input="two", previous_response_id=first["id"])
    assert counted == {
        "object": "response.input_tokens",
        "input_tokens": second["usage"]["input_tokens"],
    }
    assert counted["input_tokens"] > first["usage"]["total_tokens"]
    assert len(talk.ledger.paid()) == 2


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("input_tokens", {"input": 5}, "input"),
        ("input_tokens", {"temperature": 1}, "temperature"),
        ("compact", {"input": "x"}, "model"),
        ("compact", {"model": "gpt-5.4"}, "input"),
        ("compact", {"model": "gpt-5.4", "input": "x", "stream": True}, "stream"),
    ],
    ids=str,
)
def test_what_cannot_be_counted_or_compacted_is_refused(
    path: str, body: dict[str, Any], param: str
) -> None:
    status, reply = Talk().send("POST", f"responses/{path}", body)
    assert (status, reply["error"]["param"]) == (400, param)


# ---- items --------------------------------------------------------------------------------------


def test_items_are_paged() -> None:
    talk = Talk()
    given = [{"role": "user", "content": str(number)} for number in range(5)]
    path = f"responses/{talk.create(input=given)['id']}/input_items"
    newest = talk.get(f"{path}?limit=2")
    assert [text_of_user(item) for item in newest["data"]] == ["4", "3"]
    assert newest["has_more"] is True
    assert (newest["first_id"], newest["last_id"]) == tuple(item["id"] for item in newest["data"])
    rest = talk.get(f"{path}?limit=3&after={newest['last_id']}")
    assert [text_of_user(item) for item in rest["data"]] == ["2", "1", "0"]
    assert rest["has_more"] is False
    oldest = talk.get(f"{path}?order=asc&limit=1")
    assert [text_of_user(item) for item in oldest["data"]] == ["0"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "order=up", "after=msg_9", "include[]=all"]
)
def test_a_page_that_cannot_be_is_refused(query: str) -> None:
    talk = Talk()
    target = f"responses/{talk.create()['id']}/input_items?{query}"
    status, reply = talk.send("GET", target)
    assert (status, reply["error"]["type"]) == (400, "invalid_request_error")


def test_images_of_the_input_are_shown_when_asked() -> None:
    talk = Talk()
    image = {"type": "input_image", "image_url": "https://example.org/a.png"}
    response = talk.create(input=[{"role": "user", "content": [image]}])
    path = f"responses/{response['id']}/input_items"
    (hidden,) = talk.get(path)["data"][0]["content"]
    (seen,) = talk.get(f"{path}?include[]=message.input_image.image_url")["data"][0]["content"]
    assert hidden["image_url"] is None
    assert seen["image_url"] == image["image_url"]
    assert seen["detail"] == "auto"


def test_stored_items_may_be_referred_to() -> None:
    talk = Talk()
    first = talk.create(input="one")
    references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    second = talk.create(input=[*references, {"role": "user", "content": "two"}])
    asked = talk.get(f"responses/{second['id']}/input_items?order=asc")["data"]
    assert asked[:2] == first["output"]


@pytest.mark.parametrize("kind", ["item_reference", "reasoning"])
def test_items_that_were_not_stored_are_not_found(kind: str) -> None:
    talk = Talk()
    item = only(talk.create(store=False), "reasoning")
    given = {"type": kind, "id": item["id"]} | ({"summary": []} if kind == "reasoning" else {})
    status, error = talk.refused(input=[given])
    assert (status, error["param"]) == (404, "input")
    assert error["message"].startswith(f"Item with id '{item['id']}' not found. Items are not ")


def test_no_item_is_given_twice() -> None:
    talk = Talk()
    output = talk.create()["output"]
    for fields in ({"input": [*output, output[1]]}, {"input": [*output, *output]}):
        _, error = talk.refused(**fields)
        assert error["message"].startswith("Duplicate item found with id ")


# ---- reasoning ----------------------------------------------------------------------------------


def test_reasoning_goes_with_what_followed_from_it() -> None:
    talk = Talk()
    user = {"role": "user", "content": "and?"}
    for store in (True, False):
        thought, said = talk.create(store=store)["output"]
        talk.create(input=[thought, said, user])
        for given in ([thought], [thought, user], [user, thought]):
            status, error = talk.refused(input=given)
            assert (status, error["param"], error["code"]) == (400, "input", None)
            assert error["message"] == (
                f"Item '{thought['id']}' of type 'reasoning' was provided without its required "
                "following item."
            )


def test_what_followed_from_reasoning_goes_with_it() -> None:
    talk = Talk()
    thought, said = talk.create()["output"]
    status, error = talk.refused(input=[said, {"role": "user", "content": "and?"}])
    assert status == 400
    assert error["message"] == (
        f"Item '{said['id']}' of type 'message' was provided without its required 'reasoning' "
        f"item: '{thought['id']}'."
    )
    thought, call = talk.create(tools=[FUNCTION])["output"]
    reply = {"type": "function_call_output", "call_id": call["call_id"], "output": "1"}
    _, error = talk.refused(input=[call, reply])
    assert (
        "of type 'function_call' was provided without its required 'reasoning'"
        in (error["message"])
    )
    nameless = {name: value for name, value in thought.items() if name != "id"}
    talk.create(input=[nameless, call, reply])


def test_sealed_reasoning_is_opened_by_its_maker_for_its_model_only() -> None:
    thought, said = Talk().create(store=False)["output"]
    user = {"role": "user", "content": "and?"}
    Talk().create(input=[thought, said, user])
    broken = {**thought, "encrypted_content": thought["encrypted_content"][:-4] + "AAA="}
    for talk, model, first in (
        (Talk(), "gpt-6-luna", thought),
        (Talk(seed=1), "gpt-5.4", thought),
        (Talk(), "gpt-5.4", broken),
        (Talk(), "gpt-5.4", {**thought, "encrypted_content": "gAAAAABnonsense"}),
    ):
        status, error = talk.refused(model=model, input=[first, said, user])
        assert (status, error["code"]) == (400, "invalid_encrypted_content")
        assert "could not be verified" in error["message"]


def test_a_model_that_does_not_reason_has_nothing_to_seal() -> None:
    status, error = Talk().refused(model="gpt-4o", include=["reasoning.encrypted_content"])
    assert status == 400
    assert error["message"] == "Encrypted content is not supported with this model."
    Talk().create(include=["reasoning.encrypted_content"])


def test_an_empty_summary_may_not_be_left_out() -> None:
    thought, said = Talk().create()["output"]
    del thought["summary"]
    _, error = Talk().refused(input=[thought, said])
    assert error["param"] == "input[0].summary"


# ---- compaction ---------------------------------------------------------------------------------


def test_a_window_past_the_threshold_is_compacted() -> None:
    talk = Talk()
    rule = [{"type": "compaction", "compact_threshold": 1000}]
    first = talk.create(input="x" * 2_000, context_management=rule)
    assert "compaction" not in kinds(first["output"])
    more = {"context_management": rule, "previous_response_id": first["id"]}
    second = talk.create(input="y" * 3_000, **more)
    assert kinds(second["output"]) == ["compaction", "reasoning", "message"]
    third = talk.create(input="z", previous_response_id=second["id"])
    assert third["usage"]["input_tokens"] < second["usage"]["input_tokens"] / 2


def test_a_trigger_compacts_at_once_and_is_last() -> None:
    user, trigger = {"role": "user", "content": "x"}, {"type": "compaction_trigger"}
    assert "compaction" in kinds(Talk().create(input=[user, trigger])["output"])
    _, error = Talk().refused(input=[trigger, user])
    assert error["param"] == "input[0]"


def test_a_window_is_compacted_on_its_own_and_paid() -> None:
    talk = Talk()
    first = talk.create(input="one")
    compacted = talk.post("responses/compact", model="gpt-5.4", previous_response_id=first["id"])
    assert compacted["object"] == "response.compaction"
    assert kinds(compacted["output"]) == ["message", "compaction"]
    paid = talk.ledger.paid()[-1]
    assert paid.path == "/v1/responses/compact"
    assert paid.cost_usd
    assert paid.usage
    assert compacted["usage"]["total_tokens"] == paid.usage.input + paid.usage.output
    user = {"role": "user", "content": "two"}
    talk.create(input=[*compacted["output"], user])
    _, error = talk.refused(model="gpt-6-luna", input=[*compacted["output"], user])
    assert error["code"] == "invalid_encrypted_content"


def test_calls_before_a_compaction_are_settled() -> None:
    talk = Talk()
    call = only(talk.create(tools=[FUNCTION], store=False), "function_call")
    compacted = only(
        talk.create(input=[{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]),
        "compaction",
    )
    talk.create(input=[call, compacted, {"role": "user", "content": "y"}])


# ---- conversations ------------------------------------------------------------------------------


def test_a_conversation_is_made_shown_changed_and_removed() -> None:
    talk = Talk()
    made = talk.post("conversations", metadata={"topic": "demo"})
    assert made["object"] == "conversation"
    assert made["id"].startswith("conv_")
    path = f"conversations/{made['id']}"
    assert talk.get(path) == made
    changed = talk.post(path, metadata={"topic": "other"})
    assert changed == {**made, "metadata": {"topic": "other"}}
    assert talk.send("DELETE", path) == (
        200,
        {"id": made["id"], "object": "conversation.deleted", "deleted": True},
    )
    for method, target in (("GET", path), ("DELETE", path), ("GET", f"{path}/items")):
        status, reply = talk.send(method, target)
        assert (status, reply["error"]["code"]) == (404, "conversation_not_found")
    assert talk.post("conversations")["metadata"] == {}


def test_items_of_a_conversation_are_added_shown_and_removed() -> None:
    talk = Talk()
    hello = {"type": "message", "role": "user", "content": "Hello!"}
    path = f"conversations/{talk.post('conversations', items=[hello])['id']}/items"
    added = talk.post(
        path, items=[{"role": "assistant", "content": "Hi"}, {**hello, "id": "msg_2"}]
    )
    assert [item["role"] for item in added["data"]] == ["assistant", "user"]
    assert added["data"][0]["content"][0]["type"] == "output_text"
    assert talk.get(path)["first_id"] == "msg_2"
    assert talk.get(f"{path}/msg_2")["status"] == "completed"
    assert talk.send("DELETE", f"{path}/msg_2")[1]["object"] == "conversation"
    assert talk.send("GET", f"{path}/msg_2")[0] == 404
    assert len(talk.get(path)["data"]) == 2


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"items": [{"role": "user", "content": "x"}] * 21}, "items"),
        ("", {"metadata": {"a": "x" * 513}}, "metadata.a"),
        ("", {"name": "x"}, "name"),
        ("/ID", {}, "metadata"),
        ("/ID/items", {}, "items"),
        ("/ID/items", {"items": [{"type": "message", "role": "tool", "content": "x"}]}, ""),
        ("/ID/items", {"items": [{"role": "user", "content": "x", "id": "x_1"}]}, ""),
    ],
    ids=str,
)
def test_what_no_conversation_can_have_is_refused(
    path: str, body: dict[str, Any], param: str
) -> None:
    talk = Talk()
    name = talk.post("conversations")["id"]
    status, reply = talk.send("POST", "conversations" + path.replace("ID", name), body)
    assert status == 400
    assert reply["error"]["param"].startswith(param)


@pytest.mark.parametrize(
    "named", [lambda name: name, lambda name: {"id": name}], ids=["id", "{id}"]
)
def test_a_response_uses_a_conversation_and_adds_to_it(named: Any) -> None:
    talk = Talk()
    hello = {"role": "user", "content": "My name is Ada."}
    name = talk.post("conversations", items=[hello])["id"]
    response = talk.create(input="Who am I?", conversation=named(name))
    assert response["conversation"] == {"id": name}
    asked = talk.get(f"responses/{response['id']}/input_items?order=asc")["data"]
    assert [text_of_user(item) for item in asked] == ["My name is Ada.", "Who am I?"]
    listed = talk.get(f"conversations/{name}/items?order=asc")["data"]
    assert kinds(listed) == ["message", "message", "reasoning", "message"]
    assert listed[2:] == response["output"]
    alone = talk.create(input="Who am I?")["usage"]["input_tokens"]
    assert response["usage"]["input_tokens"] > alone


def test_a_conversation_has_its_answers_also_when_responses_are_not_stored() -> None:
    talk = Talk()
    name = talk.post("conversations")["id"]
    talk.create(conversation=name, store=False)
    assert len(talk.get(f"conversations/{name}/items")["data"]) == 3
    talk.create(conversation=name)


def test_items_that_are_in_the_conversation_are_not_sent_again() -> None:
    talk = Talk()
    name = talk.post("conversations")["id"]
    response = talk.create(conversation=name)
    status, error = talk.refused(conversation=name, input=response["output"])
    assert (status, error["param"]) == (400, "input")
    assert error["message"] == (
        f"Duplicate item found with id {response['output'][0]['id']}. "
        "Remove duplicate items from your input and try again."
    )


def test_an_open_call_in_a_conversation_is_answered_next() -> None:
    talk = Talk()
    name = talk.post("conversations")["id"]
    call = only(talk.create(conversation=name, tools=[FUNCTION]), "function_call")
    _, error = talk.refused(conversation=name)
    assert error["message"] == f"No tool output found for function call {call['call_id']}."
    reply = {"type": "function_call_output", "call_id": call["call_id"], "output": "1"}
    assert text_of(talk.create(conversation=name, input=[reply], tools=[FUNCTION]))


def test_a_conversation_and_a_chain_exclude_one_another() -> None:
    talk = Talk()
    name, first = talk.post("conversations")["id"], talk.create()
    status, error = talk.refused(conversation=name, previous_response_id=first["id"])
    assert (status, error["code"]) == (400, "mutually_exclusive_parameters")


def test_an_unknown_conversation_is_not_found() -> None:
    status, error = Talk().refused(conversation="conv_none")
    assert (status, error["param"]) == (404, "conversation")


def test_a_conversation_is_locked_until_the_reply_leaves() -> None:
    talk = Talk([{"match": {"call": 1}, "do": {"delay": 5}}])
    name = talk.post("conversations")["id"]
    body = json.dumps({"model": "gpt-5.4", "input": "x", "conversation": name}).encode()
    delivery = talk.deliver("POST", "responses", body)
    assert talk.get(f"conversations/{name}/items")["data"] == []
    status, error = talk.refused(conversation=name)
    assert (status, error["param"], error["code"]) == (400, "conversation", "conversation_locked")
    assert talk.send("DELETE", f"conversations/{name}")[0] == 400
    delivery.settle()
    delivery.settle()
    assert len(talk.get(f"conversations/{name}/items")["data"]) == 3
    talk.create(conversation=name)


def test_a_failed_response_adds_nothing_to_its_conversation() -> None:
    talk = Talk([{"match": {"call": 1}, "do": {"response_status": "failed"}}])
    name = talk.post("conversations")["id"]
    assert talk.create(conversation=name)["status"] == "failed"
    assert talk.get(f"conversations/{name}/items")["data"] == []
    talk.create(conversation=name)


def test_a_conversation_is_locked_while_a_response_in_the_background_uses_it() -> None:
    talk = Talk()
    name = talk.post("conversations")["id"]
    first = talk.create(conversation=name, background=True)
    assert talk.refused(conversation=name)[1]["code"] == "conversation_locked"
    talk.get(f"responses/{first['id']}")
    assert talk.get(f"conversations/{name}/items")["data"] == []
    assert talk.get(f"responses/{first['id']}")["status"] == "completed"
    assert len(talk.get(f"conversations/{name}/items")["data"]) == 3
    second = talk.create(conversation=name, background=True)
    talk.post(f"responses/{second['id']}/cancel")
    assert len(talk.get(f"conversations/{name}/items")["data"]) == 3
    talk.create(conversation=name)


def test_a_stream_has_its_conversation_until_its_end() -> None:
    talk = Talk()
    name = talk.post("conversations")["id"]
    body = {"model": "gpt-5.4", "input": "x", "conversation": name, "stream": True}
    for read in (False, True):
        delivery = talk.deliver("POST", "responses", json.dumps(body).encode())
        assert talk.refused(conversation=name)[1]["code"] == "conversation_locked"
        assert delivery.reply is not None
        assert delivery.reply.pieces is not None
        assert not read or list(delivery.reply.pieces)
        delivery.settle()
        assert len(talk.get(f"conversations/{name}/items")["data"]) == (3 if read else 0)


def test_a_lock_can_be_ordered() -> None:
    locked = {"status": 400, "error": "conversation_locked"}
    status, error = Talk([{"do": locked}]).refused()
    assert (status, error["code"], error["type"]) == (
        400,
        "conversation_locked",
        "invalid_request_error",
    )


def test_faults_strike_the_other_endpoints_too() -> None:
    talk = Talk([{"match": {"endpoint": "conversations", "call": 2}, "do": {"status": 500}}])
    name = talk.post("conversations")["id"]
    assert talk.send("GET", f"conversations/{name}")[0] == 500
    assert talk.get(f"conversations/{name}")["id"] == name


# ---- bounds -------------------------------------------------------------------------------------


def test_histories_forget_what_is_too_much_for_them() -> None:
    histories = Histories()
    half = 300 * 1024 * 1024
    for number in range(3):
        histories.put(f"resp_{number}", Said(({"id": f"msg_{number}"},), ()), half)
    assert histories.get("resp_1") is None
    assert histories.item("msg_1") is None
    assert histories.get("resp_2") is not None


def test_the_oldest_conversation_goes_when_there_are_too_many() -> None:
    conversations = Conversations()
    for number in range(10_001):
        conversations.add(Conversation(f"conv_{number}", 0, {}))
    assert conversations.get("conv_1").id == "conv_1"
    assert not any(name == "conv_0" for name in conversations._all)
