// Runs a script of calls through the TypeScript client, which shares no code with the server.
//
// usage: client.mjs SCRIPT stdio COMMAND [ARG ...] | client.mjs SCRIPT http URL
// Prints one JSON array: what each wire revision answered to each step. The packages are found from
// the folder named by CLIENTS_NODE.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const folder = process.env.CLIENTS_NODE ?? process.cwd();
const require = createRequire(pathToFileURL(path.join(folder, "package.json")));
const { Client, StreamableHTTPClientTransport } = await import(
  pathToFileURL(require.resolve("@modelcontextprotocol/client"))
);
const { StdioClientTransport } = await import(
  pathToFileURL(require.resolve("@modelcontextprotocol/client/stdio"))
);

const [script, kind, ...rest] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(script, "utf8"));

function transport() {
  return kind === "stdio"
    ? new StdioClientTransport({ command: rest[0], args: rest.slice(1), stderr: "ignore" })
    : new StreamableHTTPClientTransport(new URL(rest[0]));
}

async function take(client, step, thread) {
  const args = { ...step.arguments };
  switch (step.do) {
    case "tools/list":
      return { names: (await client.listTools()).tools.map((one) => one.name).sort() };
    case "prompts/list":
      return { names: (await client.listPrompts()).prompts.map((one) => one.name).sort() };
    case "resources/templates/list": {
      const listed = (await client.listResourceTemplates()).resourceTemplates;
      return { names: listed.map((one) => one.uriTemplate).sort() };
    }
    case "tools/call": {
      if (args.continuation_id) args.continuation_id = thread.id;
      const result = await client.callTool({ name: step.name, arguments: args });
      thread.id = result._meta?.["dev.exai/reply"]?.continuation_id;
      return {
        is_error: Boolean(result.isError),
        text: result.content[0].text,
        structured: result.structuredContent,
      };
    }
    case "prompts/get": {
      const result = await client.getPrompt({ name: step.name, arguments: args });
      return { text: result.messages[0].content.text };
    }
    case "resources/read":
      return { text: (await client.readResource({ uri: step.uri })).contents[0].text };
  }
  throw new Error(`there is no step ${step.do}`);
}

async function run(mode, options) {
  const client = new Client({ name: "independent-client", version: "1.0.0" }, options);
  await client.connect(transport());
  const outcomes = [];
  const thread = {};
  for (const step of steps) {
    try {
      outcomes.push(await take(client, step, thread));
    } catch (error) {
      if (error.code === undefined) throw error;
      outcomes.push({ error: error.message, code: error.code });
    }
  }
  await client.close();
  return { mode, outcomes };
}

const results = [
  await run("2025-11-25", {}),
  await run("2026-07-28", { versionNegotiation: { mode: { pin: "2026-07-28" } } }),
];
console.log(JSON.stringify(results));
