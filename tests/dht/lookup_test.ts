import { assert, assertEquals } from "@std/assert";
import { byDistance, type Contact, type DhtId } from "../../src/dht/id.ts";
import { Lookup, type LookupAnswer } from "../../src/dht/lookup.ts";
import { peerOf } from "./network.ts";

const SELF: Contact = { id: 0n, peer: peerOf(0) };
const MASK = (1n << 160n) - 1n;
/** Nodes spread over all ids, always the same way. */
const nodes = (count: number): Contact[] =>
  Array.from({ length: count }, (_, i) => ({
    id: (BigInt(i + 1) * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bn) & MASK,
    peer: peerOf(i + 1),
  }));
const keysOf = (count: number): DhtId[] => nodes(count).map(({ id }) => (id * 31n) & MASK);

interface World {
  readonly all: readonly Contact[];
  readonly dead?: ReadonlySet<string>;
  /** How many of the nearest nodes of a key each node knows. */
  readonly known?: number;
}

/** Runs a lookup in a world where everybody knows the nearest; returns the number of calls. */
function run(lookup: Lookup, { all, dead = new Set(), known = 20 }: World, atOnce = 4): number {
  let calls = 0;
  const waiting: NonNullable<ReturnType<Lookup["next"]>>[] = [];
  while (!lookup.done) {
    for (let step = lookup.next(); step !== undefined && waiting.length < atOnce; step = lookup.next()) {
      waiting.push(step);
      if (waiting.length >= atOnce) break;
    }
    const step = waiting.shift();
    if (step === undefined) break;
    calls++;
    if (dead.has(step.contact.peer)) {
      lookup.fail(step);
      continue;
    }
    const answers = new Map<DhtId, LookupAnswer>();
    for (const key of step.keys) {
      answers.set(key, { nearest: [...all].sort(byDistance(key)).slice(0, known) });
    }
    lookup.answer(step, answers);
  }
  return calls;
}

Deno.test("Lookup finds the nearest nodes of several keys with several keys in a call", () => {
  const all = nodes(200);
  const keys = keysOf(9);
  const lookup = new Lookup(keys, { self: SELF, start: all.slice(0, 3), beam: 10, keysPerCall: 3 });
  const calls = run(lookup, { all });
  for (const key of keys) {
    assertEquals(lookup.nearest(key).slice(0, 5), [...all].sort(byDistance(key)).slice(0, 5));
  }
  assert(calls <= 9 * 11, `${calls} calls`);
});

Deno.test("Lookup goes past nodes that do not answer", () => {
  const all = nodes(200);
  const key = keysOf(1)[0]!;
  const near = [...all].sort(byDistance(key));
  const dead = new Set(near.slice(0, 12).map(({ peer }) => peer));
  const lookup = new Lookup([key], { self: SELF, start: all.slice(0, 3), beam: 10, keysPerCall: 1 });
  run(lookup, { all, dead });
  assertEquals(lookup.nearest(key).slice(0, 5), near.filter(({ peer }) => !dead.has(peer)).slice(0, 5));
});

Deno.test("A peer that failed for one key is not asked for another", () => {
  const start = nodes(2);
  const dead: Contact = { id: 1025n, peer: peerOf(9) };
  const lookup = new Lookup([1n, 2n], { self: SELF, start, beam: 10, keysPerCall: 1 });
  let failures = 0;
  for (let step = lookup.next(); step !== undefined; step = lookup.next()) {
    if (step.contact.peer === dead.peer) {
      failures++;
      lookup.fail(step);
      continue;
    }
    const isNamed = step.keys.includes(1n) || failures > 0;
    lookup.answer(step, new Map([[step.keys[0]!, { nearest: isNamed ? [dead] : [] }]]));
  }
  assertEquals([failures, lookup.nearest(2n).length], [1, 2]);
});

