"""A `run:` step: a local command, its words filled in, its answer read."""

from __future__ import annotations

import json
from dataclasses import replace

from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.leaves import already, fingerprint
from flowrunner.engine.ports import Stopped
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, StepResult
from flowrunner.json_text import NotJson, parse
from flowrunner.language.forms import fill
from flowrunner.language.templates import Empty
from flowrunner.language.workflow import Command
from flowrunner.tools.command import run_command
from flowrunner.tools.programs import command_environment
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest
from flowrunner.tools.words import NotText, describe_end, text_of


async def command(unit: Unit) -> Ending:
    """Run the command; what it printed is the result.

    One that changes things and was begun by a process that died is not begun again.
    """
    verb = unit.step.verb
    assert isinstance(verb, Command)
    words = verb.words(unit.scope())
    given = fill(verb.stdin, unit.scope()) if verb.stdin is not None else None
    mark = fingerprint("run", list(words), given)
    known = already(unit, mark) or _begun_before(unit, verb)
    if known is not None:
        return known
    if unit.is_over(False):
        raise Stopped
    await unit.started(mark)
    attempts = 1 if verb.changes_things else unit.step.retry.attempts
    ending = await _once(unit, verb, words, given, 1)
    for number in range(2, attempts + 1):
        if ending.status == "succeeded":
            break
        ending = await _once(unit, verb, words, given, number)
    return replace(ending, fingerprint=mark)


def _begun_before(unit: Unit, verb: Command) -> Ending | None:
    before = unit.before
    asks_again = unit.shared.plan.settings.asks_held
    if before is None or before.status != "running" or not verb.changes_things or asks_again:
        return None
    message = "the command was begun and flowrunner ended before it did; it may have changed things"
    help_ = (
        f"look at what it did; `flowrunner resume {unit.shared.plan.run} --on-unknown retry_once`"
    )
    return Ending("unknown", "lost", message, f"{help_} runs it again", StepResult("unknown"))


async def _once(
    unit: Unit, verb: Command, words: tuple[str, ...], given: JSON, number: int
) -> Ending:
    stand_ins = unit.shared.ports.stand_ins
    said = None if stand_ins is None else stand_ins.program(unit.name, number)
    if said is not None:
        return _read(verb, said)
    request = CommandRequest(
        argv=words,
        folder=unit.place.file.workflow.folder,
        env=command_environment(unit.shared.ports.environ, verb.env),
        stdin=_stdin(given),
        timeout_s=max(unit.left_s(), 0.0),
    )
    try:
        async with unit.shared.limits.room():
            end = await run_command(request)
    except CannotStart as fault:
        return failed("no-program", fault.message, fault.help)
    return _read(verb, end)


def _stdin(given: JSON) -> bytes | None:
    if given is None or isinstance(given, Empty):
        return None
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return text.encode()


def _read(verb: Command, end: CommandEnd) -> Ending:
    if not end.succeeded:
        return failed("timeout" if end.timed_out else "exit", describe_end(end))
    try:
        text = text_of(end.stdout).removesuffix("\n")
    except NotText as fault:
        return failed("not-text", str(fault))
    if not verb.has_output:
        return Ending("succeeded", result=StepResult("succeeded", text=text))
    try:
        output, faults = verb.read_output(parse(text))
    except NotJson as raised:
        return failed("not-json", f"what the command printed is not JSON: {raised}")
    if faults:
        said = "; ".join(faults)
        return failed("wrong-shape", f"what the command printed does not fit `output`: {said}")
    result = StepResult("succeeded", text=text, output=output, has_output=True)
    return Ending("succeeded", result=result)
