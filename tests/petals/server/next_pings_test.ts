import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import type { Dht, DhtEntry } from "../../../src/dht/dht.ts";
import { NextPings } from "../../../src/petals/server/next_pings.ts";
import { CHECK_METHOD, serveReachability } from "../../../src/petals/server/reachability.ts";
import { encodeServerInfo, type ServerState } from "../../../src/petals/wire/server_info.ts";
import { MemoryNetwork } from "../../support/memory_rpc.ts";
import { FakeClock, fakeWorld, settle } from "../../support/world.ts";
import { CLIENT, never, OTHER, SERVER } from "./toy.ts";

const THIRD = "QmSVMUMoL8z8gbMnpLgFjpipnz2FxJr9HuPQ2yBUmAp2KP";

function setUp(records: Record<string, Record<string, ServerState>>) {
  const clock = new FakeClock();
  const world = fakeWorld(clock);
  const network = new MemoryNetwork({ delayMs: 25, clock });
  const asked: string[][] = [];
  const dht: Dht = {
    get: (keys) => {
      asked.push([...keys]);
      const found = Object.entries(records).filter(([key]) => keys.includes(key));
      return Promise.resolve(
        new Map(found.map(([key, servers]): [string, DhtEntry] => [key, {
          kind: "dictionary",
          expiresAtMs: 0,
          subkeys: new Map(
            Object.entries(servers).map(([peer, state]) => [peer, {
              value: encodeServerInfo({ state, throughput: 1, adapters: [] }),
              expiresAtMs: 0,
            }]),
          ),
        }])),
      );
    },
    store: () => Promise.reject(new Error("not asked")),
    status: () => ({ peers: 0, entries: 0, valid: 0 }),
  };
  const range = { start: 2, end: 4 };
  const pings = new NextPings(world, { rpc: network.join(SERVER), dht, prefix: "toy", range });
  const round = async (ms: number) => {
    const done = pings.refresh(never);
    await settle();
    await clock.advance(ms);
    await done;
  };
  return { world, clock, network, pings, round, asked };
}

Deno.test("NextPings measures servers online at our later blocks and at the one after, not ourselves", async () => {
  const { world, network, pings, round, asked } = setUp({
    "toy.2": { [THIRD]: "online" },
    "toy.3": { [SERVER]: "online", [CLIENT]: "joining" },
    "toy.4": { [OTHER]: "online", nobody: "online", "no peer": "online" },
  });
  serveReachability(world, network.join(OTHER));
  network.join(THIRD);
  await round(3000);
  assertEquals(asked, [["toy.3", "toy.4"]]);
  assertEquals(
    [...pings.seconds].toSorted(),
    [[OTHER, 0.05], ["nobody", Infinity]].toSorted() as [string, number][],
  );
});

Deno.test("NextPings counts a refusal as an answer, silence as infinitely far, and smooths what it measures", async () => {
  const { network, clock, pings, round } = setUp({ "toy.4": { [OTHER]: "online", [THIRD]: "online" } });
  network.join(OTHER);
  network.join(THIRD).serveUnary(
    CHECK_METHOD,
    (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  await round(3000);
  assertEquals(pings.seconds, new Map([[OTHER, 0.025], [THIRD, Infinity]]));
  network.remove(THIRD);
  serveReachability(fakeWorld(clock), network.join(THIRD));
  await round(3000);
  assertEquals(pings.seconds.get(THIRD), 0.05);
  network.peers.get(OTHER)!.serveUnary(CHECK_METHOD, () => Promise.resolve(new Uint8Array(0)));
  await round(3000);
  assertEquals(pings.seconds.get(OTHER)?.toFixed(3), "0.030");
  await clock.advance(300_000);
  assertEquals(pings.seconds.size, 0);
});

Deno.test("NextPings asks five servers of a block at most, and ends with its signal", async () => {
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`peer${i + 11}`, "online" as const]));
  const { network, pings, round } = setUp({ "toy.4": many });
  await round(3000);
  assertEquals([network.calls.length, pings.seconds.size], [5, 5]);
  const leaving = new AbortController();
  const refused = assertRejects(() => pings.refresh(leaving.signal), NodeError, "gone");
  await settle();
  leaving.abort(new NodeError("aborted", "gone"));
  await refused;
});
