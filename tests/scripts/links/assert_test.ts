import {
  assert,
  assertAlmostEquals,
  assertEquals,
  AssertionError,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  fail,
} from "@std/assert";

Deno.test("each assertion throws AssertionError where it should, and only there", async () => {
  assert(1);
  assertEquals({ a: [1, Uint8Array.of(2)] }, { a: [1, Uint8Array.of(2)] });
  assertAlmostEquals(1, 1 + 1e-9);
  assertThrows(() => assert(0), AssertionError);
  assertThrows(
    () => assertEquals<unknown>({ a: 1 }, { a: "1" }, "with a note"),
    AssertionError,
    "with a note",
  );
  assertThrows(() => assertAlmostEquals(1, 1.1), AssertionError);
  assertThrows(() => assertStringIncludes("abc", "d"), AssertionError);
  assertThrows(() => fail("on purpose"), AssertionError, "on purpose");
  assertThrows(() => assertThrows(() => {}), AssertionError, "to throw");
  assertThrows(() => assertThrows(() => fail(), RangeError), AssertionError, "Expected RangeError");
  await assertRejects(() => Promise.reject(new RangeError("x")), RangeError, "x");
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError, "to reject");
});
