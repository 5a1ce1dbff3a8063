"""What a careful person would write by hand with aiohttp: so many calls, so many at once, a chain.

`by_aiohttp.py BASE_URL CALLS AT_ONCE` asks CALLS times; `AT_ONCE` of 1 asks one after another, each
with the answer before it. Prints the number of answers.
"""

import asyncio
import sys

import aiohttp


async def main(base_url: str, calls: int, at_once: int) -> None:
    slots = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": "Bearer sk-bench"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(text: str) -> str:
            body = {"model": "gpt-6-luna", "input": text}
            async with slots, session.post(f"{base_url}/responses", json=body) as reply:
                answer = await reply.json()
                return str(answer["output"][0]["content"][0]["text"])

        texts: list[str] = []
        if at_once == 1:
            for number in range(calls):
                texts.append(await ask(f"Say done {number}. {texts[-1] if texts else ''}"))
        else:
            texts = await asyncio.gather(*(ask(f"Say done {number}.") for number in range(calls)))
    print(len(texts))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
