"""What a careful person would write by hand with aiohttp."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from asking import MODEL, Ask, main


@asynccontextmanager
async def asking(base_url: str) -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": "Bearer sk-bench"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(text: str) -> str:
            body = {"model": MODEL, "input": text}
            async with session.post(f"{base_url}/responses", json=body) as reply:
                answer = await reply.json()
                return str(answer["output"][0]["content"][0]["text"])

        yield ask


main(asking)
