"""When steps start, what skips them, how a run ends and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrunner.engine.ports import Stop
from flowrunner.errors import ExitStatus
from tests.engine_world import (
    World,
    answered,
    calling,
    declined,
    in_turn,
    lost,
    not_sent,
    refused,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_step_waits_for_the_steps_it_mentions(world: World) -> None:
    ended = world.run(
        """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: "two {{ steps.a.text }}" }
  - { id: c, prompt: three }
result: { b: "{{ steps.b.text }}" }
"""
    )
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.end.result == {"b": "answer of b"}
    assert ended.sender.units() == ["a", "c", "b"]
    assert ended.sender.bodies["run-1/b/1.1.1"]["input"] == "two answer of a"


def test_needs_orders_without_a_mention(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: two, needs: [a] }
"""
    assert world.run(steps).sender.units() == ["a", "b"]


def test_at_once_bounds_the_requests_under_way(world: World) -> None:
    steps = "steps:\n" + "".join(f"  - {{ id: s{n}, prompt: x }}\n" for n in range(20))
    ended = world.run(steps, at_once=3)
    assert ended.sender.most_at_once == 3
    assert len(ended.sender.units()) == 20


GUARDS = """
steps:
  - { id: a, prompt: one, if: false }
  - { id: plain, prompt: "{{ steps.a.text }}" }
  - { id: guarded, prompt: "{{ default(steps.a.text, 'nothing') }}" }
  - { id: tested, prompt: "x{% if steps.a.text %}{{ steps.a.text }}{% endif %}" }
  - { id: needing, prompt: one, needs: [a] }
  - { id: below, prompt: "{{ steps.plain.text }}" }
result: { first: "{{ first(steps.plain.text, steps.guarded.text) }}" }
"""


def test_what_a_skipped_step_does_to_those_that_mention_it(world: World) -> None:
    ended = world.run(GUARDS)
    assert {step: ended.status(step) for step in ended.state.steps} == {
        "a": "skipped",
        "plain": "skipped",
        "guarded": "succeeded",
        "tested": "succeeded",
        "needing": "succeeded",
        "below": "skipped",
    }
    assert ended.reason("a") == "if"
    assert ended.reason("plain") == "skipped-mention"
    assert ended.sender.bodies["run-1/guarded/1.1.1"]["input"] == "nothing"
    assert ended.sender.bodies["run-1/tested/1.1.1"]["input"] == "x"
    assert ended.end.result == {"first": "answer of guarded"}


FAILED = """
steps:
  - { id: a, prompt: one, on_error: continue }
  - { id: plain, prompt: "{{ steps.a.text }}" }
  - id: guarded
    prompt: >-
      {{ default(steps.a.text, 'nothing') }} {{ steps.a.status }}
      {{ default(steps.a.error.kind, '?') }}
  - { id: needing, prompt: one, needs: [a] }
"""


def test_what_a_failed_step_does_to_those_that_mention_it(world: World) -> None:
    ended = world.run(FAILED, in_turn(a=[refused(400, "bad")]))
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.status("a") == "failed"
    assert ended.status("plain") == "skipped"
    assert ended.status("needing") == "skipped"
    assert ended.sender.bodies["run-1/guarded/1.1.1"]["input"] == "nothing failed api-error"


def test_a_failed_step_stops_what_has_not_started(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: "{{ steps.a.text }}" }
  - { id: c, prompt: three }
"""
    ended = world.run(steps, in_turn(a=[refused(400, "bad", "wrong thing")]), at_once=1)
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.end.status == "failed"
    assert "wrong thing" in (ended.end.message or "")
    assert ended.status("b") is None
    assert ended.sender.units() == ["a"], "`c` had no slot yet"
    assert ended.end.result is None


def test_quota_sends_nothing_more_and_blames_the_surroundings(world: World) -> None:
    steps = "steps:\n  - { id: a, prompt: x }\n  - { id: b, prompt: '{{ steps.a.text }}' }\n"
    none = refused(429, "insufficient_quota", type="insufficient_quota")
    ended = world.run(steps, in_turn(a=[none]))
    assert ended.end.exit_status is ExitStatus.ENVIRONMENT
    assert ended.sender.units() == ["a"]


def test_set_and_write_give_values_without_a_call(world: World) -> None:
    steps = """
