import { assert, assertEquals } from "@std/assert";
import { ConnectionUses, PendingByAddress } from "../../src/p2p/admission.ts";
import { InboundCalls } from "../../src/p2p/inbound_calls.ts";

Deno.test("InboundCalls gives a newcomer the place of the oldest silent call of the peer that has most", () => {
  const calls = new InboundCalls(5, 4);
  const ended: string[] = [];
  const admit = (peer: string, name: string) => calls.admit(peer, () => ended.push(name));
  admit("honest", "h1");
  for (let i = 1; i <= 4; i++) admit("greedy", `g${i}`);
  assert(admit("new", "n1"));
  assertEquals([ended, calls.count], [["g1"], 5]);
  admit("greedy", "g5");
  assertEquals(ended, ["g1", "g2"]);
});

Deno.test("InboundCalls ends no call that has begun, refuses when all have, and frees each place once", () => {
  const calls = new InboundCalls(2, 2);
  const end = () => {
    throw new Error("it has begun");
  };
  const places = [calls.admit("a", end)!, calls.admit("a", end)!];
  for (const place of places) place.begun();
  assertEquals([calls.admit("a", end), calls.admit("b", end)], [undefined, undefined]);
  places[0]![Symbol.dispose]();
  places[0]![Symbol.dispose]();
  assertEquals(calls.count, 1);
  assert(calls.admit("b", end));
});

Deno.test("PendingByAddress bounds each address apart, and takes each leaving once", () => {
  const pending = new PendingByAddress(2);
  const first = pending.enter("/ip4/10.0.0.1")!;
  pending.enter("/ip4/10.0.0.1");
  assertEquals(pending.enter("/ip4/10.0.0.1"), undefined);
  assert(pending.enter("/ip4/10.0.0.2"));
  first();
  first();
  assert(pending.enter("/ip4/10.0.0.1"));
  assertEquals(pending.enter("/ip4/10.0.0.1"), undefined);
});

Deno.test("ConnectionUses misses least what others made, without a call, unused for longest", () => {
  const uses = new ConnectionUses();
  const connection = (direction: "inbound" | "outbound", at: number) => {
    const made = { direction };
    uses.opened(made, at);
    return made;
  };
  const ours = connection("outbound", 0);
  const working = connection("inbound", 1);
  const idle = connection("inbound", 2);
  const old = connection("inbound", 3);
  uses.began(working, 4);
  const all = [ours, working, idle, old];
  assertEquals(uses.leastMissed(all) === idle, true);
  uses.began(idle, 5);
  uses.over(idle, 6);
  assertEquals(uses.leastMissed(all) === old, true);
  uses.over(working, 7);
  assertEquals(uses.leastMissed([ours, working, idle]) === idle, true);
  assertEquals(uses.leastMissed([ours]), undefined);
});
