// Lists and calls the tools through the TypeScript client, which shares no code with the server.
//
// usage: client.mjs stdio COMMAND [ARG ...] | client.mjs http URL
// Prints one JSON array: what each wire revision listed and answered. The packages are found from
// the folder named by EXAI_NODE_CLIENT.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const folder = process.env.EXAI_NODE_CLIENT ?? process.cwd();
const require = createRequire(pathToFileURL(path.join(folder, "package.json")));
const { Client, StreamableHTTPClientTransport } = await import(
  pathToFileURL(require.resolve("@modelcontextprotocol/client"))
);
const { StdioClientTransport } = await import(
  pathToFileURL(require.resolve("@modelcontextprotocol/client/stdio"))
);

const [kind, ...rest] = process.argv.slice(2);

function transport() {
  return kind === "stdio"
    ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), stderr: "ignore" })
    : new StreamableHTTPClientTransport(new URL(rest[0]));
}

async function run(mode, options) {
  const client = new Client({ name: "independent-client", version: "1.0.0" }, options);
  await client.connect(transport());
  const listed = await client.listTools();
  const version = await client.callTool({ name: "version", arguments: {} });
  const chat = await client.callTool({
    name: "chat",
    arguments: { prompt: "Say one short sentence." },
  });
  const refused = await client.callTool({
    name: "chat",
    arguments: { prompt: "hello", colour: "blue" },
  });
  await client.close();
  return {
    mode,
    tools: listed.tools.map((tool) => tool.name).sort(),
    version_is_error: Boolean(version.isError),
    chat_is_error: Boolean(chat.isError),
    chat: chat.content[0].text,
    bad_argument_is_error: Boolean(refused.isError),
    bad_argument: refused.structuredContent,
  };
}

const results = [
  await run("2025-11-25", {}),
  await run("2026-07-28", { versionNegotiation: { mode: { pin: "2026-07-28" } } }),
];
console.log(JSON.stringify(results));
