"""Tools from the command line, against a server on a socket: asked about here and elsewhere, killed
at every point, and never run twice by itself."""

from __future__ import annotations

import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.journal import Journal
from flowrunner.simulator import Simulator
from tests.cli_world import Nursery, Project, Recorded, check_books, kill, posts, told_apart

KILLED = -signal.SIGKILL
SHOP = """\
import json, os, sys, time
given = json.load(sys.stdin)
with open("done.txt", "a") as done:
    done.write(sys.argv[1] + "\\n")
if os.path.exists("slow"):
    time.sleep(60)
print(json.dumps({"did": sys.argv[1], "token": os.environ.get("SHOP_TOKEN")}))
"""
WORKFLOW = f"""\
flowrunner: 1
name: Support
defaults: {{ model: gpt-6-luna }}
env: [SHOP_TOKEN]
tools:
  find:
    describe: Look up an order
    run: [{sys.executable}, shop.py, find]
    arguments: {{ order: text }}
    changes_things: false
    env: [SHOP_TOKEN]
  refund:
    describe: Refund an order
    run: [{sys.executable}, shop.py, refund]
    arguments: {{ order: text }}
    ask: ASK
steps:
  - id: help
    prompt: Help with order A17.
    tools: [find, refund]
result: {{ text: "{{{{ steps.help.text }}}}", calls: "{{{{ length(steps.help.tool_calls) }}}}" }}
"""


def shop(project: Project, ask: str = "always", workflow: str = WORKFLOW) -> Project:
    project.write("shop.py", SHOP)
    project.write("support.yaml", workflow.replace("ASK", ask))
    return project


def done(project: Project) -> list[str]:
    """What the tools did, in order."""
    file = project.folder / "done.txt"
    return file.read_text().split() if file.exists() else []


def test_paused_approved_from_another_shell_resumed(project: Project, simulator: Simulator) -> None:
    shop(project.at(simulator))
    waiting = project.run("run", "support.yaml", environ={"SHOP_TOKEN": "tok-4711-secret"})
    assert waiting.status == ExitStatus.WAITING, waiting.err
    run = project.latest.state.run
    assert f"flowrunner approve {run} help" in waiting.err
    assert "`refund`" in waiting.err
    assert done(project) == []
    shown = project.run("show", run, "help")
    assert "call `refund`, which changes things" in shown.out
    assert "order: " in shown.out
    assert project.run("approve", run, "help", "--reason", "it is late").status == 0
    ended = project.run("resume", environ={"SHOP_TOKEN": "tok-4711-secret"})
    assert ended.status == ExitStatus.DONE, ended.err
    assert ended.result["calls"] == 2
    assert done(project) == ["find", "refund"]
    assert len(posts(simulator, run)) == 2
    replies = posts(simulator, run)[1].body["input"]
    assert [reply["type"] for reply in replies] == ["function_call_output"] * 2
    check_books(project.latest, simulator)
    calls = {call["name"]: call for call in project.latest.step("help")["tool_calls"]}
    assert [calls[name]["outcome"] for name in ("find", "refund")] == ["succeeded"] * 2
    assert calls["refund"]["decided_by"]
    assert "it is late" in calls["refund"]["sentence"]
    shown = project.run("show", run, "help")
    assert "Tools" in shown.out
    assert "agreed: it is late" in shown.out
    for file in project.latest.folder.iterdir():
        assert b"tok-4711-secret" not in file.read_bytes(), f"{file.name} holds the token"


def test_denied_from_another_shell(project: Project, simulator: Simulator) -> None:
    shop(project.at(simulator))
    project.run("run", "support.yaml")
    denied = project.run("approve", "latest", "help", "--deny", "--reason", "not this one")
    assert denied.status == ExitStatus.DONE
    ended = project.run("resume")
    assert ended.status == ExitStatus.DONE, ended.err
    assert done(project) == ["find"]
    replies = posts(simulator, project.latest.state.run)[1].body["input"]
    told = {reply["output"] for reply in replies}
    assert "Error: a person denied this call: not this one" in told
    check_books(project.latest, simulator)


