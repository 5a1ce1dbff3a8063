"""The same as by_aiohttp.py with the official package as it comes."""

import asyncio
import sys

import openai


async def main(base_url: str, calls: int, at_once: int) -> None:
    slots = asyncio.Semaphore(at_once)
    async with openai.AsyncOpenAI(api_key="sk-bench", base_url=base_url) as client:

        async def ask(text: str) -> str:
            async with slots:
                return (await client.responses.create(model="gpt-6-luna", input=text)).output_text

        texts: list[str] = []
        if at_once == 1:
            for number in range(calls):
                texts.append(await ask(f"Say done {number}. {texts[-1] if texts else ''}"))
        else:
            texts = await asyncio.gather(*(ask(f"Say done {number}.") for number in range(calls)))
    print(len(texts))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
