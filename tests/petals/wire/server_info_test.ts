import { assertEquals, assertThrows } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { Float, pack, type Packable, tuple } from "../../../src/base/msgpack.ts";
import {
  decodeModelInfo,
  decodeServerInfo,
  encodeModelInfo,
  encodeServerInfo,
  serverInfoOrSkip,
} from "../../../src/petals/wire/server_info.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

Deno.test("ServerInfo of a real server is read and written to the same bytes", () => {
  for (const { name, hex } of vectors.server_info) {
    assertEquals(toHex(encodeServerInfo(decodeServerInfo(bytesOf(hex)))), hex, name);
  }
  const full = decodeServerInfo(bytesOf(vectors.server_info[0].hex));
  assertEquals([full.state, full.throughput, full.startBlock, full.endBlock], ["online", 123.5, 0, 8]);
  assertEquals([full.adapters, full.quantType], [["timdettmers/guanaco-65b"], "nf4"]);
  assertEquals(full.nextPings?.get("QmSVMUMoL8z8gbMnpLgFjpipnz2FxJr9HuPQ2yBUmAp2KP"), Infinity);
});

Deno.test("ModelInfo of a real server is read and written to the same bytes", () => {
  for (const { hex } of vectors.model_info) {
    assertEquals(toHex(encodeModelInfo(decodeModelInfo(bytesOf(hex)))), hex);
  }
  assertThrows(() => decodeModelInfo(pack({ num_blocks: 0 })), NodeError);
  assertThrows(() => decodeModelInfo(pack({ num_blocks: new Float(3) })), NodeError);
});

const record = (state: Packable, throughput: Packable, map: Packable = {}) =>
  pack(tuple(state, throughput, map));

Deno.test("ServerInfo with unknown keys or without a map is read", () => {
  const info = decodeServerInfo(record(2, new Float(1), { start_block: 0, vpk: { a: 1 } }));
  assertEquals([info.startBlock, info.adapters], [0, []]);
  assertEquals(decodeServerInfo(pack(tuple(2, new Float(1)))).state, "online");
  const more = encodeServerInfo(info, { peer_id: "Qm" });
  assertEquals(decodeServerInfo(more), info);
});

Deno.test("ServerInfo that Petals would refuse is skipped", () => {
  const good = new Float(1);
  const bad = [
    record(-1, good),
    record(3, good),
    record("2", good),
    record(2, 10),
    record(2, new Float(NaN)),
    record(2, new Float(Infinity)),
    record(2, new Float(-1)),
    record(2, good, { start_block: -1 }),
    record(2, good, { start_block: new Float(1) }),
    record(2, good, { public_name: 5 }),
    record(2, good, { inference_rps: new Float(Infinity) }),
    record(2, good, { adapters: "none" }),
    record(2, good, { adapters: [1] }),
    record(2, good, { using_relay: 1 }),
    record(2, good, { next_pings: { a: new Float(-1) } }),
    record(2, good, { next_pings: { a: new Float(NaN) } }),
    record(2, good, [1]),
    pack("x"),
    new Uint8Array(0),
  ];
  for (const [i, bytes] of bad.entries()) assertEquals(serverInfoOrSkip(bytes), undefined, `case ${i}`);
});

Deno.test("records end every cut, flipped or random input in a value or a NodeError", () => {
  assertBounded(decodeServerInfo, bytesOf(vectors.server_info[0].hex));
  assertBounded(decodeModelInfo, bytesOf(vectors.model_info[0].hex));
});
