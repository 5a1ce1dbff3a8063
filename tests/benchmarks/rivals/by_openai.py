"""The official package as it comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
from asking import MODEL, Ask, main


@asynccontextmanager
async def asking(base_url: str) -> AsyncIterator[Ask]:
    async with openai.AsyncOpenAI(api_key="sk-bench", base_url=base_url) as client:

        async def ask(text: str) -> str:
            return (await client.responses.create(model=MODEL, input=text)).output_text

        yield ask


main(asking)
