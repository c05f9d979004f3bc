import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import type { World } from "../../../src/base/world.ts";
import { type ErrorCode, NodeError } from "../../../src/base/errors.ts";
import { consumptionRows } from "../../../src/energy/certificates/intervals.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import {
  act,
  actionRequest,
  askForBundle,
  askForBundles,
  issuanceRequests,
  measurementRequest,
  queryRequests,
} from "../../../src/energy/certificates/registry.ts";
import { ask, type RegistryRequest } from "../../../src/energy/certificates/registry_http.ts";
import { vouchFor } from "../../../src/energy/certificates/vouch.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { openFakeRegistry, type RegistryBundle } from "./registry_server.ts";
import { consumed, sharedBundle, someBundle, TEN } from "./some.ts";

const ACCOUNT = { accountId: 7, userId: 2 };
const signal = new AbortController().signal;
const READ: RegistryRequest = { method: "POST", path: "/certificate/query", body: {}, reads: true };
const WRITE: RegistryRequest = { ...READ, path: "/certificate/cancel", reads: false };

/** A world in which pauses between tries take no time and are written down; waits for an answer take the fake clock's. */
function worldOf(): { world: World; pauses: number[]; late: () => Promise<void> } {
  const world = fakeWorld();
  const pauses: number[] = [];
  const sleep = (ms: number, signal?: AbortSignal) => {
    if (ms === 30_000) return world.clock.sleep(ms, signal);
    pauses.push(ms);
    return Promise.resolve();
  };
  const clock = { now: world.clock.now, monotonic: world.clock.monotonic, sleep };
  return { world: { ...world, clock }, pauses, late: () => world.clock.advance(30_000) };
}

/** A bundle as a registry holds it: times without a zone, its own number, zone and issuer beside it. */
const held = (id: number, fields: Record<string, unknown> = {}): RegistryBundle => ({
  ...sharedBundle(),
  production_starting_interval: "2026-11-20T10:00:00",
  production_ending_interval: "2026-11-20T11:00:00",
  created_at: "2026-11-20T11:05:00",
  is_deleted: false,
  ...fields,
  id,
});

async function answering(
  handler: (request: Request) => Response | Promise<Response>,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const open = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, signal: open.signal }, handler);
  try {
    await work(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    open.abort();
    await server.finished;
  }
}

Deno.test("registry client queries, cancels and claims at a registry of the published shape", async () => {
  await using registry = openFakeRegistry({ token: "secret" });
  registry.bundles.push(
    held(11, { certificate_bundle_status: "Active", beneficiary: null }),
    held(12, { account_id: 8 }),
    held(13, {
      production_starting_interval: "2026-12-25T10:00:00",
      production_ending_interval: "2026-12-25T11:00:00",
    }),
  );
  const { world } = worldOf();
  const access = { url: `${registry.url}/`, token: "secret" };
  const query = async (status?: string) => {
    const period = {
      fromMs: TEN - HOUR_MS,
      toMs: TEN + 40 * 24 * HOUR_MS,
      ...(status === undefined ? {} : { status }),
    };
    const found = [];
    for (const request of queryRequests(ACCOUNT, period)) {
      found.push(...await askForBundles(world, access, request, signal));
    }
    return found.map(({ bundle }) => [bundle?.registryId, bundle?.status, bundle?.beneficiary]);
  };
  const theirs = "kwaai-node:did:example:abc";
  assertEquals(await query(), [[11, "Active", undefined], [13, "Cancelled", theirs]]);
  assertEquals(registry.requests.length, 2);
  assertEquals(await query("Claimed"), []);
  const cancelled = await act(world, access, actionRequest(ACCOUNT, "cancel", [11], "kwaai-node:me"), signal);
  assert(cancelled.id !== undefined);
  await act(world, access, actionRequest(ACCOUNT, "claim", [11], "kwaai-node:me"), signal);
  assertEquals(await query("Claimed"), [[11, "Claimed", "kwaai-node:me"]]);
  const again = () => act(world, access, actionRequest(ACCOUNT, "claim", [11], "kwaai-node:me"), signal);
  const error = await assertRejects(again, NodeError, "400, Can only claim cancelled certificates");
  assertEquals(error.code, "refused");
});

