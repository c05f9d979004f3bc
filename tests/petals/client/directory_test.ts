import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { Directory, readModels } from "../../../src/petals/client/directory.ts";
import { encodeModelInfo, MODELS_KEY } from "../../../src/petals/wire/server_info.ts";
import { fakeWorld } from "../../support/world.ts";
import { PREFIX, ToyDht } from "./toy_swarm.ts";

const never = new AbortController().signal;

function open(blocks = 4) {
  const world = fakeWorld();
  const dht = new ToyDht();
  return { world, dht, directory: new Directory(world, dht, { prefix: PREFIX, blocks }) };
}
const inFuture = (world: { clock: { now(): number } }, ms = 240_000) => world.clock.now() + ms;

Deno.test("Directory reads the DHT once and answers from memory until that is too old", async () => {
  const { world, dht, directory } = open();
  dht.announce("A", { start: 0, end: 4 }, {}, inFuture(world));
  assertEquals((await directory.view(60_000, never)).servers.map(({ peerId }) => peerId), ["A"]);
  dht.announce("B", { start: 0, end: 4 }, {}, inFuture(world));
  await world.clock.advance(59_999);
  assertEquals((await directory.view(60_000, never)).servers.length, 1);
  assertEquals(dht.gets, 1);
  await world.clock.advance(1);
  assertEquals((await directory.view(60_000, never)).servers.length, 2);
  assertEquals(dht.gets, 2);
});

Deno.test("Directory reads anew for age 0, and once for all who ask at the same time", async () => {
  const { dht, directory } = open();
  await directory.view(0, never);
  await directory.view(0, never);
  assertEquals(dht.gets, 2);
  const shared = open();
  await Promise.all(Array.from({ length: 20 }, () => shared.directory.view(60_000, never)));
  assertEquals(shared.dht.gets, 1);
});

Deno.test("Directory forgets a server when its record expires, also between readings", async () => {
  const { world, dht, directory } = open();
  dht.announce("A", { start: 0, end: 4 }, {}, inFuture(world, 10_000));
  assertEquals((await directory.view(60_000, never)).servers.length, 1);
  await world.clock.advance(10_000);
  assertEquals((await directory.view(60_000, never)).servers.length, 0);
  assertEquals(dht.gets, 1);
});

Deno.test("Directory passes on what the DHT throws, and reads again the next time", async () => {
  const { dht, directory } = open();
  const get = dht.get.bind(dht);
  dht.get = () => Promise.reject(new NodeError("unreachable", "no peers"));
  await assertRejects(() => directory.view(60_000, never), NodeError, "no peers");
  dht.get = get;
  assertEquals((await directory.view(60_000, never)).servers, []);
});

Deno.test("Directory says which blocks nobody serves, and what to do", async () => {
  const { world, dht, directory } = open(24);
  dht.announce("A", { start: 0, end: 12 }, {}, inFuture(world));
  await directory.view(0, never);
  const error = await directory.nobodyServes([{ start: 12, end: 18 }, { start: 20, end: 24 }], never);
  assertEquals(error.code, "not_found");
  assertEquals(
    error.message,
    "Cannot generate: blocks 12:18, 20:24 of toy are served by nobody, wanted a server for each: " +
      "start one with `kwaainet start --blocks 12:18`",
  );
});

Deno.test("Directory names the models the network knows when it knows no server of this one", async () => {
  const { world, dht, directory } = open();
  for (const subkey of ["llama", "smol-hf"]) {
    const record = {
      key: MODELS_KEY,
      subkey,
      value: encodeModelInfo({ blocks: 30 }),
      expiresAtMs: inFuture(world),
    };
    await dht.store([record]);
  }
  const error = await directory.nobodyServes([{ start: 0, end: 4 }], never);
  assertEquals(
    error.message.endsWith("or name another with --dht-prefix: this network knows llama, smol-hf"),
    true,
  );
});

Deno.test("readModels lists what is announced and skips what cannot be read", async () => {
  const { world, dht } = open();
  const repository = "https://huggingface.co/org/name";
  const records = [
    ["good", encodeModelInfo({ blocks: 30, repository })],
    ["junk", Uint8Array.of(1, 2, 3)],
    ["plain", encodeModelInfo({ blocks: 4 })],
  ] as const;
  for (const [subkey, value] of records) {
    await dht.store([{ key: MODELS_KEY, subkey, value, expiresAtMs: inFuture(world) }]);
  }
  assertEquals([...await readModels(dht, never)].map(([prefix, { blocks }]) => [prefix, blocks]), [
    ["good", 30],
    ["plain", 4],
  ]);
});
