import { assertEquals, assertThrows } from "@std/assert";
import { concatBytes, encodeUtf8, fromHex, viewOf } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { parseGgufArray, parseGgufHeader } from "../../src/model/gguf_header.ts";
import { assertBounded } from "../support/decoders.ts";
import { f32, GGML_TYPE, ggufBytes, type GgufTensor, text, u32 } from "../support/gguf_writer.ts";
import { weightVectors } from "../support/weight_vectors.ts";

const ALL_TYPES = fromHex(weightVectors.gguf_hex);
const parse = (bytes: Uint8Array, size = bytes.length) => parseGgufHeader(bytes, size, "a.gguf");
const tensor = (name: string, data = new Uint8Array(128), shape = [32]): GgufTensor => ({
  name,
  type: GGML_TYPE.F32,
  shape,
  data,
});
const failure = (bytes: Uint8Array, part: string) => assertThrows(() => parse(bytes), NodeError, part);

Deno.test("parseGgufHeader reads every type of metadata that the package gguf writes", () => {
  const { metadata } = parse(ALL_TYPES)!;
  const plain = [...metadata].filter(([key, value]) => key.startsWith("test.") && typeof value !== "object");
  assertEquals(Object.fromEntries(plain), {
    "test.uint8": 200,
    "test.int8": -100,
    "test.uint16": 60000,
    "test.int16": -30000,
    "test.uint32": 4000000000,
    "test.int32": -2000000000,
    "test.float32": 0.5,
    "test.bool": true,
    "test.string": "héllo",
    "test.uint64": 2 ** 50 + 1,
    "test.int64": -(2 ** 50) - 1,
    "test.float64": 0.1,
  });
  const list = (key: string) => {
    const array = metadata.get(key);
    if (typeof array !== "object") throw new Error(`${key} is no list`);
    return parseGgufArray(array, ALL_TYPES.slice(array.start, array.end), "a.gguf");
  };
  assertEquals(list("test.strings"), ["a", "", "ﬁ"]);
  assertEquals(list("test.integers"), [1, -2, 3]);
  assertEquals(list("test.flags"), [true, false]);
});

Deno.test("parseGgufHeader places tensors by the file's own alignment, outermost dimension first", () => {
  const { tensors } = parse(ALL_TYPES)!;
  const one = tensors.get("one")!, two = tensors.get("two")!;
  assertEquals([one.shape, one.bytes, two.shape, two.bytes], [[3], 12, [2, 3], 12]);
  assertEquals([one.offset % 64, two.offset], [0, one.offset + 64]);
  assertEquals(
    new Float32Array(ALL_TYPES.slice(one.offset, one.offset + 12).buffer),
    Float32Array.of(0, 1, 2),
  );
});

Deno.test("parseGgufHeader asks for more bytes until the header is whole, wherever the prefix ends", () => {
  const { tensors } = parse(ALL_TYPES)!;
  const dataStart = tensors.get("one")!.offset;
  for (let end = 0; end < ALL_TYPES.length; end++) {
    const header = parse(ALL_TYPES.slice(0, end), ALL_TYPES.length);
    if (end >= dataStart) assertEquals(header?.tensors.size, 2);
    if (end < dataStart - 64) assertEquals(header, undefined);
  }
});

Deno.test("parseGgufHeader of a cut file is corrupt at every byte, and names the tensor that is cut", () => {
  // The last tensor is padded: what is cut there is no loss
  const end = parse(ALL_TYPES)!.tensors.get("two")!.offset + 12;
  for (let length = 0; length < end; length++) {
    const error = assertThrows(() => parse(ALL_TYPES.slice(0, length)), NodeError);
    assertEquals(error.code, "corrupt");
  }
  failure(ALL_TYPES.slice(0, end - 1), `inside the tensor "two"`);
});

Deno.test("parseGgufHeader ends in a value or a NodeError for damaged and random bytes", () => {
  assertBounded(parse, ALL_TYPES);
  assertBounded(
    (bytes) => parse(concatBytes(encodeUtf8("GGUF"), [3, 0, 0, 0], bytes), 1 << 30),
    ALL_TYPES.slice(8),
  );
});

Deno.test("parseGgufHeader refuses counts that the file has no room for, before reading on", () => {
  const good = ggufBytes({ a: u32(1) }, [tensor("t")]);
  for (const at of [8, 16]) {
    for (const count of [1n << 63n, 1n << 40n, 99_999n]) {
      const bad = good.slice();
      viewOf(bad).setBigUint64(at, count, true);
      failure(bad, "it claims");
    }
  }
});

Deno.test("parseGgufHeader refuses what contradicts itself", () => {
  const data = new Uint8Array(128);
  failure(ggufBytes({}, [tensor("t"), tensor("t")]), `"t" stands twice`);
  failure(ggufBytes({ "general.alignment": u32(48) }, [tensor("t")]), "power of two");
  failure(
    ggufBytes({ "general.alignment": u32(64) }, [tensor("a", data.slice(0, 32), [8]), tensor("b")], 32),
    "not aligned",
  );
  failure(ggufBytes({}, [tensor("a", data, [64]), tensor("b")]), `"a" and "b" overlap`);
  failure(ggufBytes({}, [{ name: "t", type: GGML_TYPE.Q8_0, shape: [4, 8], data }]), "rows of 8");
  failure(ggufBytes({}, [tensor("t", data, [2 ** 30, 2 ** 30])]), "impossible shape");
  failure(ggufBytes({}, [tensor("t", data, [0, 4])]), "impossible shape");
  failure(ggufBytes({}, [tensor("t", data, [1, 1, 1, 1, 32])]), "5 dimensions");
  failure(ggufBytes({ x: text("a") }, [tensor("n".repeat(2000))]), "text of 2000 bytes");
});

Deno.test("parseGgufHeader says what is no GGUF file, and which versions it does not read", () => {
  failure(encodeUtf8("PK\x03\x04 and more"), "no GGUF file");
  const old = ggufBytes({ a: f32(1) }, []);
  viewOf(old).setUint32(4, 1, true);
  failure(old, "its version is 1");
  viewOf(old).setUint32(4, 3, false);
  failure(old, "big-endian");
});

Deno.test("parseGgufHeader keeps tensors of formats it cannot read, by name", () => {
  const { tensors } = parse(ggufBytes({}, [
    { name: "a", type: 10, shape: [256], data: new Uint8Array(84) },
    { name: "b", type: 777, shape: [256], data: new Uint8Array(84) },
  ]))!;
  assertEquals([tensors.get("a")!.format, tensors.get("b")!.format], ["Q2_K", "type 777"]);
});
