import { Buffer } from "node:buffer";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concatBytes, toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { ProtoWriter } from "../../../src/base/protobuf.ts";
import { fromFloat32, type Tensor, toFloat32 } from "../../../src/base/tensor.ts";
import { type Compression, COMPRESSIONS } from "../../../src/petals/wire/compression.ts";
import {
  decodeTensor,
  encodeTensor,
  parseTensor,
  splitTensor,
  TensorJoiner,
} from "../../../src/petals/wire/tensor.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

interface TensorVector {
  readonly name: string;
  readonly dtype: Tensor["dtype"];
  readonly shape: readonly number[];
  readonly compression: Compression;
  readonly proto_hex?: string;
  readonly error?: string;
  readonly input_as_f32_hex?: string;
  readonly decoded_as_f32_hex?: string;
  readonly decoded_raw_hex?: string;
}
const tensors: readonly TensorVector[] = vectors.tensors;
const readable = tensors.filter((vector) => vector.proto_hex !== undefined);
const floats = (hex: string) => new Float32Array(bytesOf(hex).buffer);
const plain = (dtype: Tensor["dtype"], shape: number[], bytes: number): Tensor => ({
  dtype,
  shape,
  data: new Uint8Array(bytes),
});

Deno.test("tensors of every compression and type decode to hivemind's values", () => {
  assertEquals(tensors.length, 26);
  for (const vector of readable) {
    const tensor = decodeTensor(bytesOf(vector.proto_hex!));
    assertEquals([tensor.dtype, tensor.shape], [vector.dtype, vector.shape], vector.name);
    if (vector.decoded_raw_hex !== undefined) {
      assertEquals(toHex(tensor.data), vector.decoded_raw_hex, vector.name);
    } else if (vector.decoded_as_f32_hex !== undefined) {
      const values = toFloat32(tensor);
      assertEquals(toHex(new Uint8Array(values.buffer)), vector.decoded_as_f32_hex, vector.name);
    }
  }
});

Deno.test("tensors decode the same out of Node buffers at odd offsets, and keep memory of their own", () => {
  for (const vector of readable) {
    const bytes = bytesOf(vector.proto_hex!);
    const pooled = Buffer.alloc(bytes.length + 3).subarray(3);
    pooled.set(bytes);
    const tensor = decodeTensor(pooled);
    pooled.fill(0xff);
    assertEquals(tensor, decodeTensor(bytes), vector.name);
    assertEquals(tensor.data.byteOffset % 8, 0);
  }
});

Deno.test("tensors without quantisation encode to hivemind's bytes", () => {
  for (const vector of readable) {
    if (vector.compression !== "NONE" || vector.name.includes("legacy")) continue;
    const bytes = bytesOf(vector.proto_hex!);
    if (vector.name.includes("requires_grad")) continue;
    assertEquals(toHex(encodeTensor(decodeTensor(bytes))), vector.proto_hex, vector.name);
  }
});

Deno.test("compressed tensors encode as near to the input as hivemind's own, FLOAT16 to the same bytes", () => {
  for (const vector of readable) {
    if (vector.compression === "NONE" || vector.input_as_f32_hex === undefined) continue;
    const input = fromFloat32(floats(vector.input_as_f32_hex), vector.shape, vector.dtype as "float32");
    const encoded = encodeTensor(input, vector.compression);
    if (vector.compression === "FLOAT16") assertEquals(toHex(encoded), vector.proto_hex, vector.name);
    if (vector.compression === "BLOCKWISE_8BIT") {
      const indices = (bytes: Uint8Array) => parseTensor(bytes).buffer.slice(16 + 4 + 4 * 256);
      assertEquals(indices(encoded), indices(bytesOf(vector.proto_hex!)), vector.name);
    }
    const values = toFloat32(decodeTensor(encoded));
    const golden = floats(vector.decoded_as_f32_hex!);
    const wanted = floats(vector.input_as_f32_hex);
    const worst = (got: Float32Array) =>
      got.reduce((max, value, i) => Math.max(max, Math.abs(value - wanted[i]!)), 0);
    assert(worst(values) <= worst(golden) + 1e-3, `${vector.name}: ${worst(values)} and ${worst(golden)}`);
  }
});