Deno.test("registry client submits what was measured, and never what was not", async () => {
  await using registry = openFakeRegistry({ token: "secret" });
  const { world } = worldOf();
  const rows = consumptionRows("12D3KooW", [
    consumed(TEN, 42.9),
    consumed(TEN + HOUR_MS, 5, { kind: "modelled" }),
  ]);
  await act(world, { url: registry.url, token: "secret" }, measurementRequest(4, rows[0]!), signal);
  assertEquals(registry.readings, [{
    device_id: 4,
    interval_start_datetime: "2026-11-20T10:00:00Z",
    interval_end_datetime: "2026-11-20T11:00:00Z",
    interval_usage: 42,
    gross_net_indicator: "gross",
  }]);
  assertThrows(() => measurementRequest(4, rows[1]!), TypeError, "no meter reading");
});

Deno.test("registry client reads zone and issuer in the full view, and knows registries that have none", async () => {
  for (const views of [true, false]) {
    await using registry = openFakeRegistry({ token: "secret", views });
    registry.bundles.push(held(11));
    const access = { url: registry.url, token: "secret" };
    const found = await askForBundle(worldOf().world, access, 11, signal);
    assertEquals(
      [found?.statedZone, found?.issuer],
      views ? ["DE-LU", "Invented Registry"] : [undefined, undefined],
    );
  }
});

Deno.test("queryRequests asks in windows of 30 days, for a year at most", () => {
  const year = queryRequests(ACCOUNT, { fromMs: TEN, toMs: TEN + 365 * 24 * HOUR_MS, status: "Cancelled" });
  assertEquals(year.length, 13);
  const times = year.map(({ body }) => [body!["certificate_period_start"], body!["certificate_period_end"]]);
  for (let i = 1; i < times.length; i++) assertEquals(times[i]![0], times[i - 1]![1]);
  assertEquals([times[0]![0], times.at(-1)![1]], ["2026-11-20T10:00:00Z", "2027-11-20T10:00:00Z"]);
  for (const toMs of [TEN, TEN - 1, TEN + 367 * 24 * HOUR_MS, NaN]) {
    assertThrows(() => queryRequests(ACCOUNT, { fromMs: TEN, toMs }), NodeError, "period");
  }
  assertEquals(issuanceRequests(ACCOUNT, Array.from({ length: 101 }, (_, i) => `${i}`)).length, 3);
  assertEquals(issuanceRequests(ACCOUNT, ["a", "a"]).length, 1);
  assertEquals(issuanceRequests(ACCOUNT, []), []);
  for (const ids of [[], Array(1001).fill(1)]) {
    assertThrows(() => actionRequest(ACCOUNT, "cancel", ids, "me"), NodeError, "wanted 1 to 1000");
  }
});

Deno.test("ask tells the registry's failures apart, with its words in one plain line", async () => {
  const json = (status: number, body: unknown, headers: Record<string, string> = {}) => () =>
    new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/json", ...headers },
    });
  const list = [{ type: "missing", loc: ["body", "user_id"], msg: "Field required", input: {} }, null, {
    loc: 7,
    msg: 8,
  }];
  const cases: [() => Response, ErrorCode, RegExp][] = [
    [json(401, { detail: "Could not validate credentials" }), "denied", /401, Could not .*registry_token/],
    [json(403, { detail: "no" }), "denied", /403, no/],
    [json(404, { detail: "Not Found" }), "not_found", /404, Not Found/],
    [json(422, { detail: list }), "refused", /422, body\.user_id: Field required; \?: wrong; \?: wrong$/],
    [
      json(422, { detail: "Invalid issuance ID: x\u001b[31m\nhere" }),
      "refused",
      /422, Invalid issuance ID: x \[31m here$/,
    ],
    [json(400, { detail: "x".repeat(10_000) }), "refused", /^.{300,400}$/],
    [json(400, { detail: { deep: 1 } }), "refused", /answered 400$/],
    [json(400, "[".repeat(1000)), "refused", /answered 400$/],
    [json(429, { detail: "slow down" }), "busy", /429, slow down, wanted fewer/],
    [json(500, { detail: "oops" }), "remote", /500, oops/],
    [() => new Response("<html>Bad Gateway</html>", { status: 502 }), "remote", /answered 502$/],
    [
      () => new Response("<html>Sign in</html>", { status: 200, headers: { "content-type": "text/html" } }),
      "malformed",
      /no JSON/,
    ],
    [() => new Response("", { status: 200 }), "malformed", /no JSON/],
    [() => new Response("[".repeat(100_000), { status: 200 }), "malformed", /nested deeper/],
    [
      () => new Response(null, { status: 307, headers: { location: "http://127.0.0.1:1/" } }),
      "refused",
      /points elsewhere/,
    ],
  ];
  for (const [answer, code, words] of cases) {
    await answering(answer, async (url) => {
      const { world } = worldOf();
      const error = await assertRejects(() => ask(world, { url, token: "secret" }, READ, signal), NodeError);
      assertEquals(error.code, code, error.message);
      assertMatch(error.message, words);
      assert(!error.message.includes("secret"));
    });
  }
});

