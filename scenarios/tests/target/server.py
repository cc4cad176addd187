from fastmcp import FastMCP

mcp = FastMCP("notes")
reads = {"readOnlyHint": True, "openWorldHint": False}


@mcp.tool(annotations=reads)
def echo(message: str) -> str:
    """Gives back what it is given."""
    return message


@mcp.tool(annotations=reads)
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


mcp.run(show_banner=False)