Deno.test("tensors refuse to be compressed where hivemind refuses", () => {
  for (const vector of tensors) {
    if (vector.error === undefined) continue;
    const compression = vector.name.split("/")[0] as Compression;
    const tensor = plain("bfloat16", [2, 3], 12);
    assertThrows(
      () => encodeTensor(tensor, compression),
      NodeError,
      "does not support torch.bfloat16 tensors",
    );
  }
  for (const compression of COMPRESSIONS.slice(1)) {
    assertThrows(() => encodeTensor(plain("int64", [1], 8), compression), NodeError, "int64");
    assertThrows(() => encodeTensor(plain("bool", [1], 1), compression), NodeError, "bool");
  }
});

Deno.test("compressed tensors come back within each codec's tolerance", () => {
  const tolerance: Record<Compression, number> = {
    NONE: 0,
    FLOAT16: 0.002,
    MEANSTD_16BIT: 0.002,
    QUANTILE_8BIT: 1.5,
    UNIFORM_8BIT: 1.5,
    BLOCKWISE_8BIT: 0.05,
  };
  const normal = Float32Array.from({ length: 3 * 4000 }, (_, i) => {
    const u = ((i * 7919) % 12007 + 1) / 12008;
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(i);
  });
  for (const compression of COMPRESSIONS) {
    const got = toFloat32(
      decodeTensor(encodeTensor(fromFloat32(normal, [3, 4000], "float32"), compression)),
    );
    const worst = got.reduce((max, value, i) => Math.max(max, Math.abs(value - normal[i]!)), 0);
    assert(worst <= tolerance[compression], `${compression}: ${worst}`);
  }
});

Deno.test("every compression stands constant, single and empty tensors", () => {
  for (const compression of COMPRESSIONS) {
    for (const values of [[], [0], [3], [2, 2, 2, 2], [70000, -70000]]) {
      if (compression === "MEANSTD_16BIT" && values.length === 0) continue;
      const tensor = fromFloat32(Float32Array.from(values), [values.length], "float32");
      const got = toFloat32(decodeTensor(encodeTensor(tensor, compression)));
      for (const [i, value] of values.entries()) {
        assert(Math.abs(got[i]! - value) <= Math.abs(value) * 0.07, `${compression} ${values}: ${got}`);
      }
    }
  }
  assertThrows(() => encodeTensor(plain("float32", [], 4), "MEANSTD_16BIT"), NodeError, "no rows");
});

Deno.test("tensor buffers of a wrong length, shape or number are refused before memory is taken", () => {
  const message = (shape: number[], dtype: string, compression: number, buffer = 8) =>
    new ProtoWriter().bytes(1, new Uint8Array(buffer)).packedUint(2, shape).text(4, dtype)
      .uint(5, compression).finish();
  for (let compression = 0; compression < 6; compression++) {
    assertThrows(() => decodeTensor(message([3, 3], "float32", compression)), NodeError);
    assertThrows(() => decodeTensor(message([2 ** 32 - 1], "float32", compression)), NodeError, "at most");
    assertThrows(() => decodeTensor(message(Array(8).fill(2 ** 32 - 1), "bool", compression)), NodeError);
    assertThrows(() => decodeTensor(message([2 ** 32 - 1, 0], "float32", compression, 9)), NodeError);
  }
  assertThrows(() => decodeTensor(message(Array(9).fill(1), "float32", 0)), NodeError, "axes");
  assertThrows(() => decodeTensor(message([2 ** 40], "float32", 0)), NodeError, "32-bit");
  assertThrows(() => decodeTensor(message([2], "float32", 6)), NodeError, "compression 6");
  assertThrows(() => decodeTensor(message([2], "complex64", 0)), NodeError, "type");
  assertThrows(() => decodeTensor(message([2], "toString", 0)), NodeError, "type");
  assertThrows(() => decodeTensor(message([2], "float32", 0), 7), NodeError, "at most 7");
});

