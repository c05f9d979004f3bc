import { assertEquals } from "@std/assert";
import type { Expiring } from "../../../src/dht/dht.ts";
import { serversIn } from "../../../src/petals/client/announced.ts";
import { encodeServerInfo, type ServerInfo } from "../../../src/petals/wire/server_info.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

type Records = readonly ReadonlyMap<string, Expiring<Uint8Array>>[];

const record = (expiresAtMs: number, info: Partial<ServerInfo> = {}) => ({
  value: encodeServerInfo({ state: "online", throughput: 1, adapters: [], ...info }),
  expiresAtMs,
});
const spans = (records: Records) =>
  serversIn(records).online.map(({ peerId, range }) => `${peerId} ${range.start}:${range.end}`);
const block = (...entries: readonly (readonly [string, Expiring<Uint8Array>])[]) => new Map(entries);

Deno.test("serversIn joins the records of a peer to one span, several peers a block", () => {
  const a = record(9, { startBlock: 0, endBlock: 2, inferenceRps: 5, cacheTokensLeft: 64 });
  const b = record(9, { startBlock: 1, endBlock: 3 });
  const { online: servers } = serversIn([block(["A", a]), block(["A", a], ["B", b]), block(["B", b])]);
  assertEquals(servers.map(({ peerId, range }) => [peerId, range]), [
    ["A", { start: 0, end: 2 }],
    ["B", { start: 1, end: 3 }],
  ]);
  assertEquals([servers[0]!.inferenceRps, servers[0]!.cacheTokensLeft, servers[0]!.expiresAtMs], [5, 64, 9]);
});

Deno.test("serversIn uses servers that are online only, and skips what cannot be read", () => {
  const joining = record(9, { state: "joining", startBlock: 0, endBlock: 1 });
  const offline = record(9, { state: "offline", startBlock: 0, endBlock: 1 });
  const junk = { value: Uint8Array.of(0xc1, 1, 2), expiresAtMs: 9 };
  assertEquals(spans([block(["A", joining], ["B", offline], ["C", junk], ["D", record(9)])]), ["D 0:1"]);
});

Deno.test("serversIn reads the records of petals 2.2", () => {
  const golden = vectors.server_info.map(({ name, hex }: { name: string; hex: string }) =>
    [name, { value: bytesOf(hex), expiresAtMs: 9 }] as const
  );
  const { online: [full] } = serversIn([new Map<string, Expiring<Uint8Array>>(golden), new Map()]);
  assertEquals([full!.peerId, full!.range, full!.info.publicName], ["full", { start: 0, end: 2 }, "node-1"]);
});

Deno.test("serversIn trusts a span whose own records are partly missing, as Petals does, but not beyond the model", () => {
  const info = record(9, { startBlock: 0, endBlock: 99 });
  assertEquals(spans([block(), block(["A", info]), block()]), ["A 0:3"]);
});

Deno.test("serversIn follows a server that moved: its freshest record counts", () => {
  const before = record(5, { startBlock: 0, endBlock: 2 });
  const now = record(9, { startBlock: 2, endBlock: 4 });
  const records = [block(["A", before]), block(["A", before]), block(["A", now]), block(["A", now])];
  assertEquals(spans(records), ["A 2:4"]);
});

Deno.test("serversIn cuts a span where the server withdrew at the same time or later", () => {
  const online = record(9, { startBlock: 0, endBlock: 4 });
  const withdrawn = record(9, { state: "offline", startBlock: 2, endBlock: 4 });
  const records = [
    block(["A", online]),
    block(["A", online]),
    block(["A", withdrawn]),
    block(["A", withdrawn]),
  ];
  assertEquals(spans(records), ["A 0:2"]);
});

Deno.test("serversIn takes records without a span block by block, as far as they follow each other", () => {
  const info = record(9);
  assertEquals(spans([block(["A", info]), block(["A", info]), block(), block(["A", info])]), ["A 0:2"]);
});

Deno.test("serversIn keeps the block of a record whose span lies elsewhere", () => {
  assertEquals(spans([block(), block(["A", record(9, { startBlock: 5, endBlock: 3 })]), block()]), ["A 1:2"]);
});

Deno.test("serversIn reads 512 records of a block and no more", () => {
  const flood = block(...Array.from({ length: 2000 }, (_, i) => [`P${i}`, record(9)] as const));
  assertEquals(serversIn([flood]).online.length, 512);
});

Deno.test("serversIn skips a record that is longer than any honest one", () => {
  const long = (length: number) => record(9, { publicName: "x".repeat(length) });
  assertEquals(spans([block(["A", long(1000)], ["B", long(70_000)])]), ["A 0:1"]);
});

Deno.test("serversIn keeps servers that are joining apart, with their span, unless they serve already", () => {
  const joining = record(9, { state: "joining", startBlock: 1, endBlock: 3 });
  const online = record(8, { startBlock: 0, endBlock: 1 });
  const records = [block(["B", online]), block(["A", joining], ["B", joining]), block(["A", joining])];
  const { online: [b, ...others], joining: [a, ...more] } = serversIn(records);
  assertEquals([b!.peerId, b!.range, others], ["B", { start: 0, end: 1 }, []]);
  assertEquals([a!.peerId, a!.range, more], ["A", { start: 1, end: 3 }, []]);
});

Deno.test("serversIn takes only what can be a peer's id for one", () => {
  const names = ["", "a b", "\x1b[31m", "x".repeat(97), "Qm"];
  assertEquals(spans([block(...names.map((name) => [name, record(9)] as const))]), ["Qm 0:1"]);
});
