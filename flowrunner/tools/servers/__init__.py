"""Servers of tools (MCP) that flowrunner starts or asks itself, through the package `mcp`.

That package is an extra (`flowrunner[mcp]`); only `connection` and `carrier` import it, and they
are imported when the first server is needed.

    server      `McpServer`: one declared server during a run
    listing     the tools it has, pinned by a hash
    content     what a call gave, as content parts of the API
    connection  the official client over our own program or wire
    carrier     its HTTP over our wire
"""

from flowrunner.tools.servers.listing import Listing
from flowrunner.tools.servers.server import McpServer

__all__ = ["Listing", "McpServer"]
