import { assertEquals } from "@std/assert";
import { Blacklist } from "../../src/dht/blacklist.ts";
import { FakeClock } from "../support/world.ts";
import { peerOf } from "./network.ts";

/** Milliseconds until `blacklist` lets `peer` be called again. */
async function banOf(blacklist: Blacklist, clock: FakeClock, peer: string): Promise<number> {
  let waitedMs = 0;
  for (; blacklist.has(peer); waitedMs += 1_000) await clock.advance(1_000);
  return waitedMs;
}

Deno.test("Blacklist bans 5 s, twice as long with each failure, at most 5 minutes", async () => {
  const clock = new FakeClock();
  const blacklist = new Blacklist(clock);
  const bans: number[] = [];
  for (let i = 0; i < 9; i++) {
    blacklist.failed(peerOf(1));
    blacklist.failed(peerOf(1)); // failing during the ban makes it no longer
    bans.push(await banOf(blacklist, clock, peerOf(1)) / 1_000);
  }
  assertEquals(bans, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
});

Deno.test("Blacklist forgets failures of a peer that answers", async () => {
  const clock = new FakeClock();
  const blacklist = new Blacklist(clock);
  blacklist.failed(peerOf(1));
  await banOf(blacklist, clock, peerOf(1));
  blacklist.answered(peerOf(1));
  assertEquals(blacklist.has(peerOf(1)), false);
  blacklist.failed(peerOf(1));
  assertEquals(await banOf(blacklist, clock, peerOf(1)), 5_000);
});

Deno.test("Blacklist remembers a bounded number of peers", () => {
  const blacklist = new Blacklist(new FakeClock());
  for (let i = 0; i < 5_000; i++) blacklist.failed(peerOf(i));
  assertEquals([blacklist.has(peerOf(0)), blacklist.has(peerOf(4_999))], [false, true]);
});
