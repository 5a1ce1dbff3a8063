"""`resume --failed-only`: what failed and what depends on it, and a sentence about the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, posts

WORKFLOW = """\
flowrunner: 1
name: Sorted
defaults: { model: gpt-6-luna }
steps:
  - { id: each, for_each: ["a", "b", "c"], prompt: "item {{ item }}" }
  - { id: sum, prompt: "{{ steps.each.texts | length }}" }
  - { id: agree, approve: "Send it?" }
  - { id: after, prompt: "after" }
"""
FAIL_ONCE = {"match": {"client_request_id": "/each[2]/1.1.1"}, "do": {"status": 400}}


@pytest.fixture
def sorted_(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate([FAIL_ONCE])
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml").status == ExitStatus.WAITING
    return project, simulator


def test_what_failed_is_done_again_and_what_waits_is_left(
    sorted_: tuple[Project, Simulator],
) -> None:
    project, simulator = sorted_
    before = len(posts(simulator))
    assert project.run("approve", "latest", "agree").status == ExitStatus.DONE
    only = project.run("resume", "--failed-only")
    assert only.status == ExitStatus.WAITING, only.err
    names = [str(call.client_request_id).split("/", 1)[1] for call in posts(simulator)[before:]]
    assert names == ["each[2]/2.1.1", "sum/2.1.1"]
    rest = project.run("resume")
    assert rest.status == ExitStatus.DONE, rest.err
    check_books(project.latest, simulator)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--failed-only", "--on-unknown", "retry_once"), "choose one of them"),
        (("--failed-only",), "no step of the run"),
    ],
    ids=["held", "nothing-failed"],
)
def test_it_is_refused_where_it_means_nothing(
    sorted_: tuple[Project, Simulator], words: tuple[str, ...], said: str
) -> None:
    project, simulator = sorted_
    if len(words) == 1:
        assert project.run("resume").status == ExitStatus.WAITING
    before = len(posts(simulator))
    refused = project.run("resume", *words)
    assert refused.status == ExitStatus.USAGE
    assert said in refused.err
    assert len(posts(simulator)) == before
