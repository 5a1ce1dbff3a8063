"""Tools from the command line: people at other shells, items that wait each for itself, secrets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from wire_server import Peer, RawServer, Received, reply

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books
from tests.test_attacks_tools import (
    ACTS,
    LOOKS,
    begun,
    calls,
    calm,
    done_by_tools,
    help_with,
    in_order,
    on_record,
    replies,
)
from tests.test_cli_canary import KEY, _check
from tests.test_cli_state import asked
from tests.test_engine_tools import function

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs are forked")

Simulate = Callable[..., Simulator]
BOTH = f"tools:\n{LOOKS}{ACTS}"


def decide(project: Project, unit: str, *words: str) -> None:
    """Somebody decides at another shell."""
    run = project.latest.folder.name
    done = project.run("approve", run, unit, *words)
    assert done.status == ExitStatus.DONE, done.err


def resumed(project: Project) -> ExitStatus:
    return ExitStatus(calm(project.run("resume", project.latest.folder.name)).status)


@pytest.mark.parametrize("granted", [True, False], ids=["agreed", "denied"])
def test_several_open_calls_wait_for_one_word_and_are_paid_for_once(
    project: Project, simulate: Simulate, granted: bool
) -> None:
    items = [
        function("look", {"x": "l1"}, "c1"),
        function("act", {"x": "a1"}, "c2"),
        function("look", {"x": 7}, "c3"),
        function("act", {"x": "a2"}, "c4"),
        function("nuke", {}, "c5"),
    ]
    simulator = simulate(replies=in_order(calls(*items), "Done."))
    waiting = begun(project, simulator, BOTH + help_with("look, act"))
    assert waiting.status == ExitStatus.WAITING
    assert done_by_tools(project) == []
    decide(project, "help", *([] if granted else ["--deny", "--reason", "not today"]))
    assert resumed(project) is ExitStatus.DONE
    told = replies(simulator)
    assert list(told) == ["c1", "c2", "c3", "c4", "c5"], "all of them, in their order"
    acted = [name for name in ("l1", "a1", "a2") if f'"{name}"' in "".join(done_by_tools(project))]
    assert acted == (["l1", "a1", "a2"] if granted else ["l1"])
    for call_id in ("c2", "c4"):
        assert (told[call_id] == "ok\n") is granted
        assert ("denied this call: not today" in told[call_id]) is not granted
    assert "do not fit" in told["c3"]
    assert "there is no tool" in told["c5"]
    assert len(asked(simulator)) == 2
    check_books(project.latest, simulator)


def test_one_word_serves_one_turn(project: Project, simulate: Simulate) -> None:
    """What was agreed to once is not agreed to again, though the arguments are the same."""
    turns = [calls(function("act", {"x": "same"}, f"c{n}")) for n in (1, 2)]
    simulator = simulate(replies=in_order(*turns, "Done."))
    assert begun(project, simulator, BOTH + help_with("act, look")).status == ExitStatus.WAITING
    decide(project, "help")
    assert resumed(project) is ExitStatus.WAITING
    assert [call.has_run for call in on_record(project)] == [True]
    assert resumed(project) is ExitStatus.WAITING
    again = project.run("approve", "latest", "help", "--deny")
    assert again.status == ExitStatus.DONE, again.err
    assert resumed(project) is ExitStatus.DONE
    assert [call.not_run for call in on_record(project)] == [None, "denied"]
    assert len(asked(simulator)) == 3


def test_each_item_waits_for_its_own_word(project: Project, simulate: Simulate) -> None:
    def model(body: dict[str, Any]) -> Any:
        given = body["input"]
        if isinstance(given, str):
            return calls(function("act", {"x": given}, f"call_{given}"))
        return f"It came to this: {given[0]['output']}"

    simulator = simulate(replies=model)
    steps = """steps:
  - { id: each, for_each: [one, two, three], prompt: "{{ item }}", tools: [act] }
result: "{{ steps.each.results | map(attribute='text') | join('; ') }}"
"""
    waiting = begun(project, simulator, f"tools:\n{ACTS}{steps}")
    assert waiting.status == ExitStatus.WAITING, waiting.err
    assert len(asked(simulator)) == 3
    decide(project, "each[2]")
    assert resumed(project) is ExitStatus.WAITING
    assert [bool(on_record(project, f"each[{n}]")) for n in (1, 2, 3)] == [False, True, False]
    decide(project, "each[1]", "--deny", "--reason", "no")
    decide(project, "each[3]")
    assert resumed(project) is ExitStatus.DONE
    assert len(asked(simulator)) == 6, "each is asked for once and answered once"
    assert '"one"' not in "".join(done_by_tools(project))
    assert '"three"' in "".join(done_by_tools(project))
    denied = [call.not_run for n in (1, 2, 3) for call in on_record(project, f"each[{n}]")]
    assert denied == ["denied", None, None]
    check_books(project.latest, simulator)


def test_secrets_of_tools_are_in_no_file_and_no_line(project: Project, simulate: Simulate) -> None:
    """What a header and a program are given comes back in answers, errors and on stderr."""

    def echo(peer: Peer, request: Received) -> None:
        status = "500 No" if "bad" in request.path else "200 OK"
        peer.send(reply({"you sent": request.headers["authorization"]}, status))

    code = (
        "import os, sys; token = os.environ['SHOP_TOKEN']\n"
        "print(token, file=sys.stderr); sys.exit('no ' + token)"
    )
    with RawServer(echo) as server:
        headers = "headers: { Authorization: { env: SHOP_TOKEN } }, hosts: [127.0.0.1]"
        flow = f"""env: [SHOP_TOKEN]
tools:
  good: {{ describe: G, http: {{ url: '{server.url}/good', {headers} }}, arguments: {{}} }}
  bad: {{ describe: B, http: {{ url: '{server.url}/bad', {headers} }}, arguments: {{}} }}
  prog: {{ describe: P, run: [{sys.executable}, leak.py], env: [SHOP_TOKEN], arguments: {{}},
          changes_things: false }}
{help_with("good, bad, prog")}result: "{{{{ steps.help.tool_calls }}}}"
"""
        project.write("leak.py", code)
        items = [function(name, {}, name) for name in ("good", "bad", "prog")]
        simulator = simulate(replies=in_order(calls(*items), "Done."))
        done = begun(project, simulator, flow, environ={"SHOP_TOKEN": KEY})
    assert done.status == ExitStatus.DONE, done.err
    assert [request.headers["authorization"] for request in server.requests] == [KEY] * 2
    assert KEY not in json.dumps([call.body for call in asked(simulator)])
    shown = [project.run("show", "latest", *words) for words in ([], ["help"])]
    _check(project, done, *shown)
