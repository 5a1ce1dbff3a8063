"""What the scripts beside this one have in common: who asks how often, and how many at once.

`by_….py BASE_URL CALLS AT_ONCE` asks CALLS times; `AT_ONCE` of 1 asks one after another, each with
the answer before it. Prints the number of answers.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

MODEL = "gpt-6-luna"
Ask = Callable[[str], Awaitable[str]]


async def ask_all(ask: Ask, calls: int, at_once: int) -> list[str]:
    slots = asyncio.Semaphore(at_once)

    async def ask_one(text: str) -> str:
        async with slots:
            return await ask(text)

    texts: list[str] = []
    if at_once > 1:
        return await asyncio.gather(*(ask_one(f"Say done {number}.") for number in range(calls)))
    for number in range(calls):
        texts.append(await ask_one(f"Say done {number}. {texts[-1] if texts else ''}"))
    return texts


def main(asking: Callable[[str], AbstractAsyncContextManager[Ask]]) -> None:
    """Ask as the command line says; `asking` opens a client for a base URL."""
    base_url, calls, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    async def run() -> None:
        async with asking(base_url) as ask:
            print(len(await ask_all(ask, calls, at_once)))

    asyncio.run(run())