Deno.test("a codebook that is too long, or an index past its end, is malformed", () => {
  const codebook = (size: number, index: number) => {
    const buffer = new Uint8Array(8 + 4 * Math.max(0, size) + 1);
    new DataView(buffer.buffer).setBigInt64(0, BigInt(size), true);
    buffer[buffer.length - 1] = index;
    return new ProtoWriter().bytes(1, buffer).packedUint(2, [1]).text(4, "float32").uint(5, 3).finish();
  };
  assertEquals(decodeTensor(codebook(2, 1)).shape, [1]);
  assertThrows(() => decodeTensor(codebook(2, 2)), NodeError, "index 2");
  assertThrows(() => decodeTensor(codebook(257, 0)), NodeError, "at most 256");
  assertThrows(() => decodeTensor(codebook(-1, 0)), NodeError);
});

Deno.test("tensor messages end every cut, flipped or random input in a value or a NodeError", () => {
  for (const vector of readable.filter((_, i) => i % 3 === 0)) {
    assertBounded((bytes) => decodeTensor(bytes), bytesOf(vector.proto_hex!), 30);
  }
});

Deno.test("a streamed tensor splits as hivemind's does and joins again", () => {
  const { whole_hex, chunk_size_bytes, parts_hex } = vectors.streaming_split;
  const whole = decodeTensor(bytesOf(whole_hex));
  const parts = splitTensor(whole, "NONE", chunk_size_bytes);
  assertEquals(parts.map(toHex), parts_hex);
  const joiner = new TensorJoiner();
  for (const part of parts) joiner.push(part);
  for (const part of splitTensor(plain("int64", [0], 0))) joiner.push(part);
  assertEquals(joiner.finish(), [whole, plain("int64", [0], 0)]);
});

Deno.test("streamed tensors of any sizes and parts join to what was split", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 90 })), { maxLength: 5 }),
    (inputs) => {
      const joiner = new TensorJoiner();
      const sent = inputs.map(([bytes, partBytes]) => {
        const tensor: Tensor = { dtype: "bool", shape: [bytes.length], data: new Uint8Array(bytes) };
        for (const part of splitTensor(tensor, "NONE", partBytes)) joiner.push(part);
        return tensor;
      });
      assertEquals(joiner.finish(), sent);
    },
  ));
});

Deno.test("TensorJoiner bounds bytes, tensors and parts of a request", () => {
  const part = (bytes: number, dtype = "") => {
    const writer = new ProtoWriter().bytes(1, new Uint8Array(bytes));
    return (dtype === "" ? writer : writer.packedUint(2, [bytes]).text(4, dtype)).finish();
  };
  assertThrows(() => new TensorJoiner().push(part(1)), NodeError, "without a type");
  const small = new TensorJoiner(100);
  small.push(part(60, "bool"));
  assertThrows(() => small.push(part(41)), NodeError, "at most 100");
  const many = new TensorJoiner();
  assertThrows(
    () => {
      for (let i = 0; i < 100; i++) many.push(part(1, "bool"));
    },
    NodeError,
    "more tensors",
  );
  const parts = new TensorJoiner();
  parts.push(part(0, "bool"));
  const empty = part(0);
  assertThrows(
    () => {
      for (let i = 0; i < 70_000; i++) parts.push(empty);
    },
    NodeError,
    "more parts",
  );
  const long = new TensorJoiner();
  long.push(part(4, "bool"));
  long.push(part(4));
  assertThrows(() => long.finish(), NodeError, "wanted 4");
});

Deno.test("tensor messages keep requires_grad readable and skip unknown fields", () => {
  const vector = readable.find(({ name }) => name.includes("requires_grad"))!;
  assertEquals(parseTensor(bytesOf(vector.proto_hex!)).requiresGrad, true);
  const more = concatBytes(bytesOf(vector.proto_hex!), new ProtoWriter().uint(99, 1).finish());
  assertEquals(decodeTensor(more), decodeTensor(bytesOf(vector.proto_hex!)));
});
