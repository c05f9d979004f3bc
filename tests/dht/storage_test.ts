import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { pack, type Packable, tuple } from "../../src/base/msgpack.ts";
import { CACHE_LIMITS, Storage, STORAGE_LIMITS, type StorageLimits } from "../../src/dht/storage.ts";
import { encodeDictionary, readSubkey, subkeyText } from "../../src/dht/record.ts";
import { peerOf } from "./network.ts";

const [ALICE, BOB] = [peerOf(1), peerOf(2)];
const DAY = 86_400;

/** A storage whose clock stands at 1000 s. */
function open(limits: Partial<StorageLimits> = {}, start = STORAGE_LIMITS) {
  const time = { now: 1_000 };
  const storage = new Storage(() => time.now, { ...start, ...limits });
  const put = (
    key: number,
    expiration: number,
    more: Partial<{ subkey: Packable; value: Uint8Array; owner: string }> = {},
  ) =>
    storage.store({
      id: BigInt(key),
      subkey: more.subkey === undefined ? undefined : readSubkey(pack(more.subkey)),
      value: more.value ?? pack("v"),
      expiration,
    }, more.owner ?? ALICE);
  const names = (key: number) => {
    const held = storage.get(BigInt(key));
    return held?.kind === "dictionary"
      ? held.entries.map(({ subkey }) => subkeyText(subkey)).sort()
      : undefined;
  };
  return { time, storage, put, names };
}

Deno.test("Storage holds a value until it expires", () => {
  const { time, storage, put } = open();
  assert(put(1, 1_010.5));
  assertEquals(storage.get(1n), { kind: "value", value: pack("v"), expiration: 1_010.5 });
  time.now = 1_010.5;
  assertEquals(storage.get(1n), undefined);
  assertEquals([storage.keys, storage.size, storage.strangerBytes], [0, 0, 0]);
});

Deno.test("Storage takes strictly later expirations only", () => {
  const { storage, put } = open();
  assert(put(1, 1_010));
  assert(!put(1, 1_010, { value: pack("equal") }));
  assert(!put(1, 1_009, { value: pack("earlier") }));
  assert(put(1, 1_010.0000001, { value: pack("later") }));
  assertEquals(storage.get(1n)?.kind === "value" && storage.get(1n), {
    kind: "value",
    value: pack("later"),
    expiration: 1_010.0000001,
  });
});

Deno.test("Storage keeps subkeys apart, each with its own end", () => {
  const { time, storage, put, names } = open();
  assert(put(1, 1_010, { subkey: "a" }));
  assert(put(1, 1_020, { subkey: "b" }));
  assert(!put(1, 1_010, { subkey: "a" }));
  assert(put(1, 1_015, { subkey: "a" }), "later than its own entry, though not than the dictionary");
  assertEquals(storage.get(1n)?.expiration, 1_020);
  time.now = 1_016;
  assertEquals(names(1), ["b"]);
});

Deno.test("Storage lets the later of a value and a dictionary stand", () => {
  const { storage, put, names } = open();
  assert(put(1, 1_020));
  assert(!put(1, 1_020, { subkey: "a" }));
  assert(put(1, 1_021, { subkey: "a" }));
  assertEquals(names(1), ["a"]);
  assert(!put(1, 1_021));
  assert(put(1, 1_022));
  assertEquals(storage.get(1n)?.kind, "value");
  assertEquals(storage.size, 1);
});

Deno.test("A refused store with an earlier expiration does not shorten the life of what is held", () => {
  const { time, storage, put, names } = open();
  put(1, 1_100);
  assert(!put(1, 1_001));
  put(2, 1_100, { subkey: "a" });
  assert(!put(2, 1_001, { subkey: "a" }));
  time.now = 1_050;
  assertEquals(storage.get(1n)?.expiration, 1_100);
  assertEquals(names(2), ["a"]);
});

Deno.test("Storage refuses NaN, infinite, negative, past and far expirations", () => {
  const { storage, put } = open();
  for (const bad of [NaN, Infinity, -Infinity, -1, 0, 999, 1_000, 1_000 + DAY + 4, 1e300]) {
    assert(!put(1, bad), `${bad}`);
    assert(!put(1, bad, { subkey: "a" }), `${bad}`);
  }
  assert(put(1, 1_000 + DAY));
  assertEquals(storage.size, 1);
});

Deno.test("Storage takes no more bytes from one stranger than allowed, and again when they expired", () => {
  const { time, storage, put } = open({ ownerBytes: 10_000 });
  const value = new Uint8Array(1_000);
  const taken = Array.from({ length: 20 }, (_, i) => put(i, 1_010, { value })).filter(Boolean).length;
  assertEquals(taken, 5);
  assert(put(100, 1_010, { value, owner: BOB }), "others are not hurt");
  assert(put(0, 1_011, { value }), "a refresh takes the place of what it replaces");
  time.now = 1_020;
  assert(put(200, 1_030, { value }));
  assertEquals(storage.size, 1);
});

