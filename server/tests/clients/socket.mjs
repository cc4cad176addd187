// Runs a script of calls over a plain WebSocket, the one that comes with node: subprotocol `mcp`,
// one JSON-RPC message a frame, no client library.
//
// usage: socket.mjs SCRIPT websocket URL
// Prints one JSON array: what each wire revision answered to each step.
import { readFileSync } from "node:fs";

const [script, , url] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(script, "utf8"));

const stateless = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "plain-socket", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

class Line {
  static async open(mode) {
    const line = new Line();
    line.mode = mode;
    line.last = 0;
    line.waiting = new Map();
    line.socket = new WebSocket(url, ["mcp"]);
    line.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      line.waiting.get(message.id)?.(message);
      line.waiting.delete(message.id);
    };
    await new Promise((opened, failed) => {
      line.socket.onopen = opened;
      line.socket.onerror = failed;
    });
    line.socket.onclose = ({ code, reason }) => {
      if (line.waiting.size) throw new Error(`closed with answers due: ${code} ${reason}`);
    };
    if (mode === "2025-11-25") {
      const clientInfo = { name: "plain-socket", version: "1.0.0" };
      await line.ask("initialize", { protocolVersion: mode, capabilities: {}, clientInfo });
      line.socket.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
    }
    return line;
  }

  async ask(method, params) {
    const id = ++this.last;
    const whole = this.mode === "2026-07-28" ? { ...params, _meta: stateless } : params;
    const answered = new Promise((answer) => this.waiting.set(id, answer));
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params: whole }));
    const { result, error } = await answered;
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  }
}

async function take(line, step, thread) {
  const given = { ...step.arguments };
  if (given.continuation_id) given.continuation_id = thread.id;
  const params = { name: step.name, uri: step.uri, arguments: step.arguments && given };
  const result = await line.ask(step.do, params);
  switch (step.do) {
    case "tools/list":
      return { names: result.tools.map((one) => one.name).sort() };
    case "prompts/list":
      return { names: result.prompts.map((one) => one.name).sort() };
    case "resources/templates/list":
      return { names: result.resourceTemplates.map((one) => one.uriTemplate).sort() };
    case "tools/call":
      thread.id = result._meta?.["dev.exai/reply"]?.continuation_id;
      return {
        is_error: Boolean(result.isError),
        text: result.content[0].text,
        structured: result.structuredContent,
      };
    case "prompts/get":
      return { text: result.messages[0].content.text };
    case "resources/read":
      return { text: result.contents[0].text };
  }
  throw new Error(`there is no step ${step.do}`);
}

const results = [];
for (const mode of ["2025-11-25", "2026-07-28"]) {
  const line = await Line.open(mode);
  const outcomes = [];
  const thread = {};
  for (const step of steps) {
    try {
      outcomes.push(await take(line, step, thread));
    } catch (error) {
      if (error.code === undefined) throw error;
      outcomes.push({ error: error.message, code: error.code });
    }
  }
  line.socket.close();
  results.push({ mode, outcomes });
}
console.log(JSON.stringify(results));
