import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { accessDoor, type AccessOptions, type Answer } from "../../src/api/access.ts";
import { isLoopback, requireKeys } from "../../src/api/api_keys.ts";
import { NodeError } from "../../src/base/errors.ts";
import { type Config, CONFIG_KEYS } from "../../src/config/schema.ts";
import { loadConfig } from "../../src/config/load.ts";
import { planOf } from "../../src/node/plan.ts";
import { settle } from "../support/world.ts";
import { asker } from "./support.ts";

const KEYS = ["first-key", "second-key"];
const inside: Answer = (request, { path }) => Promise.resolve(new Response(`${request.method} ${path}`));

/** A door with something behind it. */
function doorWith(options: Partial<AccessOptions> = {}, answer: Answer = inside) {
  let drawn = 0;
  const door = accessDoor((length) => new Uint8Array(length).fill(drawn++), {
    allowedHosts: [],
    ...options,
  });
  return (path: string, headers: Record<string, string> = {}, method = "GET") =>
    door(new Request(`http://x${path}`, { method, headers: { host: "localhost:8080", ...headers } }), answer);
}

Deno.test("accessDoor lets in whoever brings one of the keys, in each of three ways", async () => {
  const ask = doorWith({ apiKeys: KEYS });
  for (
    const headers of [
      { authorization: "Bearer first-key" },
      { authorization: "bearer second-key" },
      { "x-api-key": "second-key" },
      { authorization: `Basic ${btoa("me:first-key")}` },
    ]
  ) assertEquals((await ask("/v1/models", headers)).status, 200, JSON.stringify(headers));
});

Deno.test("accessDoor answers 401 without a key or with a wrong one, and says how to bring it", async () => {
  const ask = doorWith({ apiKeys: KEYS });
  for (
    const headers of [
      {},
      { authorization: "Bearer first-ke" },
      { authorization: "Bearer first-key2" },
      { authorization: "Bearer first-key,second-key" },
      { authorization: "first-key" },
      { authorization: "Basic %%%" },
      { "x-api-key": "" },
      { "x-api-key": "k".repeat(5000) },
      { "x-api-key": "wrong", authorization: "Bearer first-key" },
    ]
  ) {
    const answer = await ask("/v1/models", headers as Record<string, string>);
    const { error } = await answer.json();
    assertEquals([answer.status, error.code], [401, "invalid_api_key"], JSON.stringify(headers).slice(0, 80));
    assertEquals(answer.headers.get("www-authenticate"), 'Bearer realm="kwaainet"');
  }
  const browser = await ask("/", { accept: "text/html,*/*" });
  assertEquals(browser.headers.get("www-authenticate"), 'Basic realm="kwaainet"');
});

Deno.test("accessDoor leaves health routes open, and no other way of writing them", async () => {
  const ask = doorWith({ apiKeys: KEYS });
  for (const path of ["/healthz", "/health", "/readyz", "/healthz?verbose"]) {
    assertEquals((await ask(path)).status, 200, path);
  }
  for (const path of ["/healthz/", "/healthz/x", "/%68ealthz", "/api/v1/status?/healthz", "//healthz"]) {
    assertEquals((await ask(path)).status, 401, path);
  }
});

Deno.test("requireKeys wants a key wherever others reach the API", () => {
  for (const host of ["127.0.0.1", "127.3.2.1", "::1", "localhost", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]) {
    assertEquals(isLoopback(host), true, host);
    requireKeys(host, []);
  }
  for (const host of ["0.0.0.0", "::", "192.168.1.2", "pi.local", "127.0.0.1.example", "1127.0.0.1"]) {
    assertThrows(() => requireKeys(host, []), NodeError, "--set http.api_keys=");
    requireKeys(host, ["k"]);
  }
});

Deno.test("planOf refuses an API beyond loopback without a key, before anything is opened", () => {
  const configOf = (...sets: string[]): Config =>
    loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config;
  const paths = {} as Parameters<typeof planOf>[1];
  const error = assertThrows(() => planOf(configOf("api=0.0.0.0:0"), paths, "1"), NodeError);
  assertEquals(error instanceof NodeError && error.code, "usage");
  assertMatch(String(error), /--set http\.api_keys=/);
  planOf(configOf("api=0.0.0.0:0", "http.api_keys=abc"), paths, "1");
  planOf(configOf("api=[::1]:0"), paths, "1");
  assertEquals(CONFIG_KEYS["http.api_keys"].secret, true);
});

