// Runs a script of calls through the command line of MCP Inspector, one process a step.
//
// usage: inspector.mjs SCRIPT stdio COMMAND [ARG ...] | inspector.mjs SCRIPT http URL
// Prints one JSON array: what each wire revision answered to each step. The package is found in the
// folder named by CLIENTS_NODE.
import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import path from "node:path";

const folder = process.env.CLIENTS_NODE ?? process.cwd();
const inspector = path.join(folder, "node_modules/.bin/mcp-inspector");
const [script, kind, ...target] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(script, "utf8"));

function ask(era, words) {
  const own = ["--protocol-era", era, ...words];
  // A server's own flags must not be taken for the inspector's.
  const line = kind === "stdio" ? [...own, "--", ...target] : [...target, "--transport", kind, ...own];
  const { status, stdout, stderr, error } = spawnSync(inspector, ["--cli", ...line], {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (error) throw error;
  // An isError result is printed whole, with exit code 5 and a note on standard error.
  if (stdout.trim()) return { answer: JSON.parse(stdout) };
  const refused = stderr.split("\n").map((line) => line.trim()).filter((line) => line.startsWith("{"));
  if (status === 0 || !refused.length) throw new Error(`${words.join(" ")}: ${status} ${stderr}`);
  return { refused: JSON.parse(refused.at(-1)).error.message };
}

const pairs = (fields) =>
  Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);

function words(step, thread) {
  const args = { ...step.arguments };
  if (args.continuation_id) args.continuation_id = thread.id;
  const given = pairs(args);
  switch (step.do) {
    case "tools/call":
      return ["--tool-name", step.name, ...given.flatMap((pair) => ["--tool-arg", pair])];
    case "prompts/get":
      return ["--prompt-name", step.name, ...given.flatMap((pair) => ["--prompt-args", pair])];
    case "resources/read":
      return ["--uri", step.uri];
    default:
      return [];
  }
}

function take(era, step, thread) {
  const { answer, refused } = ask(era, ["--method", step.do, ...words(step, thread)]);
  if (refused !== undefined) return { error: refused };
  switch (step.do) {
    case "tools/list":
      return { names: answer.tools.map((one) => one.name).sort() };
    case "prompts/list":
      return { names: answer.prompts.map((one) => one.name).sort() };
    case "resources/templates/list":
      return { names: answer.resourceTemplates.map((one) => one.uriTemplate).sort() };
    case "tools/call":
      thread.id = answer._meta?.["dev.exai/reply"]?.continuation_id;
      return {
        is_error: Boolean(answer.isError),
        text: answer.content[0].text,
        structured: answer.structuredContent,
      };
    case "prompts/get":
      return { text: answer.messages[0].content.text };
    case "resources/read":
      return { text: answer.contents[0].text };
  }
  throw new Error(`there is no step ${step.do}`);
}

const results = ["legacy", "modern"].map((mode) => {
  const thread = {};
  return { mode, outcomes: steps.map((step) => take(mode, step, thread)) };
});
console.log(JSON.stringify(results));
