import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { toHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import {
  Extension,
  Float,
  MsgpackReader,
  pack,
  type Packable,
  Tuple,
  tuple,
  unpack,
} from "../../src/base/msgpack.ts";
import { assertBounded } from "../support/decoders.ts";
import { bytesOf, vectors } from "../support/vectors.ts";

Deno.test("msgpack packs every golden value again as hivemind did", () => {
  for (const { name, hex } of vectors.msgpack) {
    assertEquals(toHex(pack(unpack(bytesOf(hex), { floats: "wrapped" }))), hex, name);
  }
  for (const { msgpack_hex } of vectors.dhtid) {
    if (msgpack_hex === undefined) continue;
    assertEquals(toHex(pack(unpack(bytesOf(msgpack_hex), { floats: "wrapped" }))), msgpack_hex);
  }
});

Deno.test("msgpack reads tuples, floats and integers as Python wrote them", () => {
  const value = unpack(pack(tuple(1, new Float(2), [tuple("a")], null)));
  assert(value instanceof Tuple);
  assertEquals(value.items, [1, 2, [tuple("a")], null]);
  assertEquals(unpack(pack(2n ** 60n)), 2n ** 60n);
  assertEquals(unpack(pack(-1_000_000)), -1_000_000);
});

Deno.test("msgpack refuses plain numbers that are no integers", () => {
  assertThrows(() => pack(1.5), TypeError);
  assertThrows(() => pack(NaN), TypeError);
});

const packable: fc.Arbitrary<Packable> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.string(),
    fc.uint8Array(),
    fc.double({ noNaN: true }).map((x) => new Float(x)),
    fc.array(tie("value") as fc.Arbitrary<Packable>, { maxLength: 20 }),
    fc.array(tie("value") as fc.Arbitrary<Packable>, { maxLength: 4 }).map((items) => new Tuple(items)),
    fc.dictionary(fc.string(), tie("value") as fc.Arbitrary<Packable>, { maxKeys: 20 }).map((o) =>
      new Map<Packable, Packable>(Object.entries(o))
    ),
    fc.uint8Array({ maxLength: 20 }).map((body) => new Extension(0x51, body)),
  ),
})).value as fc.Arbitrary<Packable>;

Deno.test("msgpack round trips any value, bit for bit", () => {
  fc.assert(fc.property(packable, (value) => {
    const bytes = pack(value);
    assertEquals(toHex(pack(unpack(bytes, { floats: "wrapped" }))), toHex(bytes));
  }));
});

Deno.test("msgpack ends every cut, flipped or random input in a value or a NodeError", () => {
  for (const { hex } of vectors.msgpack) assertBounded(unpack, bytesOf(hex), 50);
});

Deno.test("msgpack refuses deep nesting, announced sizes beyond the input, and trailing bytes", () => {
  assertThrows(() => unpack(new Uint8Array(1000).fill(0x91)), NodeError, "nested deeper");
  assertThrows(() => unpack(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)), NodeError, "in fewer bytes");
  assertThrows(() => unpack(Uint8Array.of(0xdf, 0x7f, 0xff, 0xff, 0xff)), NodeError, "in fewer bytes");
  assertThrows(() => unpack(Uint8Array.of(0xc0, 0xc0)), NodeError, "follow the value");
  let nested: Packable = 1;
  for (let i = 0; i < 40; i++) nested = tuple(nested);
  assertThrows(() => unpack(pack(nested)), NodeError, "nested deeper");
});

Deno.test("MsgpackReader gives array headers and packed items apart", () => {
  const reader = new MsgpackReader(pack(["a", tuple(1), 3]));
  assertEquals(reader.arrayLength(), 3);
  assertEquals(reader.packed(), pack("a"));
  assertEquals(reader.packed(), pack(tuple(1)));
  assertEquals(reader.value(), 3);
  assertThrows(() => new MsgpackReader(pack("a")).arrayLength(), NodeError);
});