Deno.test("accessDoor refuses what a page of another origin wants to change, also when it asks first", async () => {
  const ask = doorWith();
  for (
    const origin of ["https://evil.example", "null", "http://localhost:3000", "http://localhost:8080.evil"]
  ) {
    for (const method of ["POST", "DELETE"]) {
      const answer = await ask("/api/chat", { origin, "content-type": "text/plain" }, method);
      assertEquals(answer.status, 403, `${origin} ${method}`);
      assertMatch((await answer.json()).error, /http\.cors_origins/);
    }
    const asked = { origin, "access-control-request-method": "POST" };
    const preflight = await ask("/v1/models", asked, "OPTIONS");
    assertEquals([preflight.status, preflight.headers.get("access-control-allow-origin")], [403, null]);
    const read = await ask("/v1/models", { origin });
    assertEquals([read.status, read.headers.get("access-control-allow-origin")], [200, null]);
  }
});

Deno.test("accessDoor answers the node's own page and programs, which name no other origin", async () => {
  const ask = doorWith();
  assertEquals((await ask("/v1/chat", { origin: "http://localhost:8080" }, "POST")).status, 200);
  assertEquals((await ask("/v1/chat", {}, "POST")).status, 200);
});

Deno.test("accessDoor lets listed origins in, with a preflight that needs no key, and lets them read errors", async () => {
  const origin = "https://chat.example";
  const ask = doorWith({ corsOrigins: [origin, "http://localhost:3000"], apiKeys: KEYS });
  const preflight = await ask("/v1/chat", {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,x-stainless-os",
    "access-control-request-private-network": "true",
  }, "OPTIONS");
  assertEquals(preflight.status, 204);
  const { headers } = preflight;
  assertEquals(headers.get("access-control-allow-origin"), origin);
  assertEquals(headers.get("access-control-allow-headers"), "authorization,x-stainless-os");
  assertMatch(headers.get("access-control-allow-methods")!, /POST/);
  assertEquals(headers.get("access-control-allow-private-network"), "true");
  assertEquals(headers.get("vary"), "origin");
  const refused = await ask("/v1/chat", { origin }, "POST");
  assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, origin]);
  const answered = await ask("/v1/chat", { origin, "x-api-key": KEYS[0]! }, "POST");
  assertEquals([answered.status, answered.headers.get("access-control-allow-origin")], [200, origin]);
  assertEquals((await ask("/v1/chat", { origin: `${origin}.evil` }, "POST")).status, 403);
  const all = await doorWith({ corsOrigins: ["*"] })("/v1/chat", { origin: "https://any.example" }, "POST");
  assertEquals([all.status, all.headers.get("access-control-allow-origin")], [200, "*"]);
});

Deno.test("accessDoor takes an address for a name where a key is wanted, and no other name", async () => {
  const status = async (apiKeys: readonly string[], host: string) =>
    (await doorWith({ apiKeys })("/", { host, authorization: "Bearer first-key" })).status;
  for (const host of ["192.168.1.20:8080", "192.168.1.20", "[fd00::2]:8080", "0.0.0.0:8080"]) {
    assertEquals([await status(KEYS, host), await status([], host)], [200, 403], host);
  }
  for (const host of ["evil.example", "192.168.1.20.evil.example", "1.2.3.4.5:80", "[x", "a]"]) {
    assertEquals([await status(KEYS, host), await status([], host)], [403, 403], host);
  }
  assertEquals((await doorWith({ apiKeys: KEYS })("/", { host: "192.168.1.20:8080" })).status, 401);
});

Deno.test("accessDoor repeats a client's valid id and gives every other request its own", async () => {
  const ask = doorWith();
  const idOf = async (given?: string) =>
    (await ask("/x", given === undefined ? {} : { "x-request-id": given })).headers.get("x-request-id");
  assertEquals(await idOf("trace-1.a:b_C"), "trace-1.a:b_C");
  assertEquals(await idOf(), "req_000000000000000000000000");
  assertEquals(await idOf('"><script>'), "req_010101010101010101010101");
  assertEquals(await idOf("x".repeat(129)), "req_020202020202020202020202");
  const foreign = await ask("/x", { host: "evil.example" });
  assertEquals([foreign.status, foreign.headers.get("x-request-id")], [403, "req_030303030303030303030303"]);
});

