import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { Pings } from "../../../src/petals/client/pings.ts";
import { MemoryNetwork } from "../../support/memory_rpc.ts";
import { FakeClock, fakeWorld, settle } from "../../support/world.ts";

const never = new AbortController().signal;
const METHOD = "TransformerConnectionHandler.rpc_info";

function open(delayMs: number) {
  const clock = new FakeClock();
  const network = new MemoryNetwork({ delayMs, clock });
  const client = network.join("client");
  for (const name of ["A", "B"]) {
    network.join(name).serveUnary(METHOD, () => Promise.resolve(new Uint8Array(0)));
  }
  network.join("Broken").serveUnary(METHOD, () => Promise.reject(new Error("KeyError('')")));
  network.join("NoServer");
  return { clock, network, pings: new Pings(fakeWorld(clock), client) };
}

/** Lets the clock run until `work` is done. */
async function running<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let done = false;
  const watched = work.finally(() => done = true);
  watched.catch(() => {});
  for (let i = 0; i < 400 && !done; i++) {
    await settle();
    await clock.advance(10);
  }
  return await watched;
}

Deno.test("Pings measures there and back, takes an error for an answer and no such method for none", async () => {
  const { clock, pings } = open(30);
  assertEquals(pings.rttMs("A"), undefined);
  await running(clock, pings.measure(["A", "B", "Broken", "NoServer", "A"], never));
  assertEquals(["A", "B", "client"].map((peer) => pings.rttMs(peer)), [60, 60, 0]);
  assertEquals([Number.isFinite(pings.rttMs("Broken")), pings.rttMs("NoServer")], [true, Infinity]);
});

Deno.test("Pings counts who is away or too slow as infinitely far, and waits no longer than 1.5 s", async () => {
  const { clock, pings } = open(2000);
  const startedAt = clock.now();
  await running(clock, pings.measure(["A", "Nobody"], never));
  assertEquals([pings.rttMs("A"), pings.rttMs("Nobody")], [Infinity, Infinity]);
  assertEquals(clock.now() - startedAt <= 1510, true);
});

Deno.test("Pings asks again only when a figure is two minutes old, and eight peers at once", async () => {
  const { clock, network, pings } = open(0);
  const peers = Array.from({ length: 20 }, (_, i) => `P${i}`);
  await running(clock, pings.measure(["A"], never));
  await running(clock, pings.measure(["A"], never));
  assertEquals(network.calls.length, 2);
  await clock.advance(120_000);
  assertEquals(pings.rttMs("A"), undefined);
  await running(clock, pings.measure(peers, never));
  assertEquals(peers.filter((peer) => pings.rttMs(peer) !== undefined).length, 8);
});

Deno.test("Pings gives up with its caller", async () => {
  const { clock, pings } = open(1000);
  const patience = new AbortController();
  const failed = assertRejects(() => pings.measure(["A"], patience.signal), NodeError, "enough");
  await settle();
  patience.abort(new NodeError("aborted", "enough"));
  await failed;
  assertEquals(clock.sleepers, 0);
});

Deno.test("a sign of life is any answer within 2.5 s", async () => {
  const { clock, network, pings } = open(30);
  network.join("Silent").serveUnary(METHOD, () => new Promise(() => {}));
  const signs = [];
  for (const peer of ["A", "Broken", "NoServer", "Silent", "Nobody"]) {
    signs.push(await running(clock, pings.isThere(peer, never)));
  }
  assertEquals(signs, [true, true, true, false, false]);
  const left = new AbortController();
  const asked = assertRejects(() => pings.isThere("Silent", left.signal), Error, "left");
  left.abort(new Error("left"));
  await asked;
});
