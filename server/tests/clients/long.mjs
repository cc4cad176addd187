// Calls chat through the TypeScript client, at its default time-out, until its answer is whole.
//
// usage: long.mjs stdio|http MODE PROMPT MODEL TARGET [ARG ...], MODE is legacy or auto
// Prints one JSON object: the answer, the calls it took and the longest of them in seconds. The
// packages are found from the folder named by CLIENTS_NODE.
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

const [kind, mode, prompt, model, target, ...rest] = process.argv.slice(2);
const options =
  mode === "auto" ? { versionNegotiation: { mode: { pin: "2026-07-28" } } } : {};
const client = new Client({ name: "independent-client", version: "1.0.0" }, options);
await client.connect(
  kind === "stdio"
    ? new StdioClientTransport({ command: target, args: rest, stderr: "ignore" })
    : new StreamableHTTPClientTransport(new URL(target)),
);
let call = { name: "chat", arguments: { prompt, model } };
let [calls, longest, said] = [0, 0];
for (;;) {
  const began = performance.now();
  said = await client.callTool(call);
  calls += 1;
  longest = Math.max(longest, (performance.now() - began) / 1000);
  const status = said.structuredContent ?? {};
  if (status.status !== "in_progress") break;
  call = { name: status.next_call.tool, arguments: status.next_call.arguments };
}
await client.close();
console.log(JSON.stringify({ text: said.content[0].text, calls, longest }));
