"""Runs a script of calls through the Python `mcp` client, which shares no code with the server.

usage: client.py SCRIPT stdio COMMAND [ARG ...] | client.py SCRIPT http URL
Prints one JSON array: what each wire revision answered to each step.
"""

import asyncio
import json
import sys

from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters


def block(content):
    return getattr(content, "text", None)


async def take(client, step, thread):
    arguments = step.get("arguments", {})
    match step["do"]:
        case "tools/list":
            return {"names": sorted(one.name for one in (await client.list_tools()).tools)}
        case "prompts/list":
            return {"names": sorted(one.name for one in (await client.list_prompts()).prompts)}
        case "resources/templates/list":
            listed = (await client.list_resource_templates()).resource_templates
            return {"names": sorted(one.uri_template for one in listed)}
        case "tools/call":
            if arguments.get("continuation_id"):
                arguments = {**arguments, "continuation_id": thread.get("id")}
            result = await client.call_tool(step["name"], arguments)
            reply = (result.meta or {}).get("dev.exai/reply", {})
            thread["id"] = reply.get("continuation_id")
            return {
                "is_error": bool(result.is_error),
                "text": block(result.content[0]),
                "structured": result.structured_content,
            }
        case "prompts/get":
            result = await client.get_prompt(step["name"], arguments)
            return {"text": block(result.messages[0].content)}
        case "resources/read":
            result = await client.read_resource(step["uri"])
            return {"text": result.contents[0].text}
    raise ValueError(step["do"])


async def run(target, mode, steps):
    outcomes, thread = [], {}
    async with Client(target, mode=mode) as client:
        for step in steps:
            try:
                outcomes.append(await take(client, step, thread))
            except MCPError as error:
                outcomes.append({"error": error.message, "code": error.code})
    return {"mode": mode, "outcomes": outcomes}


async def main():
    script, kind, *rest = sys.argv[1:]
    with open(script) as file:
        steps = json.load(file)
    if kind == "stdio":
        target = StdioServerParameters(command=rest[0], args=rest[1:])
    else:
        target = rest[0]
    results = [await run(target, mode, steps) for mode in ("legacy", "auto")]
    print(json.dumps(results))


asyncio.run(main())
