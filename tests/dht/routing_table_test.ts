import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BUCKET_SIZE } from "../../src/dht/constants.ts";
import { byDistance, type Contact } from "../../src/dht/id.ts";
import { RoutingTable } from "../../src/dht/routing_table.ts";
import { peerOf } from "./network.ts";

const contact = (number: number, id: bigint): Contact => ({ id, peer: peerOf(number) });
const SELF = contact(0, 5n);
/** Far from us: the upper half of all ids. */
const far = (n: number) => contact(n, (1n << 159n) + BigInt(n) * (1n << 100n));
/** Without the bytes that the table keeps beside. */
const plain = (node: Contact | undefined) =>
  node === undefined ? undefined : { id: node.id, peer: node.peer };
/** Spreads numbers over all ids, always the same way. */
const scattered = (n: number) =>
  contact(n, (BigInt(n) * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bn) % (1n << 160n));

Deno.test("RoutingTable.nearest agrees with sorting everybody", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 400 }),
      fc.bigInt({ min: 0n, max: (1n << 160n) - 1n }),
      (count, target) => {
        const table = new RoutingTable(SELF);
        for (let n = 1; n <= count; n++) table.seen(scattered(n));
        const all = table.contacts().sort(byDistance(target));
        assertEquals(table.size, all.length);
        assertEquals(table.nearest(target, 20), all.slice(0, 20));
        if (all[0] !== undefined) assertEquals(table.nearest(target, 5, all[0].peer), all.slice(1, 6));
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("RoutingTable splits around itself and keeps far buckets at 20 per 32nd", () => {
  const table = new RoutingTable(SELF);
  for (let n = 1; n <= 3_000; n++) table.seen(scattered(n));
  const upperHalf = table.contacts().filter(({ id }) => id >= 1n << 159n);
  assert(upperHalf.length <= 16 * BUCKET_SIZE, `${upperHalf.length}`);
  assert(upperHalf.length >= 15 * BUCKET_SIZE, `${upperHalf.length}`);
  for (let n = 1; n <= 15; n++) table.seen(contact(5_000 + n, SELF.id + BigInt(n)));
  assertEquals(table.nearest(SELF.id, 15).every(({ id }) => id <= 20n), true);
});

Deno.test("RoutingTable pings the node not seen for longest when a bucket is full", () => {
  const table = new RoutingTable(SELF);
  for (let n = 1; n <= BUCKET_SIZE; n++) assert(table.seen(far(n)).isNew);
  table.seen(far(1)); // now the most recent
  const { ping, isNew } = table.seen(far(100));
  assertEquals([plain(ping), isNew], [far(2), true]);
  assertEquals(plain(table.seen(far(101)).ping), far(3), "one ping at a time for each node");
  table.seen(far(2)); // it answered
  assertEquals(table.size, BUCKET_SIZE);
  table.remove(far(3).peer); // it did not
  assertEquals(table.size, BUCKET_SIZE);
  assert(table.nearest(far(101).id, 1)[0]!.peer === far(101).peer, "the latest replacement moved up");
});

Deno.test("RoutingTable evicts nobody who answers", () => {
  const table = new RoutingTable(SELF);
  for (let n = 1; n <= BUCKET_SIZE; n++) table.seen(far(n));
  for (let n = 100; n < 1_000; n++) {
    const { ping } = table.seen(far(n));
    if (ping !== undefined) table.seen(ping);
  }
  assertEquals(
    table.contacts().map(({ peer }) => peer).sort(),
    Array.from({ length: BUCKET_SIZE }, (_, i) => far(i + 1).peer).sort(),
  );
});

Deno.test("RoutingTable chooses a node again whose ping could not be made", () => {
  const table = new RoutingTable(SELF);
  for (let n = 1; n <= BUCKET_SIZE; n++) table.seen(far(n));
  assertEquals(plain(table.seen(far(100)).ping), far(1));
  table.release(far(1).peer);
  assertEquals(plain(table.seen(far(101)).ping), far(1));
});

Deno.test("One peer with many made-up ids has one entry", () => {
  const table = new RoutingTable(SELF);
  for (let n = 1; n <= 2_000; n++) table.seen(contact(1, BigInt(n) << 80n));
  assertEquals(table.contacts().map(plain), [contact(1, 2_000n << 80n)]);
});

Deno.test("An id that another peer holds is not given away", () => {
  const table = new RoutingTable(SELF);
  table.seen(contact(1, 77n));
  assert(!table.seen(contact(2, 77n)).isNew);
  assertEquals(table.contacts().map(plain), [contact(1, 77n)]);
});

Deno.test("RoutingTable ignores our own id and our own peer", () => {
  const table = new RoutingTable(SELF);
  table.seen(contact(1, SELF.id));
  table.seen(contact(0, 99n));
  assertEquals(table.size, 0);
});

Deno.test("RoutingTable stays bounded under a flood of peers", () => {
  const table = new RoutingTable(SELF);
  for (let n = 1; n <= 8_000; n++) {
    table.seen(contact(n, SELF.id ^ (BigInt(n) << BigInt(n % 120))));
    if (n % 3 === 0) table.remove(peerOf(n - 1));
  }
  assert(table.size <= 4_096);
  for (const { peer } of table.contacts()) table.remove(peer);
  for (const { peer } of table.contacts()) table.remove(peer);
  assert(table.size <= 4_096);
});
