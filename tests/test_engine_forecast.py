"""Plans: what becomes of every kind of step before the run, and what it may cost."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.estimate import worst_case
from flowrunner.engine.forecast import Cost, Forecast, Row, Terms, forecast
from flowrunner.engine.forecast.costs import one_of
from flowrunner.language.load import load

HEAD = """\
flowrunner: 1
name: Test
inputs:
  names: { list: text }
  text: text
  sure: { type: yes_no, default: true }
defaults: { model: gpt-6-luna, max_output_tokens: 1000 }
"""
INPUTS = {"names": ["Ada", "Bob", "Cyd"], "text": "hello", "sure": True}
TEAM = "output: { team: [a, b], note: text }"


def planned(
    folder: Path, steps: str, head: str = HEAD, terms: Terms | None = None, **inputs: Any
) -> Forecast:
    """The forecast of a file with these `steps:` (and what follows them)."""
    path = folder / "flow.yaml"
    path.write_text(f"{head}steps:\n{steps}", encoding="utf-8")
    workflow, found = load(path, "flow.yaml", today=datetime.date(2026, 11, 22))
    assert workflow is not None, found
    return forecast(workflow, {**INPUTS, **inputs}, terms or Terms())


def by_unit(found: Forecast) -> dict[str, Row]:
    return {row.unit: row for row in found.rows}


def high(text: str, tokens: int = 1000) -> float:
    """The most that a prompt of this text may cost."""
    body = {"model": "gpt-6-luna", "max_output_tokens": tokens, "input": text}
    usd = worst_case(body).usd
    assert usd is not None
    return usd


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            "  - { id: a, prompt: Hi }\n  - { id: b, prompt: Hello }\n"
            '  - { id: c, prompt: "{{ steps.a.text }} {{ steps.b.text }}" }\n',
            {"a": (1, "run", "at once"), "b": (1, "run", "at once"),
             "c": (2, "run", "after `a`, `b`")},
            id="waves",
        ),
        pytest.param(
            "  - { id: a, if: inputs.sure, prompt: Hi }\n"
            "  - { id: b, if: not inputs.sure, prompt: Hi }\n"
            "  - { id: c, if: false, prompt: Hi }\n"
            '  - { id: d, prompt: "{{ steps.b.text }}" }\n',
            {"a": (1, "run", "at once"), "b": (1, "skip", "its `if` is false"),
             "c": (1, "skip", "its `if` is false"), "d": (2, "skip", "`b` is skipped")},
            id="conditions-known",
        ),
        pytest.param(
            f"  - {{ id: a, prompt: Hi, {TEAM} }}\n"
            "  - { id: b, if: steps.a.output.team == 'a', prompt: Hi }\n"
            '  - { id: c, prompt: "{{ steps.b.text }}" }\n'
            "  - { id: d, prompt: \"{{ default(steps.b.text, 'none') }}\" }\n",
            {"b": (2, "maybe", "only if steps.a.output.team == 'a'"),
             "c": (3, "maybe", "only if `b` runs"), "d": (3, "run", "after `b`")},
            id="conditions-open",
        ),
        pytest.param(
            '  - { id: a, set: { n: "{{ inputs.names | length }}" } }\n'
            "  - { id: b, if: steps.a.output.n > 2, prompt: Hi }\n"
            "  - { id: c, if: steps.a.output.n > 3, prompt: Hi }\n",
            {"b": (2, "run", "after `a`"), "c": (2, "skip", "its `if` is false")},
            id="values-set-from-inputs",
        ),
        pytest.param(
            f"  - {{ id: a, prompt: Hi, {TEAM} }}\n"
            "  - { id: end, if: steps.a.output.team == 'b', stop: enough }\n"
            "  - { id: b, prompt: Hi }\n",
            {"end": (2, "maybe", "only if steps.a.output.team == 'b'"),
             "b": (3, "maybe", "unless `end` ends the run before it")},
            id="stop-open",
        ),
        pytest.param(
            "  - { id: end, if: inputs.sure, stop: enough }\n  - { id: b, prompt: Hi }\n",
            {"end": (1, "run", "at once"), "b": (2, "skip", "`end` ends the run before it")},
            id="stop-known",
        ),
        pytest.param(
            "  - { id: end, if: not inputs.sure, fail: no }\n  - { id: b, prompt: Hi }\n",
            {"end": (1, "skip", "its `if` is false"), "b": (2, "run", "after `end`")},
            id="gate-that-is-open",
        ),
        pytest.param(
            '  - { id: agree, approve: "Send?" }\n  - { id: b, run: [echo, hi] }\n',
            {"agree": (1, "run", "at once"),
             "b": (2, "maybe", "only if a person agrees at `agree`")},
            id="approval",
        ),
    ],
)  # fmt: skip
def test_what_becomes_of_steps(
    tmp_path: Path, steps: str, expected: dict[str, tuple[int, str, str]]
) -> None:
    rows = by_unit(planned(tmp_path, steps))
    found = {unit: (rows[unit].order, rows[unit].will, rows[unit].because) for unit in expected}
    assert found == expected


def test_a_prompt_from_inputs_alone_is_bounded_by_its_text(tmp_path: Path) -> None:
    found = planned(tmp_path, '  - { id: a, prompt: "Say {{ inputs.text }}" }\n')
    (row,) = found.rows
    assert row.cost.high == high("Say hello")
    assert 0 < row.cost.low < (row.cost.about or 0) < (row.cost.high or 0)
    assert found.cost == row.cost
    assert row.model == "gpt-6-luna"


def test_a_text_of_an_earlier_step_is_as_long_as_it_may_become(tmp_path: Path) -> None:
    steps = '  - { id: a, prompt: Hi }\n  - { id: b, prompt: "Sum up: {{ steps.a.text }}" }\n'
    rows = by_unit(planned(tmp_path, steps))
    assert rows["b"].cost.high == high("Sum up: " + "x" * 4000)


def test_of_several_texts_the_longest_can_be_the_one_that_is_there(tmp_path: Path) -> None:
    steps = (
        f"  - {{ id: t, prompt: Hi, {TEAM} }}\n"
        "  - { id: a, if: steps.t.output.team == 'a', max_output_tokens: 100, prompt: Hi }\n"
        "  - { id: b, if: steps.t.output.team == 'b', prompt: Hi }\n"
        '  - { id: c, prompt: "{{ first(steps.a.text, steps.b.text) }}" }\n'
    )
    rows = by_unit(planned(tmp_path, steps))
    assert (rows["c"].cost.high or 0) >= high("x" * 4000)


def test_texts_of_branches_not_taken_count(tmp_path: Path) -> None:
    long = "so much " * 200
    steps = (
        f"  - {{ id: t, prompt: Hi, {TEAM} }}\n"
        f"  - {{ id: c, prompt: \"{{% if steps.t.output.team == 'a' %}}{long}{{% endif %}}!\" }}\n"
    )
    rows = by_unit(planned(tmp_path, steps))
    assert (rows["c"].cost.high or 0) >= high(long)


def test_attempts_show_the_model_its_bad_answers(tmp_path: Path) -> None:
    steps = "  - { id: a, prompt: Hi, retry: 3 }\n"
    (row,) = planned(tmp_path, steps).rows
    assert (row.cost.high or 0) > 3 * high("Hi" + "x" * 4000)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        pytest.param("inputs.names", 3, id="input"),
        pytest.param('["{{ inputs.text }}", two]', 2, id="literal"),
        pytest.param("[]", 0, id="nothing"),
    ],
)
def test_items_that_are_known_are_counted(tmp_path: Path, source: str, number: int) -> None:
    steps = f'  - {{ id: a, for_each: {source}, as: name, prompt: "Say {{{{ name }}}}" }}\n'
    found = planned(tmp_path, steps)
    (row,) = found.rows
    assert (row.fewest, row.most) == (number, number)
    names = {3: INPUTS["names"], 2: ["hello", "two"], 0: []}[number]
    assert row.cost.high == pytest.approx(sum(high(f"Say {name}") for name in names))
    said = f"{number} items" if number else "there are no items"
    assert row.because.startswith(said)
    assert row.will == ("run" if number else "skip")


def test_the_if_of_items_is_asked_for_each(tmp_path: Path) -> None:
    steps = "  - { id: a, for_each: inputs.names, if: item != 'Bob', prompt: \"{{ item }}\" }\n"
    (row,) = planned(tmp_path, steps).rows
    assert (row.fewest, row.most, row.of) == (2, 2, 3)
    assert row.because == "its `if` is true for 2 of 3 items of `inputs.names`"


def test_many_items_are_taken_to_be_like_some(tmp_path: Path) -> None:
    steps = '  - { id: a, for_each: inputs.names, prompt: "Say {{ item }}" }\n'
    (row,) = planned(tmp_path, steps, names=["Ada"] * 5000).rows
    assert (row.fewest, row.most, row.of) == (5000, 5000, 5000)
    assert row.cost.high == pytest.approx(5000 * high("Say Ada"))
    assert row.assumes == ("4,000 items to be like the 1,000 that were looked at",)


def test_results_of_known_items_are_as_many(tmp_path: Path) -> None:
    steps = (
        '  - { id: a, for_each: inputs.names, prompt: "Say {{ item }}" }\n'
        "  - { id: b, for_each: steps.a.results, prompt: \"Judge {{ default(item.text, '') }}\" }\n"
        '  - { id: c, for_each: steps.a.texts, prompt: "Judge {{ item }}" }\n'
        "  - { id: d, prompt: \"{{ steps.a.texts | join(', ') }}\" }\n"
    )
    rows = by_unit(planned(tmp_path, steps))
    assert (rows["b"].fewest, rows["b"].most) == (3, 3)
    assert (rows["c"].fewest, rows["c"].most) == (0, 3), "those that failed are left out"
    assert rows["c"].cost.high == pytest.approx(3 * high("Judge " + "x" * 4000))
    assert rows["d"].cost.high == pytest.approx(high("x" * 12_004))


@pytest.mark.parametrize(
    ("steps", "unit", "why"),
    [
        pytest.param(
            "  - { id: a, prompt: Hi, output: { list: text } }\n"
            '  - { id: b, for_each: steps.a.output, prompt: "{{ item }}" }\n',
            "b", "how many items there will be is not known beforehand", id="items-of-an-answer",
        ),
        pytest.param(
            "  - { id: a, prompt: Hi, output: { list: text } }\n"
            '  - { id: b, prompt: "{% for one in steps.a.output %}<{{ one }}>{% endfor %}" }\n',
            "b", "how often a loop in its text repeats is not known beforehand", id="loop",
        ),
        pytest.param(
            "  - { id: a, run: [cat, x], changes_things: false }\n"
            '  - { id: b, prompt: "{{ steps.a.text }}" }\n',
            "b", "how large `steps.a.text` will be is not known beforehand", id="command",
        ),
        pytest.param(
            "  - { id: a, model: my-model, prompt: Hi }\n", "a",
            "the price of `my-model` is not known", id="price",
        ),
    ],
)  # fmt: skip
def test_what_is_unknown_is_named(tmp_path: Path, steps: str, unit: str, why: str) -> None:
    found = planned(tmp_path, steps)
    assert dict(found.unknown)[unit] == why
    assert by_unit(found)[unit].cost.high is None
    assert found.cost.high is None


def test_prices_of_the_operator_are_used(tmp_path: Path) -> None:
    terms = Terms(prices={"my-model": {"input": 1.0, "output": 2.0}}, above={"model": "my-model"})
    found = planned(tmp_path, "  - { id: a, prompt: Hi }\n", terms=terms)
    assert found.unknown == ()
    assert found.cost.high == pytest.approx((102 + 2000) / 1e6)


def test_one_way_of_a_branch_is_paid(tmp_path: Path) -> None:
    steps = f"""\
  - {{ id: t, prompt: Hi, {TEAM} }}
  - id: way
    branch: steps.t.output.team
    cases:
      a: [{{ id: x, prompt: short }}]
      b: [{{ id: y, prompt: "{"long " * 50}" }}]
