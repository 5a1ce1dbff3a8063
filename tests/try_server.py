"""Speaks with any server of tools as a run would: lists its tools, and calls one where told to.

    python tests/try_server.py npx -y @modelcontextprotocol/server-everything
    python tests/try_server.py --call echo '{"message": "hi"}' -- npx -y …
    python tests/try_server.py https://example.com/mcp

For people; no test runs it, since most such servers have to be fetched first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

from flowrunner.language.tools import McpTool
from flowrunner.tools import McpServer


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--call", nargs=2, metavar=("TOOL", "ARGUMENTS"))
    parser.add_argument("server", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    words = tuple(word for word in options.server if word != "--")
    is_url = words[0].startswith(("http://", "https://"))
    place = {"url": words[0]} if is_url else {"command": words}
    name = options.call[0] if options.call else ""
    # Which tools it has is only known from what it says of one that it has not.
    kind = McpTool((name or "-",), hosts=("127.0.0.1", "localhost"), **place)
    server = McpServer(kind, folder=Path.cwd(), environ=os.environ)
    try:
        print(await server.list_tools(60))
        if options.call:
            print(await server.call(name, json.loads(options.call[1]), 60))
    finally:
        await server.aclose()


if __name__ == "__main__":
    asyncio.run(main())
