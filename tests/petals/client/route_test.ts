import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { findRoute, type RouteOptions, type RouteServer } from "../../../src/petals/client/route.ts";

const server = (
  peerId: string,
  start: number,
  end: number,
  more: Partial<RouteServer> = {},
): RouteServer => ({
  peerId,
  range: { start, end },
  ...more,
});

function legs(
  servers: readonly RouteServer[],
  end: number,
  options: RouteOptions<RouteServer> = {},
  start = 0,
): string | readonly { start: number; end: number }[] {
  const route = findRoute(servers, { start, end }, options);
  if (!route.found) return route.missing;
  return route.stops.map(({ server, blocks }) => `${server.peerId} ${blocks.start}:${blocks.end}`).join(", ");
}

Deno.test("findRoute prefers one server over a chain of equally fast ones", () => {
  assertEquals(legs([server("A", 0, 4), server("B", 4, 8), server("C", 0, 8)], 8), "C 0:8");
});

Deno.test("findRoute adds up Petals' costs: half round trips, 18 ms a server, one block in 1/300 s", () => {
  const route = findRoute([server("A", 0, 4), server("B", 4, 6)], { start: 0, end: 6 }, {
    rttMs: (peer) => peer === "A" ? 100 : undefined,
  });
  assert(route.found);
  assertAlmostEquals(route.seconds, 0.05 + 0.018 + 4 / 300 + 0.15 + 0.018 + 2 / 300 + 0.15, 1e-12);
});

Deno.test("findRoute leaves a slow server in the middle of its blocks when that is cheaper", () => {
  assertEquals(
    legs([server("A", 0, 6, { inferenceRps: 2 }), server("B", 2, 8, { inferenceRps: 100 })], 8),
    "A 0:2, B 2:8",
  );
});

Deno.test("findRoute takes a chain of fast servers over one slow server", () => {
  const fast = { inferenceRps: 1000 };
  assertEquals(
    legs([server("A", 0, 8, { inferenceRps: 5 }), server("B", 0, 4, fast), server("C", 4, 8, fast)], 8),
    "B 0:4, C 4:8",
  );
});

Deno.test("findRoute follows measured pings, here and between servers", () => {
  const servers = [
    server("A", 0, 4, { nextPings: new Map([["C", 0.9], ["D", 0.01]]) }),
    server("B", 0, 4),
    server("C", 4, 8),
    server("D", 4, 8),
  ];
  assertEquals(legs(servers, 8, { rttMs: (peer) => peer === "A" ? 10 : undefined }), "A 0:4, D 4:8");
  assertEquals(legs(servers, 8, { rttMs: (peer) => peer === "B" ? 10 : undefined }), "B 0:4, C 4:8");
});

Deno.test("findRoute bounds announced pings: infinite ones cost five seconds, those that are no numbers the default", () => {
  const route = (ping: number) => {
    const found = findRoute([server("A", 0, 1, { nextPings: new Map([["B", ping]]) }), server("B", 1, 2)], {
      start: 0,
      end: 2,
    });
    assert(found.found);
    return found.seconds;
  };
  assertAlmostEquals(route(Infinity) - route(0), 5, 1e-9);
  assertAlmostEquals(route(NaN) - route(0), 0.15, 1e-9);
  assertAlmostEquals(route(-3) - route(0), 0.15, 1e-9);
});

Deno.test("findRoute avoids a server whose cache is too small for the session", () => {
  const servers = [
    server("A", 0, 8, { cacheTokensLeft: 2 * 8 * 100 }),
    server("B", 0, 8, { inferenceRps: 100, cacheTokensLeft: 2 * 8 * 1000 }),
  ];
  assertEquals(legs(servers, 8, { maxLength: 100 }), "A 0:8");
  assertEquals(legs(servers, 8, { maxLength: 101 }), "B 0:8");
  assertEquals(legs([servers[0]!], 8, { maxLength: 101 }), "A 0:8");
});