Deno.test("accessDoor lets in so much text at once, and a stream counts until it is through or left", async () => {
  const openings: (() => void)[] = [];
  const streamed: Answer = () => {
    const body = new ReadableStream({
      pull: (controller) =>
        new Promise<void>((resolve) =>
          openings.push(() => {
            controller.close();
            resolve();
          })
        ),
    });
    return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  };
  const door = doorWith({ maxTextRequests: 2 }, streamed);
  const ask = (path: string) => door(path, {}, "POST");
  const first = await ask("/v1/a");
  const second = await ask("/v1/%61");
  const third = await ask("/v1/a");
  assertEquals([third.status, third.headers.get("retry-after")], [429, "1"]);
  assertEquals((await third.json()).error.type, "rate_limit_error");
  await first.body!.cancel();
  assertEquals((await ask("/v1/a")).status, 200);
  assertEquals((await ask("/v1/a")).status, 429);
  const read = second.text();
  await settle();
  openings[1]!();
  assertEquals(await read, "");
  assertEquals((await ask("/v1/a")).status, 200);
});

Deno.test("accessDoor keeps a bounded room for who watches the node that text cannot take, health apart", async () => {
  const open = () =>
    new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream; charset=utf-8" } });
  const door = doorWith({ maxTextRequests: 2 }, () => Promise.resolve(open()));
  const asked = async (path: string, method = "GET") => (await door(path, {}, method)).status;
  for (const path of ["/v1/chat/completions", "/api/chat"]) assertEquals(await asked(path, "POST"), 200);
  assertEquals(await asked("/v1/messages", "POST"), 429);
  for (const path of ["/", "/map", "/metrics", "/v1/models", "/api/v1/status"]) {
    assertEquals(await asked(path), 200, path);
  }
  assertEquals(await asked("/api/v1/pause", "POST"), 200);
  for (let more = 6; more < 64; more++) assertEquals(await asked("/api/v1/events"), 200);
  const beyond = await door("/api/v1/events");
  assertEquals([beyond.status, beyond.headers.get("retry-after")], [429, "1"]);
  assertEquals(await asked("/api/v1/pause", "POST"), 429);
  assertEquals([await asked("/healthz"), await asked("/readyz")], [200, 200]);
});

Deno.test("accessDoor forgets requests that failed or are answered whole", async () => {
  let fails = true;
  const door = doorWith({ maxTextRequests: 1 }, () => {
    if (fails) {
      throw new NodeError("unreachable", "Cannot answer: blocks 0:2 are served by nobody, wanted all");
    }
    return Promise.resolve(new Response("whole"));
  });
  const ask = (path: string) => door(path, {}, "POST");
  const failed = await ask("/v1/a");
  assertEquals([failed.status, failed.headers.get("retry-after")], [503, "5"]);
  fails = false;
  assertEquals((await ask("/v1/a")).status, 200);
  assertEquals((await ask("/v1/a")).status, 200);
});

Deno.test("apiHandler tells failures in the words of whoever calls the route", async () => {
  const ask = asker({ maxBodyBytes: 100, allowedHosts: ["pi.local"] });
  const id = { "x-request-id": "me-1" };
  const openai = await (await ask("/v1/none", { headers: id })).json();
  const message = "Cannot find /v1/none: there is no such route, wanted a known one";
  assertEquals(openai, {
    error: { message, type: "invalid_request_error", param: null, code: "not_found" },
  });
  for (const path of ["/api/none", "/api/chat/api/show"]) {
    const ollama = await ask(path, { json: {} });
    assertEquals([ollama.status, await ollama.json()], [404, {
      error: `Cannot find ${path}: there is no such route, wanted a known one`,
    }]);
  }
  const anthropic = await (await ask("/v1/messages/none", { json: {}, headers: id })).json();
  assertEquals(anthropic, {
    type: "error",
    error: {
      type: "not_found_error",
      message: "Cannot find /v1/messages/none: there is no such route, wanted a known one",
    },
    request_id: "me-1",
  });
  const long = { json: { text: "x".repeat(200) } };
  assertEquals((await (await ask("/v1/messages", long)).json()).error.type, "request_too_large");
  assertMatch((await (await ask("/api/chat", long)).json()).error, /at most 100 bytes/);
  const foreign = { headers: { host: "evil.example" } };
  assertEquals((await (await ask("/v1/messages", foreign)).json()).error.type, "permission_error");
  assertMatch((await (await ask("/api/chat", foreign)).json()).error, /Host header/);
  assertEquals((await (await ask("/api/v1/status", foreign)).json()).error.code, "denied");
});
