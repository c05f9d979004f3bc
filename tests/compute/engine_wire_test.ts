import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concatBytes, toHex, viewOf } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import {
  encodeFrame,
  floatsOf,
  type Frame,
  FrameReader,
  MAX_HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
} from "../../src/compute/engine_wire.ts";

const frameOf = (header: unknown, ...parts: ArrayBufferView<ArrayBuffer>[]) =>
  concatBytes(...encodeFrame(header, parts));

function preface(bodyBytes: number, headerBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, bodyBytes, true);
  viewOf(bytes).setUint32(4, headerBytes, true);
  return bytes;
}

Deno.test("frames have the layout that is written down", () => {
  assertEquals(
    toHex(frameOf({ id: 12 }, Float32Array.of(1, -2), Uint8Array.of(7))),
    "19000000" + "10000000" + "7b226964223a31327d20202020202020" + "0000803f000000c0" + "07",
  );
});

Deno.test("frames come back as they went, in pieces of any size", () => {
  const value = fc.record({
    header: fc.jsonValue(),
    payload: fc.uint8Array({ maxLength: 100 }).map((bytes) => new Uint8Array(bytes)),
  });
  fc.assert(fc.property(
    fc.array(value, { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
    (frames, sizes) => {
      const stream = concatBytes(...frames.map(({ header, payload }) => frameOf(header, payload)));
      const reader = new FrameReader();
      const read: Frame[] = [];
      for (let at = 0, i = 0; at < stream.length; at += sizes[i++ % sizes.length]!) {
        read.push(...reader.push(stream.subarray(at, at + sizes[i % sizes.length]!)));
      }
      assertEquals(read.length, frames.length);
      frames.forEach(({ header, payload }, i) => {
        assertEquals(read[i]!.header, JSON.parse(JSON.stringify(header)));
        assertEquals(read[i]!.payload, payload);
        assertEquals(read[i]!.payload.byteOffset % 8, 0);
      });
      assertEquals(reader.pending, 0);
    },
  ));
});

Deno.test("frames cut at any byte are not there yet, and complete with the rest", () => {
  const frame = frameOf({ id: 3, act: "step" }, Float32Array.of(1, 2, 3));
  for (let cut = 0; cut < frame.length; cut++) {
    const reader = new FrameReader();
    assertEquals(reader.push(frame.subarray(0, cut)), []);
    assertEquals(reader.pending, cut);
    assertEquals(reader.push(frame.subarray(cut)).length, 1);
  }
});

Deno.test("frames larger than what is believed at once arrive whole", () => {
  const values = Float32Array.from({ length: 3 << 20 }, (_, i) => i);
  const pieces = encodeFrame({ id: 1 }, [values]);
  assertEquals(pieces[1]!.buffer, values.buffer);
  const reader = new FrameReader();
  const frames = pieces.flatMap((piece) => {
    const out = [];
    for (let at = 0; at < piece.length; at += 65536) out.push(...reader.push(piece.subarray(at, at + 65536)));
    return out;
  });
  assertEquals(frames.length, 1);
  assertEquals(floatsOf(frames[0]!.payload), values);
});

Deno.test("frames that only claim to be large take little memory", () => {
  const before = Deno.memoryUsage().external;
  const readers = Array.from({ length: 20 }, () => {
    const reader = new FrameReader();
    reader.push(preface(MAX_PAYLOAD_BYTES, 8));
    return reader;
  });
  assert(Deno.memoryUsage().external - before < 200e6);
  assertEquals(readers.length, 20);
});

Deno.test("frames that cannot be are refused", () => {
  const codeOf = (bytes: Uint8Array) => assertThrows(() => new FrameReader().push(bytes), NodeError).code;
  assertEquals(codeOf(preface(8, 16)), "malformed");
  assertEquals(codeOf(preface(8, 0)), "malformed");
  assertEquals(codeOf(preface(20, 12)), "malformed");
  assertEquals(codeOf(preface(MAX_HEADER_BYTES + 8, MAX_HEADER_BYTES + 8)), "too_large");
  assertEquals(codeOf(preface(MAX_PAYLOAD_BYTES + 16, 8)), "too_large");
  assertEquals(codeOf(concatBytes(preface(8, 8), new Uint8Array(8).fill(0x7b))), "malformed");
  assertThrows(() => floatsOf(new Uint8Array(7)), NodeError);
  assertThrows(() => encodeFrame({ text: "x".repeat(MAX_HEADER_BYTES) }), RangeError);
});

Deno.test("random bytes end in frames, in waiting, or in a NodeError", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      new FrameReader().push(new Uint8Array(bytes));
    } catch (error) {
      assert(error instanceof NodeError);
    }
  }));
});
