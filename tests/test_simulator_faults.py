"""A fault plan is read with sentences, and strikes by counting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import UsageError
from flowrunner.simulator import Pace
from flowrunner.simulator.faults import FaultPlan, Incoming, Striking, error_of
from flowrunner.simulator.stream import Framing, StreamFault


def struck(rules: list[dict[str, Any]], calls: list[Incoming], seed: int = 0) -> list[str | None]:
    striking = Striking(FaultPlan.parse(rules), seed)
    picked = [striking.pick(call) for call in calls]
    return [None if found is None else found[0] for found in picked]


def rule(times: int | None = None, **match: Any) -> dict[str, Any]:
    written: dict[str, Any] = {"match": match, "do": {"delay": 1}}
    return written if times is None else {**written, "times": times}


CALL = Incoming("create", {"model": "gpt-6-luna", "input": [{"content": "an invoice"}]}, "run/a#1")
OTHER = Incoming("create", {"model": "gpt-5.4", "input": "a letter"}, "run/b#1")
POLL = Incoming("retrieve")


@pytest.mark.parametrize(
    ("rules", "calls", "expected"),
    [
        ([], [CALL, CALL], "--"),
        ([rule()], [CALL, CALL], "11"),
        ([rule(times=1)], [CALL, CALL], "1-"),
        ([rule(call=2)], [CALL, CALL, CALL], "-1-"),
        ([rule(call=[1, 3])], [CALL, CALL, CALL], "1-1"),
        ([rule(every=2)], [CALL] * 5, "-1-1-"),
        ([rule(every=2, times=1)], [CALL] * 5, "-1---"),
        ([rule(contains="invoice")], [CALL, OTHER], "1-"),
        ([rule(model="gpt-5.4")], [CALL, OTHER], "-1"),
        ([rule(client_request_id="/b")], [CALL, OTHER], "-1"),
        ([rule(contains="invoice", call=2)], [CALL, OTHER, CALL], "---"),
        ([rule(call=1), rule()], [CALL, CALL], "12"),
        ([rule(endpoint="retrieve", call=1)], [CALL, POLL, POLL], "-1-"),
        ([rule(call=2)], [CALL, POLL, CALL], "--1"),
        ([rule(chance=0.0)], [CALL] * 50, "-" * 50),
        ([rule(chance=1)], [CALL] * 50, "1" * 50),
        ([{"do": {"delay": 1}}], [CALL], "1"),
    ],
    ids=str,
)
def test_a_rule_strikes_the_calls_it_matches(
    rules: list[dict[str, Any]], calls: list[Incoming], expected: str
) -> None:
    names = [None if sign == "-" else f"rule {sign}" for sign in expected]
    assert struck(rules, calls) == names


def test_a_chance_is_the_same_every_time_and_another_under_another_seed() -> None:
    rules, calls = [rule(chance=0.1)], [CALL] * 1_000
    first = struck(rules, calls, seed=1)
    assert first == struck(rules, calls, seed=1)
    assert first != struck(rules, calls, seed=2)
    assert 60 < len(first) - first.count(None) < 140


@pytest.mark.parametrize(
    ("do", "fields"),
    [
        ({"status": 429, "retry_after": 1}, {"status": 429, "headers": (("retry-after", "1"),)}),
        (
            {"status": 429, "retry_after": "soon", "headers": {"X-Should-Retry": "false"}},
            {"headers": (("retry-after", "soon"), ("X-Should-Retry", "false"))},
        ),
        ({"status": 429, "error": "slow_down"}, {"error": {"code": "slow_down"}}),
        ({"html": True}, {"content_type": "text/html; charset=utf-8", "status": None}),
        (
            {"content_type": "application/json", "html": "<p>", "status": 502},
            {"content": b"<p>", "content_type": "application/json", "status": 502},
        ),
        ({"wrong_json": "null"}, {"content": b"null", "content_type": "application/json"}),
        ({"body": b"\x1f\x8b", "content_type": "x/y"}, {"content": b"\x1f\x8b"}),
        ({"body": {"detail": "no"}, "status": 400}, {"content": b'{"detail": "no"}'}),
        ({"delay": 2}, {"delay_s": 2.0, "ending": "finish"}),
        ({"reset": "before"}, {"ending": "reset", "reply_starts": False}),
        ({"reset": "after_headers"}, {"ending": "reset", "reply_starts": True, "cut": 0}),
        ({"close": True}, {"ending": "close", "reply_starts": False}),
        ({"hang": True}, {"ending": "hang", "hang_s": None}),
        ({"hang": 0.5}, {"ending": "hang", "hang_s": 0.5}),
        ({"hang": "after_headers"}, {"ending": "hang", "cut": 0, "reply_starts": True}),
        ({"truncate": 7}, {"ending": "close", "cut": 7}),
        ({"drip": True}, {"drip": 1, "drip_s": 0.02}),
        ({"drip": {"bytes": 5, "every": 0}}, {"drip": 5, "drip_s": 0.0}),
        ({"response_status": "failed", "code": "server_error"}, {"code": "server_error"}),
        ({"refusal": "no"}, {"refusal": "no"}),
        ({"response": {"usage": None}}, {"fields": {"usage": None}}),
        ({"stream": {}}, {"stream": StreamFault()}),
        (
            {"stream": {"cut": {"after_event": 3}, "then": "reset", "line_end": "crlf"}},
            {
                "stream": StreamFault(
                    cut="after_event",
                    cut_at=3,
                    then="reset",
                    framing=Framing(line_end="\r\n"),
                )
            },
        ),
        ({"stream": {"cut": "mid_delta"}}, {"stream": StreamFault(cut="mid_delta")}),
        (
            {"stream": {"pause": {"after_event": 2, "seconds": 5}, "every": 1, "done": True}},
            {"stream": StreamFault(pause=(2, 5.0), every_s=1.0, done=True)},
        ),
        (
            {"background": {"polls_until_done": 5, "poll_after_ms": 0}},
            {"pace": Pace(polls_until_done=5, poll_after_ms=0)},
        ),
    ],
    ids=str,
)
def test_what_goes_wrong_is_read(do: dict[str, Any], fields: dict[str, Any]) -> None:
    effect = FaultPlan.parse([{"do": do}]).rules[0].effect
    assert {name: getattr(effect, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("do", "paid"),
    [
        ({"delay": 1}, True),
        ({"truncate": 1}, True),
        ({"reset": "after_headers"}, True),
        ({"refusal": "no"}, True),
        ({"response_status": "incomplete"}, True),
        ({"response_status": "failed"}, False),
        ({"status": 500}, False),
        ({"html": True}, False),
        ({"reset": "before"}, False),
        ({"reset": "before", "after_processing": True}, True),
        ({"status": 500, "after_processing": True}, True),
        ({"hang": True}, False),
        ({"stream": {"cut": "before_terminal"}}, True),
        ({"stream": {"error": "server_error"}}, False),
        ({"stream": {"error": "server_error"}, "after_processing": True}, True),
        ({"background": {"queued_forever": True}}, False),
        ({"background": {"cancelled_at_poll": 1}}, True),
    ],
    ids=str,
)
def test_whether_the_work_is_paid_for(do: dict[str, Any], paid: bool) -> None:
    assert FaultPlan.parse([{"do": do}]).rules[0].effect.is_paid is paid


@pytest.mark.parametrize(
    ("plan", "sentences"),
    [
        ("x", ["must be a list of rules, found the text `x`."]),
        (None, ["must be a list of rules, found nothing."]),
        ({"fault": []}, ["must be a list of rules, found a mapping."]),
        ([{"match": {"call": 1}}], ["rule 1: it must say what goes wrong under `do`."]),
        (["x"], ["rule 1: it must say"]),
        ([{"do": "reset"}], ["rule 1, `do` must be a mapping, found the text `reset`."]),
        ([{"match": 3, "do": {"delay": 1}}], ["rule 1, `match` must be a mapping"]),
        (
            [{"do": {"staus": 500}}, {"match": {"cal": 1}, "do": {"delay": -1}}],
            [
                "rule 1, `do` has no `staus`; did you mean `status`?",
                "rule 2, `match` has no `cal`; did you mean `call`?",
                "rule 2, `do`: `delay` must be a number of seconds, 0 or more, found the number",
            ],
        ),
        ([{"match": {"zzz": 1}, "do": {"delay": 1}}], ["it may have `call`, `every`, `chance`"]),
        ([{"match": {"call": 0}, "do": {"delay": 1}}], ["`call` must be a whole number from 1 on"]),
        ([{"match": {"call": []}, "do": {"delay": 1}}], ["the number of a call"]),
        ([{"match": {"every": True}, "do": {"delay": 1}}], ["found `true`"]),
        ([{"match": {"chance": 2}, "do": {"delay": 1}}], ["a share from 0 to 1"]),
        ([{"match": {"model": 1}, "do": {"delay": 1}}], ["`model` must be a text"]),
        ([{"match": {"endpoint": "x"}, "do": {"delay": 1}}], ["one of `create`, `retrieve`,"]),
        ([{"times": 0, "do": {"delay": 1}}], ["`times` must be a whole number from 1 on"]),
        ([{"do": {"status": 99}}], ["`status` must be a whole number from 200 to 599"]),
        ([{"do": {"status": 200}}], ["`status: 200` needs a `body`, `html` or `wrong_json`."]),
        ([{"do": {"error": "x"}}], ["`error` needs a `status`"]),
        ([{"do": {"status": 500, "error": "x", "html": True}}], ["a body of its own"]),
        ([{"do": {"code": "x"}}], ["`code` needs a `response_status`"]),
        ([{"do": {"content_type": "x"}}], ["`content_type` needs a `body`."]),
        ([{"do": {"html": True, "wrong_json": True}}], ["`html` and `wrong_json` cannot stand"]),
        ([{"do": {"reset": True, "truncate": 1}}], ["`reset` and `truncate` cannot stand"]),
        ([{"do": {"refusal": "x", "status": 500}}], ["cannot stand with a change"]),
        ([{"do": {"reset": "later"}}], ["`true`, `before` or `after_headers`, found the text"]),
        ([{"do": {"hang": "x"}}], ["`after_headers` or a number of seconds"]),
        ([{"do": {"html": 3}}], ["`true` or the text to send"]),
        ([{"do": {"drip": {"speed": 3}}}], ["a mapping of `bytes` and `every`"]),
        ([{"do": {"retry_after": [1]}}], ["the text of the header, found a list"]),
        ([{"do": {"headers": {"Content-Length": 1}}}], ["which the simulator sets itself"]),
        ([{"do": {"headers": {"a b": 1}}}], ["letters, digits and dashes"]),
        ([{"do": {"headers": {"a": "x\ny"}}}], ["visible text on one line"]),
        ([{"do": {"after_processing": 1}}], ["`true` or `false`"]),
        ([{"do": {"response_status": "done"}}], ["one of `failed`, `incomplete`"]),
        ([{"do": {"stream": True}}], ["`stream` must be a mapping, found `true`."]),
        (
            [{"do": {"stream": {"cutt": 1, "line_end": "lfcr"}, "background": {"poll": 1}}}],
            [
                "rule 1, `stream` has no `cutt`; did you mean `cut`?",
                "rule 1, `stream`: `line_end` must be one of `lf`, `cr`, `crlf`, found the text",
                "rule 1, `background` has no `poll`",
            ],
        ),
        ([{"do": {"stream": {"cut": "here"}}}], ["`cut` must be `before_terminal`, `mid_delta`,"]),
        ([{"do": {"stream": {"cut": {"after_byte": -1}}}}], ["a whole number from 0 on"]),
        ([{"do": {"stream": {"pause": 3}}}], ["`pause` must be a mapping"]),
        ([{"do": {"stream": {"pause": {"seconds": 3}}}}], ["of `after_event` and `seconds`"]),
        ([{"do": {"stream": {"error": 3}}}], ["`error` must be a mapping"]),
        ([{"do": {"stream": {"failed": True}}}], ["`failed` needs an `error`"]),
        ([{"do": {"stream": {"error_form": "flat"}}}], ["`error_form` needs an `error`"]),
        ([{"do": {"stream": {"error_after": 3}}}], ["`error_after` needs an `error`"]),
        ([{"do": {"stream": {"then": "reset"}}}], ["`then` needs a `cut`"]),
        (
            [{"do": {"stream": {"cut": "mid_delta", "done": True}}}],
            ["`done` is about the end of a stream"],
        ),
        (
            [{"do": {"stream": {"cut": "mid_delta"}, "reset": True}}],
            ["a stream with a `cut` says how it ends with `then`."],
        ),
        ([{"do": {"stream": {}, "status": 500}}], ["cannot stand with a change"]),
        ([{"do": {"background": {"queued_forever": 1}}}], ["`true` or `false`"]),
        ([{"do": {"background": {"polls_until_done": 0}}}], ["a whole number from 1 on"]),
        ([{"do": {"response": [1]}}], ["`response` must be a mapping, found a list."]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_mistakes_are_told_all_at_once(plan: Any, sentences: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        FaultPlan.parse(plan, "faults.yaml")
    lines = caught.value.message.splitlines()
    assert len(lines) == len(sentences)
    for line, sentence in zip(lines, sentences, strict=True):
        assert line.startswith("faults.yaml: ")
        assert sentence in line
    assert caught.value.help is not None


def test_a_plan_is_read_from_yaml_and_json(tmp_path: Path) -> None:
    rules = [{"match": {"call": 3}, "do": {"status": 429, "retry_after": 1}}]
    as_json = tmp_path / "faults.json"
    as_json.write_text(json.dumps(rules), "utf-8")
    as_yaml = tmp_path / "faults.yaml"
    as_yaml.write_text(
        "faults:\n- match: { call: 3 }\n  do: { status: 429, retry_after: 1 }\n", "utf-8"
    )
    assert FaultPlan.read(as_json) == FaultPlan.read(as_yaml) == FaultPlan.parse(rules)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"\xff\xfe\xfa", "is not a text in UTF-8."),
        (b"faults: [\n  {", "is not readable as YAML in line 2."),
        (b"[" * 5_000, "is not readable as YAML"),
        (b"", "must be a list of rules, found nothing."),
    ],
    ids=["missing", "encoding", "syntax", "depth", "empty"],
)
def test_a_file_that_holds_no_plan(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "faults.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        FaultPlan.read(path)
    assert sentence in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("status", "ordered", "expected"),
    [
        (429, {}, ("rate_limit_error", "rate_limit_exceeded")),
        (429, {"code": "insufficient_quota"}, ("insufficient_quota", "insufficient_quota")),
        (429, {"code": "slow_down"}, ("rate_limit_error", "slow_down")),
        (400, {"code": "conversation_locked"}, ("invalid_request_error", "conversation_locked")),
        (503, {}, ("server_error", "server_is_overloaded")),
        (529, {}, ("server_error", None)),
        (500, {"type": "x", "code": "y"}, ("x", "y")),
    ],
    ids=str,
)
def test_an_ordered_status_has_the_envelope_of_the_api(
    status: int, ordered: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    error = error_of(status, ordered)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == expected
    assert error["message"]