steps:
  - id: numbers
    set: { count: "{{ 3 }}", names: "{{ ['a', 'b'] }}", text: "n{{ 3 }}" }
  - id: page
    write: "{{ steps.numbers.output.text }}: {{ steps.numbers.output.names | join(', ') }}"
    save_to: out/page.md
result: { count: "{{ steps.numbers.output.count }}", page: "{{ steps.page.text }}" }
"""
    ended = world.run(steps)
    assert ended.sender.units() == []
    assert ended.end.result == {"count": 3, "page": "n3: a, b"}
    assert (world.folder / "out" / "page.md").read_text(encoding="utf-8") == "n3: a, b"


def test_save_to_never_leads_out_of_the_project(world: World) -> None:
    (world.folder / "inside").mkdir()
    (world.folder / "inside" / "link").symlink_to("/tmp")
    steps = """
steps:
  - { id: page, write: x, save_to: "inside/{{ inputs.name }}/page.md" }
"""
    head = "flowrunner: 1\nname: T\ninputs: { name: text }\n"
    ended = world.run(steps, head=head, inputs={"name": "link"})
    assert ended.reason("page") == "save"
    assert "out of the project" in (ended.end.message or "")


def test_a_template_that_fails_sends_nothing(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: "{{ inputs.things | join(',') }}" }
"""
    head = "flowrunner: 1\nname: T\ndefaults: { model: m }\ninputs: { things: json }\n"
    ended = world.run(steps, head=head, inputs={"things": 7})
    assert ended.sender.units() == []
    assert ended.reason("a") == "template"
    assert ended.end.exit_status is ExitStatus.FAILED


def test_data_is_rendered_once(world: World) -> None:
    steps = "steps:\n  - { id: a, prompt: one }\n  - { id: b, prompt: '{{ steps.a.text }}' }\n"
    ended = world.run(steps, in_turn(a=[answered("{{ 7 * 7 }}")]))
    assert ended.sender.bodies["run-1/b/1.1.1"]["input"] == "{{ 7 * 7 }}"


def test_under_hold_a_lost_answer_is_asked_for_once_and_held(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one, on_unknown: hold }
  - { id: b, prompt: "{{ steps.a.text }}" }
  - { id: c, prompt: three }
"""
    ended = world.run(steps, in_turn(a=[lost()]))
    assert ended.end.exit_status is ExitStatus.HELD
    assert ended.end.status == "held"
    assert ended.status("a") == "unknown"
    assert ended.status("b") is None
    assert ended.status("c") == "succeeded"
    assert ended.sender.units() == ["a", "c"]
    assert ended.sender.fresh == [True, False], "a held step opens a connection of its own"
    assert ended.state.totals.lost_calls == 1

    again = world.resume()
    assert again.sender.units() == []
    assert again.end.exit_status is ExitStatus.HELD

    paid_twice = world.resume(asks_held=True)
    assert paid_twice.sender.units() == ["a", "b"]
    assert paid_twice.end.exit_status is ExitStatus.DONE


def test_retry_once_asks_twice_at_most(world: World) -> None:
    ended = world.run("steps:\n  - { id: a, prompt: one }\n", in_turn(a=[lost(), lost("closed")]))
    assert ended.sender.units() == ["a", "a"]
    assert ended.status("a") == "unknown"
    assert ended.end.exit_status is ExitStatus.HELD
    assert ended.state.totals.lost_calls == 2


def test_an_answer_that_says_it_failed_is_asked_again(world: World) -> None:
    ended = world.run(
        "steps:\n  - { id: a, prompt: one, on_unknown: hold }\n",
        in_turn(a=[refused(500), not_sent(), refused(429), answered("done")]),
    )
    assert ended.end.exit_status is ExitStatus.DONE
    calls = ended.state.steps["a"].calls
    assert [call.state for call in calls] == ["refused", "not-sent", "refused", "answered"]
    assert [call.post for call in calls] == [1, 2, 3, 4]
    assert all(call.retry_in_s for call in calls[:-1])
    waited = ended.world.clock.now() - 1_790_000_000.0
    assert waited == pytest.approx(sum(call.retry_in_s or 0 for call in calls))


SHAPED = """
steps:
  - { id: a, prompt: one, output: { n: integer }, retry: 2 }
