import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  fromFloat32,
  toFloat32,
} from "../../src/base/tensor.ts";

Deno.test("bfloat16 rounds to nearest even and keeps NaN and infinities", () => {
  const values = Float32Array.of(1, 1.00390625, 1.01171875, -Infinity, NaN, 3.4e38);
  const back = bfloat16ToFloat32(float32ToBfloat16(values));
  assertEquals([...back.slice(0, 4)], [1, 1, 1.015625, -Infinity]);
  assert(Number.isNaN(back[4]!) && back[5] === Infinity);
});

Deno.test("float16 and bfloat16 values survive the way through single precision", () => {
  const every = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const halves = float32ToFloat16(float16ToFloat32(every));
  const brains = float32ToBfloat16(bfloat16ToFloat32(every));
  for (let i = 0; i < 65536; i++) {
    const isHalfNan = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
    const isBrainNan = (i & 0x7f80) === 0x7f80 && (i & 0x7f) !== 0;
    if (!isHalfNan) assertEquals(halves[i], i);
    if (!isBrainNan) assertEquals(brains[i], i);
  }
});

Deno.test("fromFloat32 clamps half precision as hivemind does, and toFloat32 is its inverse within the type", () => {
  assertEquals([...toFloat32(fromFloat32(Float32Array.of(1e6, -1e6), [2], "float16"))], [65504, -65504]);
  fc.assert(fc.property(fc.float32Array({ noNaN: true, minLength: 1 }), (values) => {
    const copy = new Float32Array(values);
    assertEquals(toFloat32(fromFloat32(copy, [copy.length], "float32")), copy);
  }));
  assertThrows(() => toFloat32({ dtype: "int64", shape: [0], data: new Uint8Array(0) }), NodeError, "int64");
});