Deno.test("ask tries a question three times when the registry is busy, with the pause that it wants", async () => {
  const answers = [
    new Response("{}", { status: 503 }),
    new Response("{}", { status: 429, headers: { "retry-after": "7" } }),
    new Response(`{"granular_certificate_bundles": []}`, { status: 202 }),
  ];
  await answering(() => answers.shift()!, async (url) => {
    const { world, pauses } = worldOf();
    assertEquals(await askForBundles(world, { url, token: undefined }, READ, signal), []);
    assertEquals(pauses, [1000, 7000]);
  });
  let requests = 0;
  const busy = () => (requests++, new Response("{}", { status: 429, headers: { "retry-after": "99999" } }));
  await answering(busy, async (url) => {
    const { world, pauses } = worldOf();
    await assertRejects(() => ask(world, { url, token: undefined }, READ, signal), NodeError, "429");
    assertEquals([requests, pauses], [3, [60_000, 60_000]]);
  });
});

Deno.test("ask does nothing twice that changes something, and says that it may have been done", async () => {
  for (const [status, doubt] of [[500, true], [503, true], [429, false], [422, false]] as const) {
    let requests = 0;
    await answering(() => (requests++, new Response("{}", { status })), async (url) => {
      const { world } = worldOf();
      const error = await assertRejects(
        () => ask(world, { url, token: undefined }, WRITE, signal),
        NodeError,
      );
      assertEquals(
        [requests, error.message.includes("may have been done all the same")],
        [1, doubt],
        `${status}`,
      );
    });
  }
});

