// Talks to a YAML language server as an editor does, about scenario files whose first line names their schema.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const server = spawn(process.execPath, [process.argv[2], "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
const diagnostics = new Map();
let last = 0;
let input = Buffer.alloc(0);

function send(message) {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message });
  server.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function ask(method, params) {
  const id = ++last;
  send({ id, method, params });
  return new Promise((resolved) => waiting.set(id, resolved));
}

server.stdout.on("data", (chunk) => {
  input = Buffer.concat([input, chunk]);
  for (;;) {
    const head = input.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(input.subarray(0, head).toString())[1]);
    if (input.length < head + 4 + length) return;
    const message = JSON.parse(input.subarray(head + 4, head + 4 + length).toString());
    input = input.subarray(head + 4 + length);
    if (message.method === "textDocument/publishDiagnostics") {
      diagnostics.get(message.params.uri)?.(message.params.diagnostics);
    } else if (message.method && message.id !== undefined) {
      // Settings and registrations that a server asks an editor for: all are as they are.
      send({ id: message.id, result: message.method === "workspace/configuration" ? [null, null, null, null] : null });
    } else if (waiting.has(message.id)) {
      waiting.get(message.id)(message.result);
      waiting.delete(message.id);
    }
  }
});

const schema = pathToFileURL(resolve("scenarios/schema.json")).href;
let documents = 0;

// The messages about a text, and what can be written where it has a `|`.
async function open(text, complete) {
  const uri = pathToFileURL(resolve(`scenarios/language-server-${++documents}.yaml`)).href;
  const at = text.indexOf("|");
  const whole = `# yaml-language-server: $schema=${schema}\n${complete ? text.slice(0, at) + text.slice(at + 1) : text}`;
  const told = new Promise((resolved) => diagnostics.set(uri, resolved));
  send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "yaml", version: 1, text: whole } } });
  const messages = (await told).map((found) => found.message);
  if (!complete) return messages;
  const before = `\n${text.slice(0, at)}`.split("\n");
  const position = { line: before.length - 1, character: before.at(-1).length };
  const found = await ask("textDocument/completion", { textDocument: { uri }, position });
  return (found.items ?? found).map((item) => item.label);
}

let failed = 0;
function check(what, holds, seen) {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}`);
  if (!holds) {
    console.log(`       ${JSON.stringify(seen)}`);
    failed += 1;
  }
}

const capabilities = { textDocument: { completion: { completionItem: { snippetSupport: false } } } };
await ask("initialize", { processId: process.pid, rootUri: null, capabilities });
send({ method: "initialized", params: {} });
const yaml = { validate: true, completion: true, schemaStore: { enable: false }, schemas: {} };
send({ method: "workspace/didChangeConfiguration", params: { settings: { yaml } } });

const good = `scenario: s
about: Why.
topology:
  namespaces: {shop: {}}
  pods:
    shop/web: {serves: [tcp 80]}
    shop/cart: {}
steps:
- step: one
  expect:
    tcp shop/web:80: {allow: others}
`;
const manifest = `---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec: {endpointSelector: {}, ingress: [{}]}
`;
for (const [what, text] of [
  ["a scenario", good],
  ["manifests that follow", good + manifest],
  ["the README's scenario", /```yaml\n(# yaml-language-server[^`]*)```/.exec(readFileSync("README.md", "utf8"))[1]],
  ["a topology file", "namespaces: {shop: {}}\npods:\n  shop/web: {serves: [tcp 80]}\n"],
]) {
  const messages = await open(text);
  check(`${what} has no mistake`, messages.length === 0, messages);
}
for (const [what, text] of [
  ["a key with a slip", good.replace("expect:", "expects:")],
  ["a verdict that there is not", good.replace("allow:", "allows:")],
  ["an attempt that is none", good.replace("tcp shop/web:80", "tpc shop/web:80")],
  ["a step without a name", good.replace("- step: one\n  expect", "- expect")],
]) {
  const messages = await open(text);
  check(`${what} is a mistake`, messages.length > 0, messages);
}
for (const [what, text, word] of [
  ["the words of a step", good.replace("  expect:", "  pol|\n  expect:"), "policies"],
  ["the verdicts of an attempt", good.replace("{allow: others}", "\n      |"), "deny ingress"],
  ["the words of a pod", good.replace("shop/cart: {}", "shop/cart:\n      |"), "labels"],
]) {
  const labels = await open(text, true);
  check(`${what} are completed: ${word}`, labels.includes(word), labels);
}
server.kill();
process.exit(failed === 0 ? 0 : 1);
