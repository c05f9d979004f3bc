import { assertEquals, assertThrows } from "@std/assert";
import { encodeUtf8, toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { Float, pack, type Packable, Tuple, tuple } from "../../../src/base/msgpack.ts";
import { decodeExpertRequest } from "../../../src/petals/wire/expert.ts";
import {
  argumentsStructure,
  arrange,
  idOf,
  isPushed,
  nextServersOf,
  numberOf,
  outputCompressionOf,
  packNextServers,
  pushedMetadata,
  pythonText,
  readMetadata,
  valueOf,
} from "../../../src/petals/wire/metadata.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

const streams = Object.values(vectors.captured.petals_two_server_streams) as { dir: string; msg: string }[][];
const captured = streams.flat()
  .filter(({ dir, msg }) => dir === "out" && msg.length > 0)
  .map(({ msg }) => decodeExpertRequest(bytesOf(msg)).metadata);
const chained = captured.find((bytes) => readMetadata(bytes).has("next_servers"))!;
const of = (map: Record<string, Packable>) => readMetadata(pack(map));

Deno.test("captured metadata packs again to the same bytes", () => {
  for (const bytes of captured) assertEquals(toHex(pack(readMetadata(bytes))), toHex(bytes));
});

Deno.test("captured metadata of a chain names the next server and its session", () => {
  assertEquals(nextServersOf(readMetadata(chained)), [{
    peer: "QmepdsodwtF9C6Czj1Y1UsUFBirKRtk3W6dRH3rQvFbhmg",
    sessionId: "a4acf862-e2c1-4360-9304-ee2a0b97c140",
    start: 2,
    end: 4,
  }]);
});

Deno.test("pushed metadata is the step's own with session, servers and mark replaced", () => {
  const pushed = readMetadata(pushedMetadata(readMetadata(chained)));
  assertEquals([...pushed.keys()], ["session_id", "step_id", "next_servers", "args_structure", "pushed"]);
  assertEquals(idOf(pushed, "session_id"), "a4acf862-e2c1-4360-9304-ee2a0b97c140");
  assertEquals(nextServersOf(pushed), []);
  assertEquals(isPushed(pushed), true);
  assertEquals(pushed.get("args_structure"), readMetadata(chained).get("args_structure"));
});

Deno.test("pushed metadata keeps floats, tuples and the order of keys of fields it does not know", () => {
  const two = [
    { peer: "Qm1", sessionId: "a", start: 0, end: 2 },
    { peer: "Qm2", sessionId: "b", start: 2, end: 4 },
  ];
  const map = new Map<Packable, Packable>([
    ["points", new Float(0)],
    ["next_servers", packNextServers(two)],
    ["strange", tuple(1, new Float(2), encodeUtf8("z"))],
    ["session_id", "old"],
  ]);
  const expected = new Map(map)
    .set("next_servers", packNextServers(two.slice(1))).set("session_id", "a").set("pushed", true);
  assertEquals(toHex(pushedMetadata(readMetadata(pack(map)))), toHex(pack(expected)));
  const asTuple = new Map(map).set("next_servers", new Tuple(packNextServers(two) as Packable[]));
  assertEquals(readMetadata(pushedMetadata(asTuple)).get("next_servers") instanceof Tuple, true);
  assertThrows(() => pushedMetadata(new Map()), RangeError);
});

Deno.test("arguments are put where args_structure says, also reordered, repeated or absent", () => {
  assertEquals(arrange(["a", "b", "c"], argumentsStructure(3)), ["a", "b", "c"]);
  const mask = (i: number) => encodeUtf8(`__T${i}`);
  assertEquals(arrange(["a", "b", "c"], tuple(tuple(mask(1), mask(2), mask(0)), {})), ["b", "c", "a"]);
  assertEquals(arrange(["a", "b"], tuple(tuple(mask(0), mask(1), mask(1)), {})), ["a", "b", "b"]);
  assertEquals(arrange(["a"], [[mask(0), null], {}]), ["a", undefined]);
  assertEquals(arrange(["a", "b"], undefined), ["a", "b"]);
  for (const bad of [3, tuple(), tuple(1), tuple(tuple(mask(9)), {}), tuple(tuple(encodeUtf8("__Tx")), {})]) {
    assertThrows(() => arrange(["a"], bad), NodeError, "args_structure");
  }
  assertThrows(() => arrange(["a"], tuple(new Tuple(Array(17).fill(mask(0))), {})), NodeError);
});

Deno.test("metadata fields of wrong types are malformed, absent ones are absent", () => {
  assertEquals(readMetadata(new Uint8Array(0)).size, 0);
  assertThrows(() => readMetadata(pack([1])), NodeError, "no map");
  assertEquals(idOf(of({ session_id: null }), "session_id"), undefined);
  assertThrows(() => idOf(of({ session_id: 4 }), "session_id"), NodeError);
  assertThrows(() => idOf(of({ step_id: "x".repeat(201) }), "step_id"), NodeError);
  assertEquals(numberOf(of({ alloc_timeout: new Float(1.5) }), "alloc_timeout"), 1.5);
  assertThrows(() => numberOf(of({ points: "many" }), "points"), NodeError, "many");
  assertEquals(outputCompressionOf(of({ output_compression: tuple(4) })), [4]);
  assertThrows(() => outputCompressionOf(of({ output_compression: 4 })), NodeError, "must be a tuple/list");
  assertThrows(() => outputCompressionOf(of({ output_compression: ["a"] })), NodeError, "integers");
  for (
    const bad of ["x", ["x"], [["p", "s", 2, 2]], [["p", "s", 0]], [[1, "s", 0, 1]], [["p", "s", 0, 1e6]]]
  ) {
    assertThrows(() => nextServersOf(of({ next_servers: bad })), NodeError);
  }
  assertEquals(valueOf(of({ a: null }), "a"), undefined);
});

Deno.test("values are shown as Python would", () => {
  const shown = [null, true, 9, "9", new Float(9), new Float(0.5), [1], tuple(1), new Map()].map(pythonText);
  assertEquals(shown, ["None", "True", "9", "9", "9.0", "0.5", "a list", "a tuple", "a dict"]);
});

Deno.test("metadata ends every cut, flipped or random input in a value or a NodeError", () => {
  assertBounded((bytes) => {
    const map = readMetadata(bytes);
    nextServersOf(map);
    return arrange([1, 2, 3], valueOf(map, "args_structure"));
  }, chained);
});
