import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { ProtoMessage, ProtoWriter } from "../../src/base/protobuf.ts";
import { assertBounded } from "../support/decoders.ts";
import { bytesOf, vectors } from "../support/vectors.ts";

Deno.test("protobuf reads what hivemind's generated code wrote", () => {
  const ping = ProtoMessage.decode(bytesOf(vectors.proto.PingResponse.hex));
  assertEquals(ping.message(2).bytes(1).length, 20);
  assertEquals(ping.uint(5), 1);
  assertEquals(ping.double(4), 1_700_000_000.125);
  const store = ProtoMessage.decode(bytesOf(vectors.proto.StoreResponse.hex));
  assertEquals(store.repeatedUint(2), [1, 0, 1]);
});

Deno.test("protobuf round trips scalars, packed lists and nested messages", () => {
  fc.assert(fc.property(
    fc.maxSafeInteger().map(Math.abs),
    fc.double(),
    fc.array(fc.nat()),
    fc.array(fc.double()),
    fc.uint8Array(),
    (integer, double, integers, doubles, bytes) => {
      const inner = new ProtoWriter().bytes(1, bytes).finish();
      const message = ProtoMessage.decode(
        new ProtoWriter().uint(1, integer).double(2, double).packedUint(3, integers).packedDouble(4, doubles)
          .bytes(5, inner).repeatedBytes(6, [bytes, bytes]).finish(),
      );
      assertEquals(message.uint(1), integer);
      assertEquals(message.double(2), double);
      assertEquals(message.repeatedUint(3), integers);
      assertEquals(message.repeatedDouble(4), doubles);
      assertEquals(new Uint8Array(message.message(5).bytes(1)), bytes);
      assertEquals(message.repeatedBytes(6).length, 2);
    },
  ));
});

Deno.test("protobuf reads unpacked lists, unset fields and the last of several values", () => {
  const message = ProtoMessage.decode(
    new ProtoWriter().uint(1, 5).uint(1, 6).double(2, 1).double(2, 2).finish(),
  );
  assertEquals(message.repeatedUint(1), [5, 6]);
  assertEquals(message.uint(1), 6);
  assertEquals(message.repeatedDouble(2), [1, 2]);
  assertEquals([message.uint(9), message.double(9), message.bytes(9).length, message.has(9)], [
    0,
    0,
    0,
    false,
  ]);
});

Deno.test("protobuf ends every cut, flipped or random input in a value or a NodeError", () => {
  const everyField = (bytes: Uint8Array) => {
    const message = ProtoMessage.decode(bytes);
    for (let field = 1; field < 9; field++) {
      for (const read of ["repeatedUint", "repeatedDouble", "repeatedBytes", "text"] as const) {
        try {
          message[read](field);
        } catch (error) {
          if (!(error instanceof NodeError)) throw error;
        }
      }
    }
  };
  for (const { hex } of Object.values<{ hex: string }>(vectors.proto)) {
    assertBounded(everyField, bytesOf(hex), 50);
  }
});

Deno.test("protobuf refuses a varint that never ends, a length beyond the end and a flood of fields", () => {
  assertThrows(() => ProtoMessage.decode(new Uint8Array(20).fill(0x80)), NodeError, "10 bytes");
  assertThrows(
    () => ProtoMessage.decode(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    NodeError,
    "cut off",
  );
  assertThrows(
    () => ProtoMessage.decode(new Uint8Array(100).fill(0x08), 10),
    NodeError,
    "more than 10 fields",
  );
});