"""
    found = planned(tmp_path, steps)
    rows = by_unit(found)
    assert rows["way"].cost.high == rows["way/y"].cost.high
    assert rows["way/x"].because == "only if `way` takes `a`"
    assert (rows["way/x"].will, rows["way/x"].cost.low) == ("maybe", 0)
    assert found.cost.high == (rows["t"].cost.high or 0) + (rows["way/y"].cost.high or 0)


def test_a_way_that_is_known_is_taken(tmp_path: Path) -> None:
    steps = """\
  - id: way
    branch: inputs.sure
    cases:
      "true": [{ id: x, prompt: short }]
    otherwise: [{ id: y, prompt: other }]
  - { id: z, prompt: "{{ steps.way.text }}" }
"""
    rows = by_unit(planned(tmp_path, steps))
    assert (rows["way/x"].will, rows["way/y"].will) == ("run", "skip")
    assert rows["way/y"].because == "`way` takes another way"
    assert rows["way/y"].cost == Cost()
    assert rows["z"].will == "run"


def test_rounds_are_between_one_and_all(tmp_path: Path) -> None:
    steps = """\
  - id: polish
    repeat: { until: "steps.judge.output.score >= 8", at_most: 4 }
    steps:
      - { id: draft, prompt: "Write {{ default(previous.judge.output.advice, '') }}" }
      - id: judge
        prompt: "Judge {{ steps.draft.text }}"
        output: { score: integer, advice: text }
  - { id: send, if: steps.judge.output.score > 6, prompt: "{{ steps.draft.text }}" }