def test_a_person_at_the_terminal_sees_the_arguments(
    project: Project, simulator: Simulator
) -> None:
    shop(project.at(simulator))
    pexpect = pytest.importorskip("pexpect")
    terminal = project.start_at_a_terminal("run", "support.yaml")
    terminal.expect("help asks:")
    terminal.expect("call `refund`, which changes things")
    terminal.expect("order: ")
    terminal.expect("Agree\\? \\[y/n\\]")
    terminal.sendline("y")
    terminal.expect("refund answered")
    terminal.expect_exact('"calls": 2')
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == ExitStatus.DONE
    assert done(project) == ["find", "refund"]
    approval = project.latest.state.steps["help"].approval
    assert approval is not None
    assert (approval.granted, approval.way) == (True, "terminal")


def calls_of(run: Recorded) -> dict[str, Any]:
    with Journal.open(run.folder) as journal:
        return {call.name: call for call in journal.tool_record("help").calls}


class Shops:
    """A fresh project for every run that is killed."""

    def __init__(self, folder: Path, nursery: Nursery, simulator: Simulator) -> None:
        self._folder, self._nursery, self.simulator = folder, nursery, simulator
        self._numbers = count()

    def fresh(self, ask: str = "never") -> Project:
        folder = self._folder / str(next(self._numbers))
        (folder / ".git").mkdir(parents=True)
        return shop(Project(folder, self._nursery).at(self.simulator), ask)


@pytest.fixture
def shops(tmp_path: Path, nursery: Nursery, simulator: Simulator) -> Shops:
    return Shops(tmp_path, nursery, simulator)


@pytest.mark.parametrize("doom", ["before", "after"])
def test_a_loop_killed_at_any_record_goes_on_and_changes_nothing_twice(
    shops: Shops, doom: str
) -> None:
    points = 12
    begun = [shops.fresh() for _ in range(points + 1)]
    module = "tests.crash_driver"
    running = [
        project.start("run", "support.yaml", module=module, environ={"DOOM": f"{doom}:{number}"})
        for number, project in enumerate(begun, 1)
    ]
    *killed, whole = [one.wait() for one in running]
    assert [ended.status for ended in killed] == [KILLED] * points
    assert whole.status == ExitStatus.DONE, "there are no more points than these"
    apart = told_apart(begun[:-1], begun)
    ends = [taken_up(project, shops.simulator) for project in apart]
    assert "held" in ends
    assert set(ends) <= {"held", "resumed", "done"}


def taken_up(project: Project, simulator: Simulator) -> str:
    """How a run that was killed goes on."""
    if project.latest.state.is_finished:
        assert project.run("report").status == ExitStatus.DONE
        return "done"
    refund = calls_of(project.latest).get("refund")
    was_open = refund is not None and refund.ended_at is None
    was_sent = bool(project.latest.state.open_calls())
    before = done(project).count("refund")
    ended = project.run("resume")
    if was_open or was_sent:
        assert ended.status == ExitStatus.HELD, ended.err
        assert ("`refund` was begun" in ended.err) == was_open
        assert done(project).count("refund") == before, "nothing is done again by itself"
        ended = project.run("resume", "--on-unknown", "retry_once")
    assert ended.status == ExitStatus.DONE, ended.err
    assert done(project).count("refund") == (before + 1 if was_open else 1)
    check_books(project.latest, simulator, crashed=True)
    asked = posts(simulator, project.latest.state.run)
    assert len(asked) <= 3, "of two turns one may have been in flight"
    return "held" if was_open or was_sent else "resumed"


