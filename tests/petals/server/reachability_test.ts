import { assertEquals } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { ProtoWriter } from "../../../src/base/protobuf.ts";
import {
  CHECK_METHOD,
  decodeAvailable,
  decodeCheck,
  encodeAvailable,
  encodeCheck,
  serveReachability,
} from "../../../src/petals/server/reachability.ts";
import { assertBounded } from "../../support/decoders.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { never, openToyServer, OTHER, SERVER, wordsOf } from "./toy.ts";

Deno.test("rpc_check asked about oneself is true, and false is an empty body", async () => {
  const { client } = openToyServer();
  assertEquals(toHex(await client.callUnary(SERVER, CHECK_METHOD, encodeCheck(SERVER), never)), "2801");
  assertEquals(encodeAvailable(false).length, 0);
  assertEquals(decodeAvailable(new Uint8Array(0)), false);
});

Deno.test("rpc_check asks another peer about itself", async () => {
  const { client, other, network } = openToyServer();
  const ask = async () =>
    decodeAvailable(await client.callUnary(SERVER, CHECK_METHOD, encodeCheck(OTHER), never));
  assertEquals(await ask(), false, "it has no such handler");
  const served = serveReachability(fakeWorld(), other);
  assertEquals(await ask(), true);
  served[Symbol.dispose]();
  other.serveUnary(CHECK_METHOD, () => Promise.resolve(new Uint8Array(0)));
  assertEquals(await ask(), false);
  network.remove(OTHER);
  assertEquals(await ask(), false);
});

Deno.test("rpc_check waits five seconds for a silent peer, and for sixteen of them at once", async () => {
  const { client, other, world } = openToyServer();
  other.serveUnary(
    CHECK_METHOD,
    (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  const ask = () => client.callUnary(SERVER, CHECK_METHOD, encodeCheck(OTHER), never);
  const asked = Array.from({ length: 16 }, ask);
  await settle();
  assertEquals(
    await wordsOf(ask()),
    "Cannot check another peer: 16 checks are under way, wanted fewer",
  );
  await world.clock.advance(5000);
  assertEquals((await Promise.all(asked)).map(decodeAvailable), Array(16).fill(false));
});

Deno.test("rpc_check refuses ids that are none or above 64 bytes", async () => {
  const { client } = openToyServer();
  for (const length of [0, 65, 100_000]) {
    const node = new ProtoWriter().bytes(1, new Uint8Array(length)).finish();
    const bytes = new ProtoWriter().bytes(2, node).finish();
    assertEquals(
      await wordsOf(client.callUnary(SERVER, CHECK_METHOD, bytes, never)),
      `Cannot read peer id: ${length} bytes, wanted 1 to 64`,
    );
  }
});

Deno.test("rpc_check messages end every cut, flipped or random input in a value or a NodeError", () => {
  assertBounded(decodeCheck, encodeCheck(SERVER));
  assertBounded(decodeAvailable, encodeAvailable(true));
});
