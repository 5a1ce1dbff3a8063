"""What a durable record costs and how fast a long run is read again; run it by hand.

    python tests/benchmarks/journal.py [folder]

CPU is that of the whole process (the loop, the writer thread, SQLite); figures of one run may be
compared with each other, not with those of another machine or day.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flowrunner.events import (
    Address,
    CallAnswered,
    CallSent,
    Event,
    RunStarted,
    Segment,
    StepFinished,
    StepStarted,
    Usage,
)
from flowrunner.journal.journal import Journal

WRITERS = (1, 16, 1000)
RECORDS = 16_000
STEPS = 100_000
WORDS = [f"{letter}{number}" for letter in "abcdefghij" for number in range(200)]


def item_events(item: int, texts: random.Random) -> Iterator[Event]:
    """The four records of one item of a fan-out, with texts of about 2 KB."""
    address = Address((Segment("extract", item),))
    prompt = " ".join(texts.choices(WORDS, k=400))
    at = 1_700_000_000.0 + item
    yield StepStarted(at=at, address=address, verb="prompt")
    yield CallSent(
        at=at,
        address=address,
        model="gpt-5-mini",
        client_request_id=f"20261122-070000-7f3a/extract[{item}]/1/1/1",
        request_sha256=f"{item:064x}",
        request={"model": "gpt-5-mini", "input": prompt},
    )
    yield CallAnswered(
        at=at + 1,
        address=address,
        http_status=200,
        status="completed",
        request_id=f"req_{item:032x}",
        response_id=f"resp_{item:048x}",
        model="gpt-5-mini-2026-08-07",
        service_tier="default",
        usage=Usage(input=612, output=98, reasoning=64),
        cost_usd=0.000349,
        elapsed_s=1.0,
        response={"id": f"resp_{item:048x}", "output": [{"type": "message", "text": prompt}]},
    )
    yield StepFinished(
        at=at + 1,
        address=address,
        verb="prompt",
        status="succeeded",
        result={"status": "succeeded", "text": prompt[:200], "output": {"team": "billing"}},
    )


def crowd_of(writers: int, records: int) -> list[list[Event]]:
    """What each writer appends: whole items, in turn with the others as in a fan-out."""
    texts = random.Random(0)
    return [
        [
            event
            for item in range(writer, records // 4, writers)
            for event in item_events(item + 1, texts)
        ]
        for writer in range(writers)
    ]


async def durable_records(journal: Journal, crowd: list[list[Event]]) -> None:
    """Append records from many writers at once; each waits for its own."""

    async def write(mine: list[Event]) -> None:
        for event in mine:
            await journal.append(event)

    await asyncio.gather(*(write(mine) for mine in crowd))


def measure_writers(folder: Path) -> None:
    print(f"{'writers':>8} {'µs CPU/record':>14} {'µs wall/record':>15} {'MB':>6}")
    for writers in WRITERS:
        records = RECORDS if writers > 1 else RECORDS // 8
        crowd = crowd_of(writers, records)
        home = folder / f"w{writers}"
        with Journal.create(home, {}, time.time) as journal:
            wall, cpu = time.perf_counter(), time.process_time()
            asyncio.run(durable_records(journal, crowd))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size = (home / "journal.db").stat().st_size / 1e6
        print(
            f"{writers:>8} {cpu / records * 1e6:>14.1f} {wall / records * 1e6:>15.1f} {size:>6.1f}"
        )


async def fill(journal: Journal, steps: int) -> None:
    texts = random.Random(0)
    began = RunStarted(
        at=1.7e9,
        run="r",
        workflow="w",
        path="w.yaml",
        provider="openai",
        base_url="https://api.openai.com/v1",
        simulated=False,
        steps=("extract",),
    )
    await journal.append(began)
    for first in range(1, steps + 1, 250):
        items = range(first, first + 250)
        await journal.append_many([event for item in items for event in item_events(item, texts)])


def measure_reading(folder: Path) -> None:
    home = folder / "long"
    with Journal.create(home, {}, time.time) as journal:
        asyncio.run(fill(journal, STEPS))
    gc.collect()
    wall = time.perf_counter()
    with Journal.open(home, writable=True) as journal:
        opened = time.perf_counter() - wall
        state = journal.replay()
        replayed = time.perf_counter() - wall - opened
        assert len(state.steps) == STEPS + 1
        wall = time.perf_counter()
        calls = sum(len(step.calls) for step in state.steps.values())
        print(f"{STEPS:,} steps: open {opened:.2f} s, replay {replayed:.2f} s, ", end="")
        print(f"{calls:,} calls looked at {time.perf_counter() - wall:.2f} s, ", end="")
        wall = time.perf_counter()
        journal.verify()
        print(f"verify {time.perf_counter() - wall:.1f} s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        measure_writers(Path(name))
        measure_reading(Path(name))
