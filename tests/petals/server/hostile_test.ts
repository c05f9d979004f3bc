import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import { CHECK_METHOD } from "../../../src/petals/server/reachability.ts";
import { settle } from "../../support/world.ts";
import {
  ALL,
  hidden,
  never,
  NO_PROMPTS,
  NO_ROWS,
  opening,
  openSession,
  openToyServer,
  P,
  request,
  SERVER,
} from "./toy.ts";

const UNARY = [`${P}rpc_info`, `${P}rpc_forward`, `${P}rpc_push`, `${P}rpc_backward`, CHECK_METHOD];
const STREAMS = [`${P}rpc_inference`, `${P}rpc_forward_stream`, `${P}rpc_backward_stream`];

/** One call of each method with these bytes; everything must end in a reply or in words. */
async function callAll(server: ReturnType<typeof openToyServer>, bytes: Uint8Array): Promise<void> {
  const ends = async (work: Promise<unknown>) => {
    try {
      await work;
    } catch (error) {
      assert(error instanceof NodeError && error.message.length > 0, `${error}`);
      assert(error.code === "remote", error.code);
    }
  };
  for (const method of UNARY) await ends(server.client.callUnary(SERVER, method, bytes, never));
  for (const method of STREAMS) {
    const stream = await server.client.callStream(SERVER, method, never);
    await stream.send(bytes);
    await stream.endRequests();
    await ends(stream.receive(never));
    await stream[Symbol.asyncDispose]();
  }
}

Deno.test("whatever bytes come, each method answers or refuses, and the server lives", async () => {
  const server = openToyServer();
  const good = request(ALL, [hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(4, { session_id: "s" }));
  const inputs: Uint8Array[] = [];
  for (let end = 0; end <= good.length; end += 3) inputs.push(good.slice(0, end));
  for (let at = 0; at < good.length; at += 2) {
    const damaged = good.slice();
    damaged[at]! ^= 0x55;
    inputs.push(damaged);
  }
  inputs.push(...fc.sample(fc.uint8Array({ maxLength: 120 }), 60));
  for (const bytes of inputs) await callAll(server, bytes);
  await settle();
  assertEquals([server.server.sessions, server.server.cacheTokensAvailable], [0, 400]);
  assertEquals(server.blocks.caches.every(({ disposed }) => disposed), true);
  const session = await openSession(server.client);
  assertEquals((await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4))).shape, [1, 1, 4]);
});

Deno.test("damaged steps end their session and give its memory back", async () => {
  const { client, server, blocks } = openToyServer();
  const good = request(ALL, [hidden(1, 1), NO_PROMPTS, NO_ROWS], { step_id: "x" });
  for (let at = 0; at < good.length; at += 5) {
    const damaged = good.slice();
    damaged[at]! ^= 0xff;
    const session = await openSession(client);
    await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
    await session.stream.send(damaged);
    await session.stream.endRequests();
    await session.stream.receive(never).catch((error) => assert(error instanceof NodeError));
    await session.stream[Symbol.asyncDispose]();
  }
  await settle();
  assertEquals([server.sessions, server.cacheTokensAvailable], [0, 400]);
  assert(blocks.caches.every(({ disposed }) => disposed));
});