"""
    rows = by_unit(planned(tmp_path, steps))
    assert [(rows[unit].fewest, rows[unit].most) for unit in ("polish", "polish/draft")] == [
        (1, 4),
        (1, 4),
    ]
    first, later = high("Write "), high("Write " + "x" * 4000)
    assert first + 3 * later <= (rows["polish/draft"].cost.high or 0)
    assert rows["polish"].cost.high == pytest.approx(
        (rows["polish/draft"].cost.high or 0) + (rows["polish/judge"].cost.high or 0)
    )
    assert rows["polish"].rounds == 4
    assert rows["send"].because == "only if steps.judge.output.score > 6"


def test_items_of_groups_add_up(tmp_path: Path) -> None:
    steps = """\
  - id: each
    for_each: inputs.names
    steps:
      - { id: read, prompt: "{{ item }}" }
      - { id: judge, if: item == 'Ada', prompt: "{{ steps.read.text }}" }
  - { id: all, prompt: "{{ steps.each.results[0].steps.read.text }}" }
"""
    found = planned(tmp_path, steps)
    rows = by_unit(found)
    assert (rows["each/read"].fewest, rows["each/read"].most, rows["each/read"].of) == (3, 3, 3)
    assert (rows["each/judge"].fewest, rows["each/judge"].most, rows["each/judge"].of) == (1, 1, 3)
    assert rows["each/read"].cost.high == pytest.approx(3 * high("Ada"))
    assert rows["all"].cost.high == pytest.approx(high("x" * 4000))


def test_a_called_workflow_is_planned_too(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(
        "flowrunner: 1\nname: Other\ninputs: { text: text }\n"
        "defaults: { model: gpt-6-luna, max_output_tokens: 500 }\n"
        'steps:\n  - { id: say, prompt: "Say {{ inputs.text }}" }\n'
        'result: { said: "{{ steps.say.text }}" }\n',
        encoding="utf-8",
    )
    steps = (
        '  - { id: sub, workflow: other.yaml, with: { text: "{{ inputs.text }}" } }\n'
        '  - { id: b, prompt: "{{ steps.sub.output.said }}" }\n'
    )
    rows = by_unit(planned(tmp_path, steps))
    assert rows["sub/say"].cost.high == high("Say hello", 500)
    assert rows["sub"].cost == rows["sub/say"].cost
    assert rows["b"].cost.high == high("x" * 2000)


def test_a_budget_gives_an_end_to_answers_and_to_costs(tmp_path: Path) -> None:
    head = HEAD.replace(", max_output_tokens: 1000", "")
    steps = "  - { id: a, prompt: Hi }\n  - { id: b, budget: 0.001 USD, prompt: Hi }\n"
    rows = by_unit(planned(tmp_path, steps, head))
    assert rows["a"].cost.high == high("Hi", 128_000)
    assert (rows["a"].limit, rows["b"].limit) == (None, 20_000)
    assert rows["b"].cost.high == 0.001
    rows = by_unit(planned(tmp_path, steps, f"{head}budget: 1 USD\n"))
    assert (rows["a"].limit, rows["a"].cost.high) == (20_000, high("Hi", 20_000))
    rows = by_unit(planned(tmp_path, steps, head, Terms(limited=True)))
    assert rows["a"].limit == 20_000


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param(Cost(1, 2, 1.5) + Cost(1, 3, 2), Cost(2, 5, 3.5), id="sum"),
        pytest.param(Cost(1, 2, 1.5) + Cost(1, None, None), Cost(2, None, None), id="sum-unknown"),
        pytest.param(Cost(1, 2, 1.5).times(2, 4, 3), Cost(2, 8, 4.5), id="times"),
        pytest.param(Cost(1, 2, 1.5).times(0, None, None), Cost(0, None, None), id="times-unknown"),
        pytest.param(Cost().times(0, None, None), Cost(), id="nothing-however-often"),
        pytest.param(Cost(1, 2, 1.5).maybe(), Cost(0, 2, 1.5), id="maybe"),
        pytest.param(Cost(1, 4, 3).within(2), Cost(1, 2, 2), id="budget"),
        pytest.param(Cost(1, None, None).within(2), Cost(1, 2, None), id="budget-bounds-unknown"),
        pytest.param(Cost(1, 1.5, 1).within(2), Cost(1, 1.5, 1), id="budget-not-reached"),
        pytest.param(one_of([Cost(1, 2, 1), Cost(0, 4, 3)]), Cost(0, 4, 2), id="one-of"),
        pytest.param(one_of([Cost(1, 2, 1), Cost(0, None, None)]), Cost(0, None, None), id="one-?"),
        pytest.param(one_of([]), Cost(), id="one-of-none"),
    ],
)
def test_costs_add_up(cost: Cost, expected: Cost) -> None:
    assert cost == expected


def test_what_was_said_before_is_paid_for_again(tmp_path: Path) -> None:
    long = "word " * 10_000
    found = by_unit(
        planned(
            tmp_path,
            f"  - {{ id: a, prompt: '{long}' }}\n"
            "  - { id: b, continue: a, prompt: Go on. }\n"
            "  - { id: c, continue: b, prompt: Go on. }\n"
            "  - { id: apart, prompt: Go on. }\n",
        )
    )
    assert found["b"].order == 2
    assert found["b"].cost.high == pytest.approx(high(f"{long}Go on.{'x' * 1000}"), rel=0.02)
    assert found["c"].cost.high == pytest.approx(high(f"{long}Go on.{'x' * 2000}"), rel=0.03)
    assert found["c"].cost.about is not None
    assert found["apart"].cost.about is not None
    assert found["c"].cost.about > 3 * found["apart"].cost.about
    assert found["b"].cost.low == found["apart"].cost.low, "nobody knows how short it was"


def test_a_history_of_unknown_length_is_at_most_a_window(tmp_path: Path) -> None:
    steps = "  - { id: a, prompt: { id: pmpt_1 } }\n  - { id: b, continue: a, prompt: Go on. }\n"
    found = by_unit(planned(tmp_path, steps))
    body = {"model": "gpt-6-luna", "max_output_tokens": 1000, "previous_response_id": "x"}
    assert found["b"].cost.high == worst_case(body).usd


def test_a_history_nobody_can_bound(tmp_path: Path) -> None:
    steps = (
        '  - { id: a, prompt: "{% for t in inputs.names %}{{ t }}{% endfor %}", model: mine }\n'
        "  - { id: b, continue: a, model: mine, prompt: Go on. }\n"
    )
    assert by_unit(planned(tmp_path, steps))["b"].unknown is not None


def test_each_attempt_at_a_good_answer_lengthens_the_history(tmp_path: Path) -> None:
    def cost(retry: int) -> float:
        steps = f"  - {{ id: a, prompt: Hi, retry: {retry}, {TEAM} }}\n"
        steps += "  - { id: b, continue: a, prompt: Go on. }\n"
        most = by_unit(planned(tmp_path, steps))["b"].cost.high
        assert most is not None
        return most

    assert cost(3) > cost(2) > cost(1)


def test_a_text_that_cannot_be_made_beforehand_is_no_mistake(tmp_path: Path) -> None:
    steps = (
        f"  - {{ id: a, for_each: [x, y], prompt: Hi, {TEAM} }}\n"
        "  - { id: b, write: \"{{ table(steps.a.results, ['output.team']) }}\" }\n"
        '  - { id: c, prompt: "{{ steps.b.text }}" }\n'
    )
    found = by_unit(planned(tmp_path, steps))
    assert found["b"].cost == Cost()
    assert found["c"].unknown == "how large `steps.b.text` will be is not known beforehand"


def test_a_shorter_history_costs_a_request_more(tmp_path: Path) -> None:
    steps = (
        f"  - {{ id: a, prompt: '{'word ' * 1000}' }}\n"
        "  - { id: b, continue: a, prompt: Go on. }\n"
        "  - { id: c, continue: { step: a, compact: true }, prompt: Go on. }\n"
    )
    found = by_unit(planned(tmp_path, steps))
    plain, shortened = found["b"].cost, found["c"].cost
    assert plain.high is not None
    assert shortened.high is not None
    assert plain.about is not None
    assert shortened.about is not None
    assert shortened.high > 1.5 * plain.high
    assert shortened.about > plain.about
    assert found["c"].unknown is None


# What is attached.

ATTACHED = HEAD.replace("inputs:\n", "inputs:\n  rows: table\n  scan: file\n")


def attached(tmp_path: Path, entry: str, more: str = "") -> Row:
    (tmp_path / "notes.txt").write_text("x" * 10_000, encoding="utf-8")
    steps = f"""\
  - {{ id: pick, prompt: Which? }}
  - id: look
    prompt: What is this?
    attach: [{entry}]
{more}"""
    scan = {"path": "notes.txt", "name": "notes.txt", "stem": "notes", "ext": "txt"}
    scan |= {"size": 10_000, "sha256": "0" * 64, "text": None}
    rows = [{"file": "notes.txt"}]
    return by_unit(planned(tmp_path, steps, ATTACHED, rows=rows, scan=scan))["look"]


@pytest.mark.parametrize(
    "entry",
    ["notes.txt", '"*.txt"', '"{{ inputs.scan }}"', '"{{ inputs.scan.path }}"'],
)
def test_files_that_are_there_are_counted(tmp_path: Path, entry: str) -> None:
    row = attached(tmp_path, entry)
    assert row.unknown is None
    assert row.cost.high is not None
    assert row.cost.high > high("What is this?" + "x" * 10_000)
    assert row.assumes == ("at most one token a byte of an attached file",)


def test_a_picture_at_an_address_is_one_of_its_detail(tmp_path: Path) -> None:
    low = attached(tmp_path, '{ file: "https://example.com/a.png", detail: low }')
    any_ = attached(tmp_path, '"https://example.com/a.png"')
    assert low.cost.high is not None
    assert any_.cost.high is not None
    assert low.cost.high < any_.cost.high


def test_what_an_answer_chooses_is_unknown_beforehand(tmp_path: Path) -> None:
    row = attached(tmp_path, '"{{ steps.pick.text }}"', "    within: scans\n")
    assert row.unknown == "how large the files are that it attaches is not known beforehand"
    assert row.cost.high is None


def test_a_file_that_a_step_is_to_make_is_unknown_beforehand(tmp_path: Path) -> None:
    steps = """\
  - { id: made, write: words, save_to: made.txt }
  - { id: look, needs: [made], prompt: What is this?, attach: [made.txt] }
"""
    row = by_unit(planned(tmp_path, steps))["look"]
    assert row.unknown == "`attach`: `made.txt` is no file that is there already"


def test_rows_are_looked_at_one_by_one(tmp_path: Path) -> None:
    more = "    for_each: inputs.rows\n    within: .\n"
    row = attached(tmp_path, '"{{ item.file }}"', more)
    assert row.unknown is None
    assert row.cost.high is not None
    assert row.cost.high > high("x" * 10_000)
