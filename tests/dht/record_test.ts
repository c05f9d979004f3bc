import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { Extension, Float, pack, type Packable, tuple } from "../../src/base/msgpack.ts";
import {
  decodeDictionary,
  DICTIONARY_CODE,
  encodeDictionary,
  entryBytes,
  type Held,
  mergeHeld,
  readDictionary,
  readSubkey,
  subkeyText,
  textSubkey,
} from "../../src/dht/record.ts";
import { assertBounded } from "../support/decoders.ts";
import { vectors } from "../support/vectors.ts";

const golden = fromHex(vectors.msgpack.find((v: { name: string }) => v.name === "DictionaryDHTValue").hex);
const entry = (name: string, expiration: number, value = "v") => ({
  subkey: textSubkey(name),
  value: pack(value),
  expiration,
});

Deno.test("A dictionary of hivemind is read and written back byte for byte", () => {
  const entries = readDictionary(golden, 0);
  assertEquals(entries.map(({ subkey, expiration }) => [subkeyText(subkey), expiration]), [
    ["peerA", 2000000000.25],
    ["peerB", 2000000010.5],
  ]);
  assertEquals(toHex(encodeDictionary(entries)), toHex(golden));
});

Deno.test("A dictionary cut, damaged or random ends in a value or NodeError", () => {
  assertBounded((bytes) => readDictionary(bytes, 0), golden);
  assertBounded(readSubkey, pack(tuple("a", 1, Uint8Array.of(1))));
});

Deno.test("decodeDictionary refuses what is not exactly a dictionary", () => {
  const body = (parts: Packable) => pack(new Extension(DICTIONARY_CODE, pack(parts)));
  const end = new Float(1);
  const bad: Packable[] = [
    [new Float(Infinity), end],
    [new Float(Infinity), end, 3],
    [new Float(Infinity), end, [["a", new Uint8Array(1)]]],
    [new Float(Infinity), end, [["a", "text, not bytes", end]]],
    [new Float(Infinity), end, [["a", new Uint8Array(1), "soon"]]],
  ];
  for (const parts of bad) assertThrows(() => decodeDictionary(body(parts)), NodeError);
  assertThrows(() => decodeDictionary(pack(new Extension(0x51, new Uint8Array(2)))), NodeError);
  const claimed = pack(new Extension(DICTIONARY_CODE, fromHex("93c0c0ddffffffff")));
  assertThrows(() => decodeDictionary(claimed), NodeError, "4294967295 entries");
});

Deno.test("readDictionary leaves out expired entries and unusable subkeys", () => {
  const items = [["a", new Uint8Array(1), 5], [[1], new Uint8Array(1), 20], ["b", new Uint8Array(1), 20]];
  const packed = pack(new Extension(DICTIONARY_CODE, pack([null, null, items])));
  assertEquals(readDictionary(packed, 10).map(({ subkey }) => subkeyText(subkey)), ["b"]);
});

Deno.test("encodeDictionary stops before it grows longer than asked", () => {
  const entries = Array.from({ length: 100 }, (_, i) => entry(`subkey ${i}`, 100 + i));
  for (const limit of [50, 500, 1_000]) {
    const packed = encodeDictionary(entries, limit);
    assert(packed.length <= limit, `${packed.length} > ${limit}`);
    readDictionary(packed, 0);
  }
  assertEquals(readDictionary(encodeDictionary(entries), 0).length, 100);
  const whole = encodeDictionary(entries).length;
  assert(
    whole <= entries.reduce((sum, item) => sum + entryBytes(item), 39),
    "sizes are never underestimated",
  );
});

Deno.test("readSubkey takes what Python can hash and order, in its shortest form", () => {
  assertEquals(readSubkey(fromHex("d90161")).key, readSubkey(pack("a")).key);
  assertEquals(readSubkey(pack(tuple("a", 1, new Float(2)))).kind, "(text,number,number)");
  assertEquals(readSubkey(pack("\ufffd")).kind, "text");
  for (
    const value of [[1], { a: 1 }, null, new Extension(9, new Uint8Array(1)), tuple([1]), new Float(NaN)]
  ) {
    assertThrows(() => readSubkey(pack(value as Packable)), NodeError);
  }
  assertThrows(() => readSubkey(fromHex("a1ff")), NodeError, "UTF-8");
  assertThrows(() => readSubkey(fromHex("a161a1")), NodeError);
  assertThrows(() => readSubkey(pack("x".repeat(5_000))), NodeError, "4096");
});

Deno.test("mergeHeld keeps the later of each subkey and the later of two values", () => {
  const dictionary = (...entries: ReturnType<typeof entry>[]): Held => ({
    kind: "dictionary",
    entries,
    expiration: Math.max(...entries.map(({ expiration }) => expiration)),
  });
  const merged = mergeHeld(
    dictionary(entry("a", 5, "old"), entry("b", 9)),
    dictionary(entry("a", 6, "new"), entry("c", 7)),
  );
  assertEquals(merged.expiration, 9);
  assertEquals(merged.kind === "dictionary" && merged.entries, [
    entry("a", 6, "new"),
    entry("b", 9),
    entry("c", 7),
  ]);
  assertEquals(
    mergeHeld(dictionary(entry("a", 6, "new")), dictionary(entry("a", 5, "old"))).kind,
    "dictionary",
  );
  const kept = mergeHeld(dictionary(entry("a", 6, "new")), dictionary(entry("a", 6, "equal"), entry("b", 1)));
  assertEquals(kept.kind === "dictionary" && kept.entries, [entry("a", 6, "new"), entry("b", 1)]);
  const value: Held = { kind: "value", value: pack(1), expiration: 9 };
  assertEquals(mergeHeld(value, dictionary(entry("a", 9))), value);
  assertEquals(mergeHeld(value, dictionary(entry("a", 10))).kind, "dictionary");
});
