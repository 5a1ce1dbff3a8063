"""A process of its own for the tests of the journal: it appends, says so, and dies as told.

Every line it prints is the number of a record that was acknowledged, or a word about its end.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from journal_histories import (
    NOW,
    address,
    approval_asked,
    call_answered,
    call_sent,
    clock,
    run_started,
    small_history,
    step_finished,
    step_started,
)

from flowrunner.errors import FlowrunnerError
from flowrunner.events import Event
from flowrunner.journal.decisions import decide
from flowrunner.journal.index import Index
from flowrunner.journal.journal import Journal

WRITERS = 16


def say(text: object) -> None:
    """Unbuffered, so that it is told before whatever comes next."""
    os.write(1, f"{text}\n".encode())


async def write_items(journal: Journal, writer: int, told: Callable[[int], None]) -> None:
    """Items without end, each record told after its acknowledgement."""
    item = writer
    while True:
        item += WRITERS
        unit = f"extract[{journal.epoch * 1_000_000 + item}]"
        events = (
            step_started(unit),
            call_sent(address(unit)),
            call_answered(address(unit)),
            step_finished(unit, result={"text": "x" * 3000}),
        )
        for event in events:
            told(await journal.append(event))


async def crowd(journal: Journal, told: Callable[[int], None]) -> None:
    await asyncio.gather(*(write_items(journal, writer, told) for writer in range(WRITERS)))


def die_after(folder: Path, count: int) -> None:
    """Kill itself the moment the record that is number `count` of this process is told."""
    with opened(folder) as journal:
        seen = 0

        def told(seq: int) -> None:
            nonlocal seen
            say(seq)
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(crowd(journal, told))


def live_shortly(folder: Path, _: int) -> None:
    """Create or go on with a run, append its few records one by one, close."""
    with opened(folder) as journal:
        for event in small_history():
            say(asyncio.run(journal.append(event)))


def opened(folder: Path) -> Journal:
    if (folder / "journal.db").exists():
        return Journal.open(folder, writable=True)
    return Journal.create(folder, {"workflow": "x"}, clock)


def fill_up(folder: Path, limit: int) -> None:
    """Append until the file system (here: a limit on the size of a file) takes no more."""
    with opened(folder) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        asyncio.run(until_refused(journal))


def until_taken_away(folder: Path, _: int) -> None:
    """Append while someone takes the folder away, told over stdin when that is done."""
    with opened(folder) as journal:
        say(asyncio.run(journal.append(step_started())))
        sys.stdin.readline()
        asyncio.run(until_refused(journal))


async def until_refused(journal: Journal) -> None:
    refused = []

    async def one(writer: int) -> None:
        try:
            await write_items(journal, writer, say)
        except FlowrunnerError as error:
            refused.append(error)

    await asyncio.gather(*map(one, range(WRITERS)))
    try:
        await journal.append(step_started())
    except FlowrunnerError as error:
        refused.append(error)
    for error in refused:
        say(f"{type(error).__name__}: {error.message}")


def own(folder: Path, _: int) -> None:
    """Own the run until stdin ends."""
    with opened(folder) as journal:
        say(journal.epoch)
        sys.stdin.readline()


def read(folder: Path, _: int) -> None:
    """Read everything, then stop."""
    with Journal.open(folder) as journal:
        journal.verify()
        say(journal.last_seq)


def take_over(folder: Path, _: int) -> None:
    """Try to own the run for a moment."""
    with Journal.open(folder, writable=True) as journal:
        say(journal.epoch)


def die_asking(folder: Path, _: int) -> None:
    """Ask a person, then die."""
    with opened(folder) as journal:
        asked = [run_started("send"), step_started("send"), approval_asked("send")]
        asyncio.run(journal.append_many(asked))
        os.kill(os.getpid(), signal.SIGKILL)


def approve(folder: Path, number: int) -> None:
    """Be person `number` and agree to `send[number]`."""
    decide(folder, f"send[{number}]", granted=True, by=f"person {number}", why=None, at=NOW)


def die_with_results(folder: Path, _: int) -> None:
    """Finish a step, then die."""
    with opened(folder) as journal:
        asyncio.run(journal.append_many([run_started("triage"), had("triage", "f1")]))
        os.kill(os.getpid(), signal.SIGKILL)


def had(unit: str, fingerprint: str) -> Event:
    result = {"status": "succeeded", "text": f"{unit} at {NOW}"}
    return replace(step_finished(unit, at=NOW, result=result), fingerprint=fingerprint)


def run_and_index(project: Path, number: int) -> None:
    """Make runs, add each to the index of the project, and find it again."""
    for round_ in range(5):
        folder = project / ".flowrunner" / "runs" / f"2026092{number}-120000-000{round_}"
        history = [run_started(), had("own", f"own {number}"), had("shared", "shared")]
        with (
            Index.open(project) as index,
            Journal.create(folder, {}, clock, inline=True) as journal,
        ):
            asyncio.run(journal.append_many(history))
            index.add_run(folder)
        with Index.open(project) as index:
            found = index.look_up(f"own {number}", nth=round_ + 1)
            assert found is not None
            assert index.look_up(f"own {number}", nth=round_ + 2) is None


if __name__ == "__main__":
    actions = {
        action.__name__: action
        for action in (
            *(die_after, live_shortly, fill_up, until_taken_away, own, read, take_over),
            *(die_asking, approve, die_with_results, run_and_index),
        )
    }
    if len(sys.argv) > 4 and os.getuid() == 0:
        os.setuid(int(sys.argv[4]))  # root may write anywhere
    try:
        actions[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    except FlowrunnerError as error:
        say(f"{type(error).__name__}: {error.message}")
        sys.exit(error.exit_status)
