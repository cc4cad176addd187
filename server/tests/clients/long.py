"""Calls chat through the Python `mcp` client until its answer is whole.

usage: long.py stdio|http MODE PROMPT MODEL TARGET [ARG ...], MODE is legacy or auto
Prints one JSON object: the answer, the calls it took and the longest of them in seconds.
"""

import asyncio
import json
import sys
import time

from mcp import Client
from mcp.client.stdio import StdioServerParameters


async def main():
    kind, mode, prompt, model, target, *rest = sys.argv[1:]
    if kind == "stdio":
        target = StdioServerParameters(command=target, args=rest)
    async with Client(target, mode=mode) as client:
        tool, arguments = "chat", {"prompt": prompt, "model": model}
        calls, longest = 0, 0.0
        while True:
            began = time.monotonic()
            said = await client.call_tool(tool, arguments)
            calls, longest = calls + 1, max(longest, time.monotonic() - began)
            status = said.structured_content or {}
            if status.get("status") != "in_progress":
                break
            tool, arguments = status["next_call"]["tool"], status["next_call"]["arguments"]
    text = said.content[0].text
    print(json.dumps({"text": text, "calls": calls, "longest": longest}))


asyncio.run(main())