Deno.test("ask gives up a registry that is silent after 30 seconds, and one that hangs up", async () => {
  const silence = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  await answering(() => (asked.resolve(), silence.promise), async (url) => {
    const { world, late } = worldOf();
    const answer = assertRejects(
      () => ask(world, { url, token: undefined }, WRITE, signal),
      NodeError,
      "30000 ms",
    );
    await asked.promise;
    await late();
    assertEquals((await answer).code, "timeout");
    silence.resolve(new Response());
  });
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${gone.addr.port}`;
  const hangUp = (async () => {
    for await (const connection of gone) connection.close();
  })();
  const error = await assertRejects(
    () => ask(worldOf().world, { url, token: undefined }, READ, signal),
    NodeError,
  );
  assertEquals(error.code, "unreachable");
  gone.close();
  await hangUp;
});

Deno.test("ask gives up a body that never ends, a trickle of it too, and stops when it is told to", async () => {
  let sent = 0;
  const endless = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          sent += 1 << 16;
          controller.enqueue(new Uint8Array(1 << 16).fill(0x20));
        },
      }),
    );
  await answering(endless, async (url) => {
    const error = await assertRejects(
      () => ask(worldOf().world, { url, token: undefined }, READ, signal),
      NodeError,
    );
    assertEquals(error.code, "too_large");
    assert(sent < 64 << 20, `${sent} bytes were sent`);
  });
  const trickle = () =>
    new Response(new ReadableStream({ start: (to) => to.enqueue(new TextEncoder().encode("{")) }));
  await answering(trickle, async (url) => {
    const { world, late } = worldOf();
    const answer = assertRejects(
      () => ask(world, { url, token: undefined }, WRITE, signal),
      NodeError,
      "30000 ms",
    );
    for (let i = 0; i < 20; i++) await settle();
    await late();
    await answer;
    const stop = new AbortController();
    const stopped = assertRejects(
      () => ask(world, { url, token: undefined }, READ, stop.signal),
      Error,
      "enough",
    );
    for (let i = 0; i < 20; i++) await settle();
    stop.abort(new NodeError("aborted", "enough"));
    await stopped;
  });
});

Deno.test("ask sends a token to https and to this machine alone", async () => {
  const { world } = worldOf();
  const wrong = [
    "http://registry.example",
    "ftp://127.0.0.1",
    "https://user:pw@registry.example",
    "https://x/?token=1",
    "nowhere",
    "",
  ];
  for (const url of wrong) {
    const error = await assertRejects(() => ask(world, { url, token: "secret" }, READ, signal), NodeError);
    assertEquals(error.code, "usage", url);
  }
});

Deno.test("askForBundles takes no answer without a list for an empty one", async () => {
  for (const body of ["{}", "null", "7", `"x"`, `{"granular_certificate_bundles":{}}`]) {
    await answering(() => new Response(body), async (url) => {
      const work = () => askForBundles(worldOf().world, { url, token: undefined }, READ, signal);
      await assertRejects(work, NodeError, "holds no list of bundles");
    });
  }
});

Deno.test("vouchFor believes a registry that has the bundle, as the registry has it", async () => {
  await using registry = openFakeRegistry({ token: "secret" });
  registry.bundles.push(
    held(10, { is_deleted: true, certificate_bundle_status: "Bundle Split" }),
    held(11, { certificate_bundle_status: "Claimed" }),
  );
  const known = { access: { url: registry.url, token: "secret" }, account: ACCOUNT, zone: undefined };
  const { world } = worldOf();
  const bundles = [someBundle({ issue_market_zone: null }), someBundle({ issue_market_zone: "FR" })];
  const vouched = await vouchFor(world, bundles, { keys: new Map(), registry: known }, signal);
  const by = `registry:${new URL(registry.url).host}`;
  for (const { bundle, voucher } of vouched) {
    assertEquals(voucher, { by, zone: "DE-LU" });
    assertEquals([bundle.status, bundle.zone, bundle.registryId], ["Claimed", "DE-LU", 11]);
  }
  assertEquals(registry.requests.filter((request) => request.startsWith("POST")).length, 1);
  const [unasked] = await vouchFor(world, bundles, { keys: new Map(), registry: undefined }, signal);
  assertEquals(unasked!.voucher.by, undefined);
});

Deno.test("vouchFor lets a registry speak against what it does not know, or knows otherwise", async () => {
  await using registry = openFakeRegistry({ token: "secret", views: false });
  registry.bundles.push(
    held(11),
    held(12, {
      certificate_bundle_id_range_start: 5,
      certificate_bundle_id_range_end: 4 + 420,
      issuance_id: 12,
      is_deleted: true,
    }),
  );
  const { world } = worldOf();
  const known = { access: { url: registry.url, token: "secret" }, account: ACCOUNT, zone: "DE-LU" };
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ certificate_bundle_id_range_end: 1_000_421, bundle_quantity: 421 }, /has no such bundle/],
    [{ issuance_id: "unknown" }, /has no such bundle/],
    [{ device_id: 2 }, /has no such bundle/],
    [
      { issuance_id: 12, certificate_bundle_id_range_start: 5, certificate_bundle_id_range_end: 424 },
      /has no such bundle/,
    ],
    [{ production_starting_interval: "2026-11-20T10:15:00Z" }, /another start/],
    [{ energy_source: "wind" }, /another source/],
    [{ face_value: 2 }, /another face value/],
  ];
  for (const [fields, why] of cases) {
    const [one] = await vouchFor(world, [someBundle(fields)], { keys: new Map(), registry: known }, signal);
    assert(one!.voucher.by === undefined && one!.voucher.against === true, JSON.stringify(one!.voucher));
    assertMatch(one!.voucher.why, why);
  }
  // a registry without a full view has the zone that the operator says
  const [good] = await vouchFor(world, [someBundle({ issue_market_zone: null })], {
    keys: new Map(),
    registry: known,
  }, signal);
  assertEquals(good!.voucher.by !== undefined && good!.voucher.zone, "DE-LU");
  registry.bundles.push(held(13, { issuance_id: "odd", face_value: "one" }));
  const [odd] = await vouchFor(world, [someBundle({ issuance_id: "odd" })], {
    keys: new Map(),
    registry: known,
  }, signal);
  assertEquals(odd!.voucher, { by: undefined, why: "the registry's answer could not be read whole" });
});
