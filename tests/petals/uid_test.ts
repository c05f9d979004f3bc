import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { parseSpan, parseUid, requirePrefix, spanUid, uidOf, uidsOf } from "../../src/petals/uid.ts";

const served = { start: 2, end: 6 };

Deno.test("uids are a prefix, one dot and a plain number", () => {
  assertEquals(parseUid("x.0"), { prefix: "x", block: 0 });
  for (const bad of ["", "x", "x.", ".1", "x.01", "x.-1", "x.1.2", "x y.1", "x.1 ", "x.9999999999", "x.１"]) {
    assertEquals(parseUid(bad), undefined, bad);
  }
  assertEquals(uidsOf("x", served), ["x.2", "x.3", "x.4", "x.5"]);
});

Deno.test("a span of served blocks is read as it was written", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 4 }), (start, length) => {
    const range = { start, end: Math.min(6, start + length) };
    assertEquals(parseSpan(spanUid("tiny", range), "tiny", served), range);
  }));
});

Deno.test("a span with a foreign block is refused in the stock server's words", () => {
  const refused = (uids: string) => assertThrows(() => parseSpan(uids, "x", served), NodeError).message;
  assertEquals(refused("x.9"), "Remote peer does not serve x.9");
  assertEquals(refused("x.2 y.3"), "Remote peer does not serve y.3");
  assertEquals(refused("x.2 x.3 x.6"), "Remote peer does not serve x.6");
  assertEquals(refused(""), "Remote peer does not serve ");
  assertEquals(refused("x.2 "), "Remote peer does not serve ");
  assertEquals(refused("x.02"), "Remote peer does not serve x.02");
  assertEquals(refused("z".repeat(100_000)).length, "Remote peer does not serve ".length + 200);
});

Deno.test("blocks that do not follow each other are refused in words", () => {
  for (const uids of ["x.2 x.4", "x.3 x.2", "x.2 x.2"]) {
    assertThrows(() => parseSpan(uids, "x", served), NodeError, "must follow each other");
  }
});

Deno.test("prefixes hold no dot and no space", () => {
  requirePrefix("Llama-2-7b-hf");
  for (const bad of ["", "a.b", "a b", "a\tb", "x".repeat(201)]) {
    assertThrows(() => requirePrefix(bad), NodeError, "Cannot use prefix");
  }
  assertEquals(uidOf("a", 3), "a.3");
});
