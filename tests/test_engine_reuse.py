"""Results of earlier runs: taken where the author allows it, said, and never asked for again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.events import StepResult
from tests.engine_world import World


@dataclass
class Kept:
    run: str
    unit: str
    result: dict[str, Any]
    at: float


@dataclass
class FakeShelf:
    """Results of one run by what was asked; `looked` is what was looked up."""

    kept: dict[str, list[Kept]] = field(default_factory=dict)
    looked: list[tuple[str, int, float | None]] = field(default_factory=list)

    def look_up(
        self, fingerprint: str, *, nth: int = 1, newer_than: float | None = None
    ) -> Kept | None:
        self.looked.append((fingerprint, nth, newer_than))
        fresh = [one for one in self.kept.get(fingerprint, []) if one.at > (newer_than or 0)]
        return fresh[nth - 1] if nth <= len(fresh) else None


def remembered(first: World, of: World, steps: str, **settings: Any) -> FakeShelf:
    """The shelf after a run of the steps, on which everything that was asked stands."""
    ended = first.run(steps, **settings)
    shelf = FakeShelf()
    for unit, step in ended.state.steps.items():
        if step.status == "succeeded" and step.fingerprint is not None:
            kept = Kept("run-0", unit, ended.result(unit), step.ended_at or 0.0)
            shelf.kept.setdefault(step.fingerprint, []).append(kept)
    of.shelf = shelf
    return shelf


@pytest.fixture
def worlds(tmp_path: Path) -> tuple[World, World]:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    return World(tmp_path / "first"), World(tmp_path / "second")


PLAIN = """
steps:
  - {{ id: a, prompt: one{more} }}
  - {{ id: b, prompt: "two {{{{ steps.a.text }}}}" }}
result: "{{{{ steps.a.text }}}}"
"""


@pytest.mark.parametrize(
    ("more", "flag", "asked"),
    [
        ("", False, ["a", "b"]),
        (", reuse: true", False, ["b"]),
        (", reuse: 7d", False, ["b"]),
        (", reuse: false", True, ["a"]),
        ("", True, []),
    ],
)
def test_who_asks_for_reuse(
    worlds: tuple[World, World], more: str, flag: bool, asked: list[str]
) -> None:
    first, second = worlds
    steps = PLAIN.format(more=more)
    remembered(first, second, steps)
    ended = second.run(steps, reuse=flag)
    assert ended.sender.units() == asked
    assert ended.end.result == "answer of a"
    assert ended.end.exit_status is ExitStatus.DONE


def test_what_is_reused_is_said(worlds: tuple[World, World]) -> None:
    first, second = worlds
    remembered(first, second, PLAIN.format(more=""))
    ended = second.run(PLAIN.format(more=""), reuse=True)
    step = ended.state.steps["a"]
    assert (step.status, step.reason, step.reused_from) == ("succeeded", "reused", "run-0/a")
    assert ended.state.totals.calls == 0


def test_a_result_that_is_too_old_is_asked_for_again(worlds: tuple[World, World]) -> None:
    first, second = worlds
    steps = PLAIN.format(more=", reuse: 1h")
    remembered(first, second, steps)
    second.clock.time += 7200
    assert second.run(steps).sender.units() == ["a", "b"]


def test_another_question_or_server_is_not_the_same(worlds: tuple[World, World]) -> None:
    first, second = worlds
    steps = PLAIN.format(more=", reuse: true")
    remembered(first, second, steps)
    changed = steps.replace("prompt: one", "prompt: uno")
    assert second.run(changed).sender.units() == ["a", "b"]


def test_the_same_question_asked_twice_takes_two_results(worlds: tuple[World, World]) -> None:
    first, second = worlds
    steps = """
steps:
  - { id: each, for_each: [a, b], as: x, reuse: true, prompt: the same }
result: "{{ steps.each.texts }}"
"""
    shelf = remembered(first, second, steps)
    ended = second.run(steps)
    assert ended.sender.units() == []
    assert sorted(nth for _, nth, _ in shelf.looked) == [1, 2]
    assert sorted(ended.end.result) == ["answer of each[1]", "answer of each[2]"]


def test_a_simulated_run_takes_nothing(worlds: tuple[World, World]) -> None:
    first, second = worlds
    steps = PLAIN.format(more=", reuse: true")
    shelf = remembered(first, second, steps)
    ended = second.run(steps, reuse=True, simulated=True)
    assert ended.sender.units() == ["a", "b"]
    assert shelf.looked == []


def test_commands_and_approvals_are_never_reused(worlds: tuple[World, World]) -> None:
    first, second = worlds
    first.answers = {"ask": True}
    steps = """
steps:
  - { id: go, run: [echo, x] }
  - { id: ask, approve: "Go on?" }
"""
    shelf = remembered(first, second, steps)
    ended = second.run(steps, reuse=True)
    assert shelf.looked == []
    assert ended.end.exit_status is ExitStatus.WAITING
    assert ended.reason("go") != "reused"


def test_what_is_reused_is_saved(worlds: tuple[World, World]) -> None:
    first, second = worlds
    steps = "steps:\n  - { id: a, prompt: one, reuse: true, save_to: a.txt }\n"
    remembered(first, second, steps)
    assert second.run(steps).sender.units() == []
    assert (second.folder / "a.txt").read_text(encoding="utf-8") == "answer of a"
    assert StepResult.from_json(second.resume().result("a")).text == "answer of a"
