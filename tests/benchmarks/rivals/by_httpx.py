"""The same as by_aiohttp.py with httpx as it comes, its limits on connections lifted."""

import asyncio
import sys

import httpx


async def main(base_url: str, calls: int, at_once: int) -> None:
    slots = asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"Authorization": "Bearer sk-bench"}
    async with httpx.AsyncClient(limits=limits, headers=headers, timeout=60) as client:

        async def ask(text: str) -> str:
            body = {"model": "gpt-6-luna", "input": text}
            async with slots:
                reply = await client.post(f"{base_url}/responses", json=body)
            return str(reply.json()["output"][0]["content"][0]["text"])

        texts: list[str] = []
        if at_once == 1:
            for number in range(calls):
                texts.append(await ask(f"Say done {number}. {texts[-1] if texts else ''}"))
        else:
            texts = await asyncio.gather(*(ask(f"Say done {number}.") for number in range(calls)))
    print(len(texts))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