Deno.test("findRoute never takes a server of infinite weight and names the blocks that leaves alone", () => {
  const servers = [server("A", 0, 4), server("B", 2, 9), server("C", 6, 8)];
  const without = (peer: string) => ({ extraSeconds: (s: RouteServer) => s.peerId === peer ? Infinity : 0 });
  assertEquals(legs(servers, 9, without("B")), [{ start: 4, end: 6 }, { start: 8, end: 9 }]);
  assertEquals(legs(servers, 9, { extraSeconds: (s) => s.peerId === "A" ? 1000 : 0 }), "A 0:2, B 2:9");
});

Deno.test("findRoute names all blocks when nobody serves", () => {
  assertEquals(legs([], 30), [{ start: 0, end: 30 }]);
});

Deno.test("findRoute of no blocks needs nobody", () => {
  assertEquals(findRoute([], { start: 3, end: 3 }), { found: true, stops: [], seconds: 0 });
});

Deno.test("findRoute covers a part of the model", () => {
  assertEquals(legs([server("A", 0, 4), server("B", 3, 8)], 7, {}, 3), "B 3:7");
});

Deno.test("findRoute gives equal costs to the lower peer id, whatever the order of the servers", () => {
  const servers = ["C", "B", "A"].map((id) => server(id, 0, 8));
  assertEquals(legs(servers, 8), "A 0:8");
  assertEquals(legs(servers.toReversed(), 8), "A 0:8");
});

Deno.test("findRoute ignores rates that make no sense", () => {
  for (const inferenceRps of [0, -1, NaN]) {
    const route = findRoute([server("A", 0, 3, { inferenceRps })], { start: 0, end: 3 });
    assertAlmostEquals(route.found ? route.seconds : 0, 0.3 + 0.018 + 3 / 300, 1e-12);
  }
});

Deno.test("findRoute weighs the nearest and fastest 128 servers of a block, so that a flood costs little", () => {
  const flood = Array.from({ length: 20_000 }, (_, i) => server(`P${i}`, i % 80, 80, { inferenceRps: 50 }));
  const real = [server("Real", 0, 80, { inferenceRps: 200 })];
  assertEquals(legs([...flood, ...real], 80), "Real 0:80");
});

Deno.test("findRoute is as cheap as the best of all chains, and covers each block once", () => {
  const anyServer = fc.record({
    peerId: fc.constantFrom("A", "B", "C", "D", "E"),
    start: fc.nat(5),
    length: fc.integer({ min: 1, max: 6 }),
    inferenceRps: fc.constantFrom(3, 30, 300),
  });
  fc.assert(fc.property(
    fc.uniqueArray(anyServer, { selector: (s) => s.peerId, minLength: 1, maxLength: 5 }),
    (drawn) => {
      const servers = drawn.map((s) => server(s.peerId, s.start, Math.min(6, s.start + s.length), s));
      const route = findRoute(servers, { start: 0, end: 6 });
      const best = cheapest(servers, 0, undefined);
      assertEquals(route.found, best < Infinity);
      if (!route.found) return;
      assertAlmostEquals(route.seconds, best, 1e-9);
      const covered = route.stops.flatMap(({ server, blocks }) => {
        assert(blocks.start >= server.range.start && blocks.end <= server.range.end);
        return Array.from({ length: blocks.end - blocks.start }, (_, i) => blocks.start + i);
      });
      assertEquals(covered, [0, 1, 2, 3, 4, 5]);
    },
  ));
});

/** Tries every chain. */
function cheapest(servers: readonly RouteServer[], block: number, at: RouteServer | undefined): number {
  if (block === 6) return at === undefined ? Infinity : 0.15;
  let best = Infinity;
  for (const next of servers) {
    if (block < next.range.start || block >= next.range.end) continue;
    const hop = next === at ? 0 : 0.15 + 0.018;
    best = Math.min(best, hop + 1 / next.inferenceRps! + cheapest(servers, block + 1, next));
  }
  return best;
}
