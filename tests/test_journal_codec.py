"""Every event goes into a record and comes out as it was."""

from __future__ import annotations

import dataclasses
import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_histories import EVENT_CLASSES, any_event, call_sent, small_history, step_finished

from flowrunner.errors import JournalUnusable
from flowrunner.events import Event, StepFinished
from flowrunner.journal.codec import decode, encode, kind_of, to_json


def bodies_of(event: Event) -> dict[str, object]:
    record = encode(event)
    return {name: json.loads(text) for name, text in zip(event.bodies, record.bodies, strict=True)}


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=kind_of)
def test_every_event_comes_back(event_class: type[Event]) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(any_event(event_class))
    def check(event: Event) -> None:
        record = encode(event)
        assert decode(record, bodies_of(event)) == event
        record.header.encode()

    check()


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(EVENT_CLASSES).flatmap(any_event))
def test_a_record_fits_its_columns(event: Event) -> None:
    record = encode(event)
    with sqlite3.connect(":memory:") as connection:
        columns = dataclasses.astuple(record)[:-1]
        query = "SELECT " + ", ".join("?" * len(columns))
        assert connection.execute(query, columns).fetchone() == columns
    connection.close()


@pytest.mark.parametrize("event", small_history(), ids=lambda event: kind_of(type(event)))
def test_bodies_stay_out_of_the_header(event: Event) -> None:
    record = encode(event)
    assert not set(json.loads(record.header)) & set(event.bodies)
    assert len(record.bodies) == len(event.bodies)


def test_an_event_without_its_bodies_is_light() -> None:
    assert decode(encode(call_sent())) == dataclasses.replace(call_sent(), request=None)


def test_kinds_are_named_in_snake_case() -> None:
    assert kind_of(StepFinished) == "step_finished"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("größer", '"größer"'),
        ("cut in two \ud83d", r'"cut in two \ud83d"'),
        ("both ü \udcff", r'"both \u00fc \udcff"'),
        ("zero \0", r'"zero \u0000"'),
    ],
    ids=["umlaut", "lone-surrogate", "mixed", "nul"],
)
def test_any_text_can_be_stored(text: str, stored: str) -> None:
    assert to_json(text) == stored
    assert json.loads(to_json(text).encode()) == text


def test_a_kind_of_a_newer_version_is_refused() -> None:
    record = dataclasses.replace(encode(step_finished()), kind="step_dreamed")
    with pytest.raises(JournalUnusable, match=r"`step_dreamed`.*a newer version wrote it"):
        decode(record)


def test_a_field_of_a_newer_version_is_refused() -> None:
    record = encode(step_finished())
    header = json.dumps({**json.loads(record.header), "mood": "good"})
    with pytest.raises(JournalUnusable, match=r"field `mood`.*a newer version wrote it"):
        decode(dataclasses.replace(record, header=header))


def test_a_record_that_lacks_a_field_is_refused() -> None:
    with pytest.raises(JournalUnusable, match="`step_finished` that lacks a field"):
        decode(dataclasses.replace(encode(step_finished()), header="{}"))