result: { n: "{{ steps.a.output.n }}" }
"""


def test_a_bad_answer_is_shown_to_the_model_and_asked_again(world: World) -> None:
    ended = world.run(SHAPED, in_turn(a=[answered('{"n": "x"}'), answered('{"n": 2}')]))
    assert ended.end.result == {"n": 2}
    first, second = ended.sender.bodies.values()
    assert first["input"] == "one"
    assert second["input"][0] == {"role": "user", "content": "one"}
    assert second["input"][1] == {"role": "assistant", "content": '{"n": "x"}'}
    assert "`n` must be" in second["input"][2]["content"]
    assert list(ended.sender.bodies) == ["run-1/a/1.1.1", "run-1/a/2.1.1"]
    assert ended.result("a")["usage"]["input_tokens"] == 2000
    assert ended.result("a")["cost_usd"] == pytest.approx(2 * (1000 * 0.1 + 100 * 0.5) / 1e6)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (answered("not json"), "not-json"),
        (answered('{"n": 1.5}'), "wrong-shape"),
        (answered(status="incomplete", incomplete_details={"reason": "x"}), "incomplete"),
        (answered(status="failed", error={"code": "invalid_prompt"}), "failed"),
        (declined(), "refused"),
        (calling(), "max-turns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_answers_that_fail_a_step(world: World, outcome: object, reason: str) -> None:
    steps = "steps:\n  - { id: a, prompt: one, output: { n: integer } }\n"
    ended = world.run(steps, in_turn(a=[outcome] * 10))  # type: ignore[list-item]
    assert ended.reason("a") == reason
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.end.message
    assert ended.result("a")["error"]["kind"] == reason


def test_a_refusal_is_asked_again_only_where_the_author_says_so(world: World) -> None:
    no = declined()
    steps = "steps:\n  - { id: a, prompt: one, retry: 3 }\n"
    assert world.run(steps, in_turn(a=[no])).sender.units() == ["a"]


def test_a_refusal_that_may_be_asked_again(world: World) -> None:
    no = declined()
    steps = "steps:\n  - { id: a, prompt: one, retry: { attempts: 2, on: [refusal] } }\n"
    ended = world.run(steps, in_turn(a=[no, answered("well")]))
    assert ended.end.exit_status is ExitStatus.DONE
    assert [body["input"] for body in ended.sender.bodies.values()] == ["one", "one"]


def test_a_resume_pays_only_for_what_is_left(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: "{{ steps.a.text }}" }
  - { id: c, prompt: "{{ steps.b.text }}" }
result: { c: "{{ steps.c.text }}" }
"""
    first = world.run(steps, in_turn(b=[refused(400, "bad")]))
    assert first.sender.units() == ["a", "b"]
    second = world.resume()
    assert list(second.sender.bodies) == ["run-1/b/2.1.1", "run-1/c/1.1.1"]
    assert second.end.exit_status is ExitStatus.DONE
    assert second.end.result == {"c": "answer of c"}
    assert second.state.totals.calls == 4
    assert second.state.resumes == 1


def test_a_step_timeout_bounds_the_waits(world: World) -> None:
    steps = "steps:\n  - { id: a, prompt: one, timeout: 3s }\n"
    ended = world.run(steps, in_turn(a=[refused(503, asked_wait_s=30.0)]))
    assert ended.reason("a") == "timeout"
    assert ended.sender.units() == ["a"]


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(world: World) -> None:
    stop = Stop()
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: "{{ steps.a.text }}" }
"""

    def script(unit: str, body: dict[str, object]) -> object:
        stop.ask("interrupt")
        return answered("first")

    ended = world.run(steps, script, stop=stop)  # type: ignore[arg-type]
    assert ended.end.exit_status is ExitStatus.INTERRUPTED
    assert ended.end.status == "interrupted"
    assert ended.status("a") == "succeeded"
    assert "resume run-1" in (ended.end.help or "")
    assert world.resume().sender.units() == ["b"]


def test_a_wait_between_posts_ends_with_the_run(world: World) -> None:
    stop = Stop()

    def script(unit: str, body: dict[str, object]) -> object:
        stop.ask("terminate")
        return refused(503)

    ended = world.run("steps:\n  - { id: a, prompt: one }\n", script, stop=stop)  # type: ignore[arg-type]
    assert ended.end.exit_status is ExitStatus.TERMINATED
    assert ended.status("a") == "running"
    again = world.resume()
    assert list(again.sender.bodies) == ["run-1/a/1.1.2"], "POSTs are counted on"
    assert again.end.exit_status is ExitStatus.DONE


def test_secrets_reach_no_record(tmp_path: Path) -> None:
    key = "sk-canary-4711-0815"
    world = World(tmp_path, secrets=(key,))
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: two, on_error: continue }
result: { a: "{{ steps.a.text }}" }
"""
    ended = world.run(
        steps, in_turn(a=[answered(f"the key is {key}")], b=[refused(401, message=f"bad {key}")])
    )
    assert ended.end.exit_status is ExitStatus.ENVIRONMENT
    for path in world.run_folder.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes()


