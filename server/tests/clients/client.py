"""Lists and calls the tools through the Python `mcp` client, which shares no code with the server.

usage: client.py stdio COMMAND [ARG ...] | client.py http URL
Prints one JSON object: what each wire revision listed and answered.
"""

import asyncio
import json
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters


async def run(target, mode):
    async with Client(target, mode=mode) as client:
        listed = await client.list_tools()
        version = await client.call_tool("version", {})
        chat = await client.call_tool("chat", {"prompt": "Say one short sentence."})
        refused = await client.call_tool("chat", {"prompt": "hello", "colour": "blue"})
        return {
            "mode": mode,
            "tools": sorted(tool.name for tool in listed.tools),
            "version_is_error": bool(version.is_error),
            "chat_is_error": bool(chat.is_error),
            "chat": chat.content[0].text,
            "bad_argument_is_error": bool(refused.is_error),
            "bad_argument": refused.structured_content,
        }


async def main():
    kind, *rest = sys.argv[1:]
    if kind == "stdio":
        target = StdioServerParameters(command=rest[0], args=rest[1:])
    else:
        target = rest[0]
    results = [await run(target, mode) for mode in ("legacy", "auto")]
    print(json.dumps(results))


asyncio.run(main())
