/** What every decoder of foreign bytes must stand. */
import { assert } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";

/** Runs `decode`; anything but a value or a `NodeError` fails the test. */
function valueOrNodeError(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes);
  } catch (error) {
    assert(error instanceof NodeError, `threw ${error instanceof Error ? error.stack : String(error)}`);
  }
}

/** Cuts `whole` at every byte, flips every byte, and feeds random bytes: each ends in a value or a `NodeError`. */
export function assertBounded(decode: (bytes: Uint8Array) => unknown, whole: Uint8Array, runs = 300): void {
  for (let end = 0; end < whole.length; end++) valueOrNodeError(decode, whole.slice(0, end));
  const step = Math.max(1, Math.floor(whole.length / 400));
  for (let at = 0; at < whole.length; at += step) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const damaged = whole.slice();
      damaged[at]! ^= flip;
      valueOrNodeError(decode, damaged);
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => valueOrNodeError(decode, bytes)), {
    numRuns: runs,
  });
}
