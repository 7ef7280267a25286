// Clients that keep their connections, in Node: fetch, and node:http with an agent. programs.py says what each does.
import http from "node:http";

const [variant, first, number, pauseMs, ...urls] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });

async function byFetch(method, url, body) {
  const answer = await fetch(url, { method, body, signal: AbortSignal.timeout(20_000) });
  await answer.text();
  return answer.status;
}

function byAgent(method, url, body) {
  return new Promise((told, failed) => {
    const request = http.request(url, { method, agent, timeout: 20_000 }, (answer) => {
      answer.resume();
      answer.on("end", () => told(answer.statusCode));
      answer.on("error", failed);
    });
    request.on("error", failed);
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.end(body);
  });
}

const ask = variant === "node-fetch" ? byFetch : byAgent;

async function outcomeOf(method, url, body) {
  try {
    return `${await ask(method, url, body)}`;
  } catch (error) {
    const why = error.cause ?? error;
    return why.code === "ECONNREFUSED" ? "refused" : `broken ${why.code} ${why}`.replaceAll("\n", " ");
  }
}

async function goOn(client) {
  let at = client;
  for (let turn = 0; ; turn++) {
    const ip = `199.${Number(first) + client}.${turn >> 8}.${turn & 255}`;
    const [method, path, body] =
      turn % 2 ? ["POST", "/infractions", JSON.stringify({ ip })] : ["GET", `/infraction/${ip}`, undefined];
    let outcome = "refused";
    for (let tries = 0; tries < urls.length && outcome === "refused"; tries++) {
      outcome = await outcomeOf(method, urls[at % urls.length] + path, body);
      if (outcome === "refused") at++;
    }
    if (outcome === "refused") return;
    console.log(`${ip} ${method} ${outcome}`);
    await new Promise((over) => setTimeout(over, Math.random() * 2 * pauseMs));
  }
}

await Promise.all(Array.from({ length: Number(number) }, (_, client) => goOn(client)));
agent.destroy();
