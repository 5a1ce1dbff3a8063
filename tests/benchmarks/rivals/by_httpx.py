"""What a careful person would write by hand with httpx, its limits on connections lifted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from asking import MODEL, Ask, main


@asynccontextmanager
async def asking(base_url: str) -> AsyncIterator[Ask]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"Authorization": "Bearer sk-bench"}
    async with httpx.AsyncClient(limits=limits, headers=headers, timeout=60) as client:

        async def ask(text: str) -> str:
            body = {"model": MODEL, "input": text}
            reply = await client.post(f"{base_url}/responses", json=body)
            return str(reply.json()["output"][0]["content"][0]["text"])

        yield ask


main(asking)
