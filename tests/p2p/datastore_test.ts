import { assertEquals, assertThrows } from "@std/assert";
import { Key } from "interface-datastore";
import { memoryTable, openDatabase } from "../../src/base/database.ts";
import { datastoreOf } from "../../src/p2p/datastore.ts";

const value = Uint8Array.of(1, 2, 3);
const peer = (name: string | number) => new Key(`/peers/${name}`);

async function keysOf(store: ReturnType<typeof datastoreOf>): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.queryKeys({ prefix: "/peers/" })) keys.push(key.toString());
  return keys.sort();
}

for (
  const [kind, table] of [["memory", memoryTable], [
    "file",
    () => openDatabase(":memory:").table("t"),
  ]] as const
) {
  Deno.test(`datastore gives back, lists and forgets peers (${kind})`, async () => {
    const store = datastoreOf(table());
    await store.put(peer("a"), value);
    await store.put(peer("b"), value);
    assertEquals(new Uint8Array(await store.get(peer("a"))), value);
    assertEquals([await store.has(peer("b")), await store.has(peer("c"))], [true, false]);
    assertEquals(await keysOf(store), ["/peers/a", "/peers/b"]);
    await store.delete(peer("a"));
    assertThrows(() => store.get(peer("a")), Error);
    const found: string[] = [];
    for await (const pair of store.query({ prefix: "/peers/" })) found.push(pair.key.toString());
    assertEquals(found, ["/peers/b"]);
  });
}

Deno.test("datastore keeps nothing that strangers give to kad", async () => {
  const table = memoryTable();
  const store = datastoreOf(table);
  for (const name of ["/dht/record/x", "/dht/provider/y/z", "/other"]) await store.put(new Key(name), value);
  assertEquals([table.list("").length, await store.has(new Key("/other"))], [0, false]);
});

Deno.test("datastore above its limit forgets the peers used least lately", async () => {
  const table = memoryTable();
  const store = datastoreOf(table, 3);
  for (const name of ["a", "b", "c"]) await store.put(peer(name), value);
  await store.get(peer("a"));
  await store.put(peer("b"), value);
  for (let i = 0; i < 2; i++) await store.put(peer(i), value);
  assertEquals(await keysOf(store), ["/peers/0", "/peers/1", "/peers/b"]);
  assertEquals(await keysOf(datastoreOf(table, 2)).then((keys) => keys.length), 2);
});
