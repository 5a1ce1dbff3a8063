"""Recordings without a run: requests made comparable, the nearest one, replies by address."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import EnvironmentFault, UsageError
from flowrunner.language.attachments import FileMark, file_part
from flowrunner.recordings import Canon, Entry, Recording, Replay, path_of, read_recording
from flowrunner.recordings.canonical import key_of
from flowrunner.recordings.nearest import differences
from flowrunner.recordings.replaying import address_of
from flowrunner.responses.multipart import file_in, form
from flowrunner.secrets import Scrubber
from flowrunner.wire import Asked, NotSent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def canon(**more: Any) -> Canon:
    return Canon(Scrubber(["sk-secret-4711"]), "20261122-070000-7f3a", **more)


def entry(text: str, reply: str, unit: str = "a", attempt: int = 1) -> Entry:
    request = {"model": "m", "input": text}
    key = key_of("responses", request)
    return Entry(unit, attempt, 1, "responses", key, request, 200, {}, {"id": reply})


def replay(*entries: Entry) -> Replay:
    return Replay(Recording("W", "openai", "run", 1.0, entries), canon(), "recordings/w.json")


def asked(text: str, at: str = "a/1.1.1") -> Asked:
    headers = {"x-client-request-id": f"20261122-070000-7f3a/{at}"}
    body = {"model": "m", "input": text, "stream": True}
    return Asked("POST", "/v1/responses", headers, json.dumps(body).encode())


def given_to(answering: Replay, one: Asked) -> Any:
    return json.loads(answering.answer(one).content)["id"]


@given(JSON)
def test_a_canonical_request_is_its_own_canonical_form(value: Any) -> None:
    body = {"model": "m", "input": value, "metadata": {"a": "b"}}
    once = canon().request(body)
    assert canon().request(once) == once


@pytest.mark.parametrize("name", ["stream", "stream_options", "background"])
def test_how_it_is_delivered_plays_no_part(name: str) -> None:
    assert canon().request({"model": "m", name: True}) == {"model": "m"}


def test_secrets_accounts_and_the_run_are_not_in_it() -> None:
    text = "sk-secret-4711 org-aaaaaaaaaaaaaaaaaaaaaaaa proj_bbbbbbbbbbbbbbbbbbbbbbbb"
    said = f"{text} 20261122-070000-7f3a"
    assert canon().request({"input": said}) == {"input": "*** *** *** {run.id}"}
    tool = {"type": "mcp", "server_label": "x", "authorization": "t", "headers": {"A": "b"}}
    (kept,) = canon().request({"tools": [tool]})["tools"]
    assert (kept["authorization"], kept["headers"]) == ("***", "***")


def test_a_file_is_its_hash_however_it_was_sent() -> None:
    content = b"\x89PNG"
    sha256 = hashlib.sha256(content).hexdigest()
    url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    marked = file_part(FileMark("a.png", "image/png", 4, sha256), "low")
    forms = [
        marked,
        {**marked, "image_url": url},
        {"type": "input_image", "detail": "low", "file_id": f"file-replayed-{sha256}"},
    ]
    found = [canon().request({"input": [{"role": "user", "content": [one]}]}) for one in forms]
    assert found[0] == found[1] == found[2]
    assert f"sha256:{sha256}" in json.dumps(found[0])


def test_the_response_that_it_goes_on_from_is_named_by_its_request() -> None:
    one = canon(answered={"resp_1": "abc"}).request({"previous_response_id": "resp_1"})
    other = canon(answered={"resp_2": "abc"}).request({"previous_response_id": "resp_2"})
    assert one == other
    assert one != canon().request({"previous_response_id": "resp_1"})


def test_ids_of_items_play_no_part_but_references_do() -> None:
    items = [{"type": "message", "id": "msg_1", "role": "user", "content": "a"}]
    assert "id" not in canon().request({"input": items})["input"][0]
    reference = [{"type": "item_reference", "id": "msg_1"}]
    assert canon().request({"input": reference})["input"] == reference


@given(JSON, JSON)
def test_values_differ_in_something_or_are_the_same(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert bool(list(differences(one, other))) is not same
    assert all("\n" not in said for said in differences(one, other))


def test_of_a_long_text_the_place_that_differs_is_shown() -> None:
    (said,) = differences({"input": "x" * 500 + "old" + "y" * 500}, {"input": "x" * 500 + "new"})
    assert "xold" in said
    assert "xnew" in said
    assert len(said) < 260


def test_replies_go_to_their_own_address_first() -> None:
    answering = replay(entry("q", "first", "a"), entry("q", "second", "b"))
    assert given_to(answering, asked("q", "b/1.1.1")) == "second"
    assert given_to(answering, asked("q", "elsewhere/1.1.1")) == "first"
    with pytest.raises(NotSent) as missed:
        answering.answer(asked("q", "elsewhere/2.1.1"))
    assert missed.value.kind == "no-recording"
    assert "was recorded 2 times, and is asked once more" in missed.value.message


def test_a_miss_names_the_nearest_of_its_own_step() -> None:
    answering = replay(entry("the cat sat", "1", "cat"), entry("the dog sat", "2", "dog"))
    with pytest.raises(NotSent) as missed:
        answering.answer(asked("the dog sat down", "dog/1.1.1"))
    assert "the nearest is that of `dog`, where `input` was" in missed.value.message
    with pytest.raises(NotSent, match="nothing is recorded"):
        replay().answer(asked("q"))


def test_what_is_free_is_answered_without_a_recording() -> None:
    answering = replay(entry("q", "resp_9"))
    content, kind = form({"purpose": "vision"}, "a.png", "image/png", b"abc\r\n--x")
    assert file_in(content, kind) == b"abc\r\n--x"
    told = json.loads(
        answering.answer(Asked("POST", "/v1/files", {"content-type": kind}, content)).content
    )
    assert told["id"].endswith(hashlib.sha256(b"abc\r\n--x").hexdigest())
    looked = answering.answer(Asked("GET", "/v1/responses/resp_9", {}, b""))
    assert json.loads(looked.content)["id"] == "resp_9"
    begun = [Asked("POST", "/v1/conversations", {}, b"{}")] * 2
    ids = {given_to(answering, each) for each in begun}
    assert len(ids) == 2
    with pytest.raises(NotSent, match="nothing is recorded for GET"):
        answering.answer(Asked("GET", "/v1/containers/c/files/f/content", {}, b""))


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("RUN/a/1.2.3", ("a", 1, 2)),
        ("RUN/a[3]/b#2/2.1.1", ("a[3]/b#2", 2, 1)),
        ("RUN", None),
        ("RUN/a/1.2", None),
        ("", None),
    ],
)
def test_the_address_of_a_request(name: str, at: tuple[str, int, int] | None) -> None:
    assert address_of({"x-client-request-id": name}) == at


def test_a_recording_is_the_same_in_whatever_order(tmp_path: Path) -> None:
    entries = (entry("1", "a", "x[10]"), entry("2", "b", "x[9]"), entry("3", "c", "x[9]", 2))
    one = Recording("W", "openai", "run", 1.5, entries)
    other = Recording("W", "openai", "run", 1.5, entries[::-1])
    assert one.text() == other.text()
    path = path_of(tmp_path, "w")
    one.write(path)
    found = read_recording(path)
    assert [each.at for each in found.entries] == [("x[9]", 1, 1), ("x[9]", 2, 1), ("x[10]", 1, 1)]
    assert found.text() == one.text()


def test_a_recording_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("in the way")
    with pytest.raises(EnvironmentFault, match="was not written"):
        Recording("W", "openai", "run", 1.0, ()).write(path_of(tmp_path, "w"))


@pytest.mark.parametrize("name", ["", "../w", "a/b", ".w", "w" * 101, "a b"])
def test_names_that_would_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        path_of(tmp_path, name)
