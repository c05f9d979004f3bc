import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { EnergyDocument } from "../../src/api/energy.ts";
import { apiHandler } from "../../src/api/handler.ts";
import type { MetricsInput } from "../../src/api/metrics_input.ts";
import { openApiServer, splitHostPort } from "../../src/api/server.ts";
import type { Readiness, StatusDocument } from "../../src/api/status.ts";
import { NodeError } from "../../src/base/errors.ts";
import { fakeWorld } from "../support/world.ts";
import { energyOf, statusDocument } from "./support.ts";

const statusWith = (readiness: Readiness): StatusDocument => statusDocument({ readiness });

const energy = (): EnergyDocument => energyOf(statusDocument());
const metricsWith = (status: StatusDocument): MetricsInput => ({
  status,
  energy: { node: status.energy, sources: [], tokens: 0, idleWatts: null, samples: 0, samplerSeconds: 0 },
  sums: {
    accounts: { serve: 0n, idle: 0n, other: 0n },
    overhead: 0n,
    tokens: 0,
    blockTokens: 0,
    measuredMs: 0,
    elapsedMs: 0,
    kind: "none",
    uncertainty: null,
  },
  byKind: new Map(),
});
const carbonAware = { names: () => [], observed: () => [], forecast: () => undefined, now: () => 0 };
const handlerWith = (status: () => StatusDocument = () => statusWith({ ready: true })) =>
  apiHandler({
    status,
    energy,
    metrics: () => metricsWith(status()),
    carbonAware,
    allowedHosts: ["pi.local"],
    maxBodyBytes: 1024,
    log: fakeWorld().log,
    world: fakeWorld(),
  });
const ask = (path: string, host = "127.0.0.1:8080", init: RequestInit = {}, handler = handlerWith()) =>
  handler(new Request(`http://x${path}`, { ...init, headers: { host } }));

Deno.test("apiHandler answers health, readiness and status", async () => {
  assertEquals(await (await ask("/healthz")).json(), { schema: 1, ok: true });
  const readiness: Readiness = { ready: false, reason: "blocks are being loaded" };
  const waiting = await ask("/readyz", "localhost", {}, handlerWith(() => statusWith(readiness)));
  assertEquals([waiting.status, await waiting.json()], [503, { schema: 1, ...readiness }]);
  assertEquals((await ask("/readyz")).status, 200);
  assertEquals(await (await ask("/api/v1/status")).json(), statusWith({ ready: true }));
});

Deno.test("apiHandler refuses foreign hosts on every route, known or not", async () => {
  for (const path of ["/healthz", "/api/v1/status", "/none"]) {
    for (const host of ["evil.example", "127.0.0.1.evil.example:80", "", "a@localhost", "localhost:1:2"]) {
      const answer = await ask(path, host);
      assertEquals([answer.status, (await answer.json()).error.code], [403, "denied"], `${host} ${path}`);
    }
    for (const host of ["LOCALHOST:9", "[::1]:8080", "pi.local"]) {
      assertEquals((await ask(path, host)).status === 403, false, host);
    }
  }
});

Deno.test("apiHandler answers unknown routes, long bodies and its own failures in JSON", async () => {
  const unknown = await ask("/index.html");
  assertEquals([unknown.status, (await unknown.json()).error.code], [404, "not_found"]);
  const long = await ask("/healthz", "localhost", { method: "POST", body: "x".repeat(2000) });
  assertEquals([long.status, (await long.json()).error.code], [413, "too_large"]);
  const failing = handlerWith(() => {
    throw new NodeError("busy", "Cannot answer: full, wanted room");
  });
  const failed = await ask("/api/v1/status", "localhost", {}, failing);
  assertEquals([failed.status, (await failed.json()).error.message], [
    429,
    "Cannot answer: full, wanted room",
  ]);
  const broken = await ask(
    "/api/v1/status",
    "localhost",
    {},
    handlerWith(() => {
      throw new TypeError("secret detail");
    }),
  );
  const text = await broken.text();
  assertEquals([broken.status, text.includes("secret")], [500, false]);
});

Deno.test("openApiServer picks a port, and says which one is in use", async () => {
  const world = fakeWorld();
  await using server = openApiServer(world, "127.0.0.1:0", handlerWith());
  assertMatch(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assertEquals(await (await fetch(`${server.url}/healthz`)).json(), { schema: 1, ok: true });
  const taken = server.url.slice("http://".length);
  const error = assertThrows(() => openApiServer(world, taken, handlerWith()), NodeError);
  assertEquals(
    (error as NodeError).message,
    `Cannot open the local API: ${taken} is in use, wanted a free port (choose one with --api HOST:PORT; port 0 picks one)`,
  );
});

Deno.test("splitHostPort takes names and both kinds of addresses", () => {
  assertEquals(splitHostPort("localhost:80"), { hostname: "localhost", port: 80 });
  assertEquals(splitHostPort("[::1]:8080"), { hostname: "::1", port: 8080 });
});
