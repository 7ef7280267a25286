// Reports as Node programs do: by fetch, and by node:http with an agent that keeps connections.
// tests/clients/programs.py says what every client does and prints.
import http from "node:http";
import https from "node:https";
import { gzipSync } from "node:zlib";

const [url, limited, token, door] = process.argv.slice(2);
const module = url.startsWith("https:") ? https : http;
const agent = new module.Agent({ keepAlive: true, maxSockets: 1 });

function headersOf({ secret = token, type, how }) {
  const headers = {};
  if (secret) headers.Authorization = `Bearer ${secret}`;
  if (type) headers["Content-Type"] = type;
  if (how === "gzip") headers["Content-Encoding"] = "gzip";
  if (how === "expect") headers.Expect = "100-continue";
  return headers;
}

async function byFetch({ method, to, how, body, ...more }) {
  const sent = how === "chunked" ? new Blob([body]).stream() : body;
  const options = { method, headers: headersOf({ how, ...more }), body: sent, duplex: "half" };
  const answer = await fetch(to, { ...options, signal: AbortSignal.timeout(20_000) });
  return [answer.status, await answer.text()];
}

function byAgent({ method, to, how, body, ...more }) {
  return new Promise((told, failed) => {
    const headers = headersOf({ how, ...more });
    if (body && how !== "chunked") headers["Content-Length"] = Buffer.byteLength(body);
    const request = module.request(to, { method, agent, headers, timeout: 20_000 }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => told([answer.statusCode, Buffer.concat(parts).toString()]));
      answer.on("error", failed);
    });
    request.on("error", failed);
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    if (how === "expect") {
      request.on("continue", () => request.end(body));
      request.flushHeaders();
      return;
    }
    if (how === "chunked") request.write(body);
    request.end(how === "chunked" ? undefined : body);
  });
}

async function report(variant, ask) {
  const jail = `?jail=${door}.${variant}`;
  const one = (last) => `${url}/infraction/203.0.113.${last}${jail}`;
  const many = `${url}/infractions${jail}`;
  const type = "application/json";
  const form = "user=root&password=123456";
  const large = '{"ip": "203.0.113.66"}\n'.repeat(90_000);

  async function say(name, what) {
    let told;
    try {
      const [status, text] = await ask(what);
      told = `${status} ${text.split("\n")[0]}`;
    } catch (error) {
      told = `broken ${error} ${error.cause ?? ""}`;
    }
    console.log(`${variant} ${name} ${told}`);
  }

  for (let turn = 0; turn < 3; turn++) await say("get", { method: "GET", to: one(1) });
  await say("head", { method: "HEAD", to: one(2) });
  await say("post", { method: "POST", to: one(3), body: form });
  await say("put", { method: "PUT", to: one(4), body: form });
  const list = '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]';
  await say("json", { method: "POST", to: many, type, body: list });
  const lines = '{"ip": "203.0.113.7"}\n{"ip": "203.0.113.8"}\n';
  await say("ndjson", { method: "POST", to: many, type: "application/x-ndjson", body: lines });
  await say("gzip", { method: "POST", to: many, type, how: "gzip", body: gzipSync('{"ip": "203.0.113.9"}') });
  await say("chunked", { method: "POST", to: many, type, how: "chunked", body: '{"ip": "203.0.113.10"}' });
  if (variant === "node-http") {
    await say("expect", { method: "POST", to: many, type, how: "expect", body: '{"ip": "203.0.113.11"}' });
  }
  for (const [name, refused] of [
    ["no_token", { method: "POST", to: many, secret: "" }],
    ["no_such_method", { method: "DELETE", to: many }],
    ["too_large", { method: "POST", to: many }],
    ["too_often", { method: "POST", to: `${limited}/infractions${jail}` }],
  ]) {
    await say(name, { ...refused, type, body: large });
    await say("after", { method: "GET", to: one(12) });
  }
}

console.log(`version Node ${process.versions.node}`);
await report("node-fetch", byFetch);
await report("node-http", byAgent);
agent.destroy();