def test_killed_while_a_tool_works(shops: Shops) -> None:
    project = shops.fresh()
    project.write("slow", "")
    running = project.start("run", "support.yaml")
    for _ in range(600):
        if "refund" in done(project) or "find" in done(project):
            break
        time.sleep(0.05)
    kill(running.pid)
    assert running.wait().status == KILLED
    (project.folder / "slow").unlink()
    ended = project.run("resume")
    assert ended.status == ExitStatus.DONE, ended.err
    assert done(project) == ["find", "find", "refund"], "what only looks is looked at once more"


CALL = f"""\
flowrunner: 1
name: Pay back
tools:
  refund:
    describe: Refund an order
    run: [{sys.executable}, shop.py, refund]
    arguments: {{ order: text }}
    output: {{ did: text, token: {{ type: text, optional: true }} }}
    ask: always
steps:
  - id: pay
    call: refund
    with: {{ order: A17 }}
result: {{ did: "{{{{ steps.pay.output.did }}}}" }}
"""


def test_one_call_without_a_model(project: Project) -> None:
    shop(project, workflow=CALL)
    key = {"OPENAI_API_KEY": "sk-unused-0815-4711"}
    waiting = project.run("run", "support.yaml", environ=key)
    assert waiting.status == ExitStatus.WAITING, waiting.err
    assert project.run("approve", "latest", "pay").status == ExitStatus.DONE
    ended = project.run("resume", environ=key)
    assert ended.status == ExitStatus.DONE, ended.err
    assert ended.result == {"did": "refund"}
    assert done(project) == ["refund"]


def test_what_a_plan_says_of_a_loop(project: Project, simulator: Simulator) -> None:
    shop(project.at(simulator))
    planned = project.run("plan", "support.yaml")
    assert planned.status == ExitStatus.DONE, planned.err
    assert "only a run shows" in planned.out + planned.err
    assert done(project) == []


def test_a_loop_in_a_simulated_run(project: Project) -> None:
    shop(project, ask="never")
    ended = project.run("run", "support.yaml", "--simulate")
    assert ended.status == ExitStatus.DONE, ended.err
    assert done(project) == ["find", "refund"]


WAYS = f"""\
flowrunner: 1
name: Ways
defaults: {{ model: gpt-5.4 }}
tools:
  find:
    describe: Look up an order
    run: [{sys.executable}, shop.py, find]
    arguments: {{ order: text }}
    changes_things: false
  note: {{ describe: Note, run: [{sys.executable}, -c, "print(input())"], input: text, ask: never }}
steps:
  - {{ id: talk, prompt: Help A1, tools: [find, note], conversation: {{ name: c }} }}
  - {{ id: talk_on, prompt: And A2, tools: [find], conversation: {{ name: c }} }}
  - {{ id: unkept, prompt: Help A3, tools: [find, note], store: false }}
  - {{ id: unkept_on, prompt: More, continue: unkept }}
  - {{ id: kept, prompt: Help A4, tools: [find], tool_choice: required }}
  - {{ id: kept_on, prompt: More, continue: kept }}
  - {{ id: one_by_one, prompt: Help A5, tools: [find, note], parallel_tool_calls: false }}
  - {{ id: streamed, prompt: Help A6, tools: [find], delivery: stream }}
  - {{ id: background, prompt: Help A7, tools: [find], delivery: background }}
  - {{ id: shaped, prompt: Help A8, tools: [find], output: {{ n: integer }} }}
result: "{{{{ steps.shaped.output.n }}}}"
"""


def test_a_server_accepts_a_loop_in_every_way(project: Project, simulator: Simulator) -> None:
    """Pitfalls 14.1 to 14.7: what does not belong together is refused, as the API does."""
    shop(project.at(simulator), workflow=WAYS)
    ended = project.run("run", "support.yaml", "--wait")
    assert ended.status == ExitStatus.DONE, ended.err
    assert {call.status for call in simulator.ledger} == {200}
    state = project.latest.state
    turns = {unit: max(call.turn for call in step.calls) for unit, step in state.steps.items()}
    assert turns.pop("one_by_one") == 3
    assert set(turns.values()) == {2}
    check_books(project.latest, simulator)