def test_the_run_deadline_ends_calls_in_flight(world: World) -> None:
    ended = world.run(
        "limits: { timeout: 5s }\nsteps:\n  - { id: a, prompt: one, on_unknown: hold }\n",
        in_turn(a=[refused(503, asked_wait_s=2.0), refused(503, asked_wait_s=100.0)]),
    )
    assert ended.end.exit_status is ExitStatus.FAILED
    assert "limit" in (ended.end.message or "")


GUARDED = """\
flowrunner: 1
name: Guarded
inputs: { token: { type: text, secret: true } }
steps:
  - { id: shout, run: [echo, "token {{ inputs.token }} and"], changes_things: false }
  - { id: ask, prompt: "asked {{ inputs.token }}" }
result: "{{ steps.shout.text }}"
"""


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("\"{{ inputs.word | replace('-', '0') }}\"", ""),
        ('"{{ steps.make.text }}"', ""),
        ('"{{ item }}"', ', for_each: "[steps.make.text]"'),
    ],
    ids=["from-a-secret", "from-a-step", "from-an-item"],
)
def test_a_secret_of_a_called_workflow_reaches_no_later_record(
    tmp_path: Path, source: str, more: str
) -> None:
    world = World(tmp_path)
    made = "canary0made0here"
    (tmp_path / "guarded.yaml").write_text(GUARDED, encoding="utf-8")
    steps = f"""
inputs: {{ word: {{ type: text, secret: true }} }}
steps:
  - {{ id: make, run: [printf, "canary0%s0here", made], changes_things: false }}
  - {{ id: sub, workflow: guarded.yaml, with: {{ token: {source} }}{more} }}
  - {{ id: after, run: [printf, "canary0%s0here", made], needs: [sub], changes_things: false }}
  - {{ id: last, prompt: "last {{{{ steps.after.text }}}}" }}
"""
    inputs = {"word": "canary-made-here"}
    ended = world.run(steps, in_turn(last=[refused(400)]), inputs=inputs)
    assert ended.end.exit_status is ExitStatus.FAILED
    sent = ended.sender.bodies
    assert any(body["input"] == f"asked {made}" for body in sent.values())
    for unit in ended.state.steps:
        assert unit == "make" or made not in str(ended.result(unit)), unit
    assert ended.asked()["last"] == "last ***"
    again = world.resume()
    assert again.end.exit_status is ExitStatus.DONE
    assert again.asked() == {"last": "last ***"}


def test_a_resume_learns_the_secrets_of_calls_that_are_done(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "guarded.yaml").write_text(GUARDED, encoding="utf-8")
    steps = """
steps:
  - { id: make, run: [printf, "canary0%s0here", made], changes_things: false }
  - id: group
    steps:
      - { id: sub, workflow: guarded.yaml, with: { token: "{{ steps.make.text }}" } }
  - { id: first, prompt: first, needs: [group] }
  - { id: after, needs: [first], run: [printf, "canary0%s0here", made], changes_things: false }
result: "{{ steps.after.text }}"
"""
    assert world.run(steps, in_turn(first=[refused(400)])).status("after") is None
    again = world.resume()
    assert again.sender.units() == ["first"]
    assert again.end.result == "***"