Deno.test("Storage holds a bounded sum for all strangers, and ours beside it", () => {
  const { storage, put } = open({ totalBytes: 10_000 });
  for (let i = 0; i < 100; i++) put(i, 1_010, { owner: peerOf(i) });
  assert(storage.strangerBytes <= 10_000);
  const before = storage.size;
  assert(storage.store({ id: 1_000n, subkey: undefined, value: pack("ours"), expiration: 1_010 }));
  assertEquals(storage.size, before + 1);
});

Deno.test("Storage as a cache drops what expires first when it is full", () => {
  const { storage, put } = open({ totalBytes: 5_000 }, CACHE_LIMITS);
  for (let i = 0; i < 20; i++) assert(put(i, 1_100 + i));
  assertEquals(storage.get(0n), undefined);
  assertEquals(storage.get(19n)?.expiration, 1_119);
  assert(storage.strangerBytes <= 5_000);
});

Deno.test("Storage refuses values above the limit", () => {
  const { put } = open({ valueBytes: 100 });
  assert(put(1, 1_010, { value: new Uint8Array(100) }));
  assert(!put(2, 1_010, { value: new Uint8Array(101) }));
});

Deno.test("A dictionary never grows past what one reply can carry", () => {
  const { storage, put } = open({ dictionaryBytes: 20_000 });
  let taken = 0;
  for (let i = 0; i < 1_000; i++) {
    if (put(1, 1_010 + i / 1_000, { subkey: `s${i}`, value: new Uint8Array(100), owner: peerOf(i) })) taken++;
  }
  assert(taken > 100 && taken < 200, `${taken} taken`);
  const held = storage.get(1n);
  assert(held?.kind === "dictionary" && encodeDictionary(held.entries).length <= 20_000);
});

Deno.test("One stranger cannot fill a dictionary alone", () => {
  const { put, names } = open({ ownerKeyBytes: 10_000 });
  for (let i = 0; i < 100; i++) put(1, 1_010, { subkey: `s${i}`, owner: ALICE });
  assert(names(1)!.length < 20);
  assert(put(1, 1_010, { subkey: "bob", owner: BOB }));
});

Deno.test("A dictionary has a bounded number of subkeys", () => {
  const { put, names } = open({ subkeys: 3 });
  assertEquals([1, 2, 3, 4].map((i) => put(1, 1_010, { subkey: `s${i}` })), [true, true, true, false]);
  assert(put(1, 1_011, { subkey: "s1" }));
  assertEquals(names(1), ["s1", "s2", "s3"]);
});

Deno.test("Subkeys that Python cannot order do not stand together with one expiration", () => {
  const { put, storage } = open();
  assert(put(1, 1_010, { subkey: "a" }));
  assert(!put(1, 1_010, { subkey: 7 }));
  assert(put(1, 1_011, { subkey: 7 }));
  assert(put(1, 1_010, { subkey: "b" }));
  assert(put(1, 1_012, { subkey: tuple("a", 1) }));
  assert(!put(1, 1_012, { subkey: tuple("a", "b") }));
  assertEquals(storage.size, 4);
});

Deno.test("Storage copies values, so that a request can be freed", () => {
  const { storage, put } = open();
  const request = new Uint8Array(1_000).fill(7);
  put(1, 1_010, { value: request.subarray(10, 20) });
  request.fill(0);
  const held = storage.get(1n);
  assert(held?.kind === "value" && held.value.buffer.byteLength === 10 && held.value[0] === 7);
});

Deno.test("Storage counts right through any sequence of stores, refusals and expiries", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 3 }),
    subkey: fc.option(fc.integer({ min: 0, max: 3 }).map((n) => `s${n}`), { nil: undefined }),
    life: fc.integer({ min: -1, max: 20 }),
    owner: fc.integer({ min: 0, max: 2 }).map(peerOf),
    wait: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const { time, storage, put } = open({ totalBytes: 8_000, ownerBytes: 5_000 });
    for (const { key, subkey, life, owner, wait } of steps) {
      put(key, time.now + life, subkey === undefined ? { owner } : { owner, subkey });
      assert(storage.strangerBytes >= 0 && storage.strangerBytes <= 8_000);
      time.now += wait;
    }
    time.now += 1_000;
    assertEquals(storage.countValid(), 0);
    assertEquals([storage.keys, storage.size, storage.strangerBytes], [0, 0, 0]);
  }));
});