Deno.test("Lookup stops asking for a key that is known well enough", () => {
  const all = nodes(100);
  const [a, b] = keysOf(2) as [DhtId, DhtId];
  const lookup = new Lookup([a, b], { self: SELF, start: all.slice(0, 1), beam: 10, keysPerCall: 2 });
  const step = lookup.next()!;
  assertEquals(step.keys.length, 2);
  const near = (key: DhtId) => [...all].sort(byDistance(key)).slice(0, 20);
  lookup.answer(step, new Map([[a, { nearest: near(a), stop: true }], [b, { nearest: near(b) }]]));
  assertEquals(lookup.next()!.keys, [b]);
});

Deno.test("Lookup with nobody to ask is done at once", () => {
  const lookup = new Lookup([1n], { self: SELF, start: [], beam: 10, keysPerCall: 1 });
  assertEquals([lookup.done, lookup.next(), lookup.nearest(1n)], [true, undefined, []]);
  assert(new Lookup([], { self: SELF, start: nodes(3), beam: 10, keysPerCall: 1 }).done);
});

Deno.test("Lookup does not ask itself", () => {
  const other = nodes(1)[0]!;
  const lookup = new Lookup([1n], { self: SELF, start: [other], beam: 10, keysPerCall: 1 });
  const step = lookup.next()!;
  lookup.answer(
    step,
    new Map([[1n, { nearest: [SELF, { id: SELF.id, peer: peerOf(9) }, { id: 1n, peer: SELF.peer }] }]]),
  );
  assert(lookup.done);
});

Deno.test("One peer with many made-up ids counts once in a lookup", () => {
  const [liar, ...honest] = nodes(30) as [Contact, ...Contact[]];
  const lookup = new Lookup([7n], {
    self: SELF,
    start: [liar, ...honest.slice(0, 3)],
    beam: 10,
    keysPerCall: 1,
  });
  let calls = 0;
  for (let step = lookup.next(); step !== undefined; step = lookup.next()) {
    calls++;
    const madeUp = Array.from({ length: 20 }, (_, i) => ({ id: 8n + BigInt(i), peer: liar.peer }));
    const near = [...honest].sort(byDistance(7n)).slice(0, 20);
    lookup.answer(step, new Map([[7n, { nearest: step.contact.peer === liar.peer ? madeUp : near }]]));
  }
  assert(calls <= 13, `${calls} calls`);
  assertEquals(lookup.nearest(7n).filter(({ peer }) => peer === liar.peer).length <= 1, true);
});

Deno.test("A node cannot move next to a key by the id in its answer", () => {
  const [node] = nodes(1) as [Contact];
  const lookup = new Lookup([7n], { self: SELF, start: [node], beam: 10, keysPerCall: 1 });
  lookup.answer(lookup.next()!, new Map(), 7n);
  assertEquals(lookup.nearest(7n), [node]);
});

Deno.test("Lookup believes an id farther off that a node gives itself over what others claim", () => {
  const [node] = nodes(1) as [Contact];
  const lookup = new Lookup([7n], {
    self: SELF,
    start: [{ id: 6n, peer: node.peer }],
    beam: 10,
    keysPerCall: 1,
  });
  lookup.answer(lookup.next()!, new Map(), node.id);
  assertEquals(lookup.nearest(7n), [node]);
});

Deno.test("Endless lists of made-up nodes end a lookup after a bounded number of calls", () => {
  let made = 100;
  const lookup = new Lookup([1n << 159n], { self: SELF, start: nodes(1), beam: 10, keysPerCall: 1 });
  let calls = 0;
  for (let step = lookup.next(); step !== undefined; step = lookup.next()) {
    calls++;
    const nearest = Array.from(
      { length: 50 },
      () => ({ id: (1n << 159n) + (1n << 100n) / BigInt(++made), peer: peerOf(made) }),
    );
    if (calls % 2 === 0) lookup.fail(step);
    else lookup.answer(step, new Map([[1n << 159n, { nearest }]]));
  }
  assert(lookup.done);
  assert(calls <= 50, `${calls} calls`);
});
