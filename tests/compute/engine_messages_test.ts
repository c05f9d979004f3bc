import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import {
  errorFromWire,
  errorToWire,
  readBlockFacts,
  readHeadFacts,
  readOpenFacts,
  readReply,
  readRequest,
} from "../../src/compute/engine_messages.ts";

const STEP = {
  id: 4,
  act: "step",
  blocks: 1,
  cache: 2,
  batch: 1,
  tokens: 3,
  hidden: 64,
  promptTokens: 1,
  rewindTo: 0,
  rows: [0],
};

Deno.test("requests and replies are read as they were sent", () => {
  const requests = [
    STEP,
    { id: 1, act: "open", engine: "auto", dataDir: "/d", backendDir: "/b" },
    { id: 2, act: "load", path: "/m", range: { start: 0, end: 2 }, options: { dtype: "f32", threads: 2 } },
    { id: 3, act: "loadHead", path: "/m", options: { dtype: "auto", threads: 1 } },
    { id: 5, act: "openCache", blocks: 1, range: { start: 0, end: 1 }, batch: 2, capacity: 8 },
    { id: 6, act: "abort", target: 4 },
  ];
  for (const request of requests) assertEquals(readRequest(request) as unknown, request);
  const reply = { id: 1, handle: 3, length: 4, facts: { engine: "ggml", weightBytes: 5 } };
  assertEquals(readReply(reply) as unknown, reply);
});

Deno.test("requests with numbers, words or acts that cannot be are refused", () => {
  for (
    const change of [
      { tokens: -1 },
      { tokens: 1.5 },
      { tokens: 2 ** 53 },
      { tokens: "3" },
      { batch: undefined },
      { act: "explode" },
      { rows: [-1] },
      { rows: 0 },
      { id: null },
    ]
  ) {
    assertEquals(assertThrows(() => readRequest({ ...STEP, ...change }), NodeError).code, "malformed");
  }
  const load = { id: 1, act: "load", path: "/m", range: { start: 0, end: 1 } };
  for (const options of [{ dtype: "f8", threads: 1 }, { dtype: "f32", threads: 0 }]) {
    assertThrows(() => readRequest({ ...load, options }), NodeError);
  }
});

Deno.test("whatever JSON comes ends in a message or in malformed", () => {
  const readers = [readRequest, readReply, readBlockFacts, readHeadFacts, readOpenFacts];
  fc.assert(fc.property(fc.jsonValue(), fc.nat(readers.length - 1), (value, which) => {
    try {
      readers[which]!(value);
    } catch (error) {
      assert(error instanceof NodeError && error.code === "malformed");
    }
  }));
});

Deno.test("errors keep their kind on the way", () => {
  const back = (error: unknown) => errorFromWire(readReply({ id: 1, error: errorToWire(error) }).error!);
  const memory = back(new NodeError("no_memory", "Cannot load"));
  assert(memory instanceof NodeError && memory.code === "no_memory" && memory.message === "Cannot load");
  assert(back(new RangeError("too far")) instanceof RangeError);
  assert(back(new TypeError("wrong")) instanceof TypeError);
  const strange = back(new SyntaxError("odd"));
  assert(strange instanceof NodeError && strange.code === "remote" && strange.message === "odd");
});
