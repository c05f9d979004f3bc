import { assert, assertEquals } from "@std/assert";
import { type Packable, tuple } from "../../../src/base/msgpack.ts";
import { decodeExpertRequest } from "../../../src/petals/wire/expert.ts";
import { readMetadata } from "../../../src/petals/wire/metadata.ts";
import { decodeTensor } from "../../../src/petals/wire/tensor.ts";
import { settle } from "../../support/world.ts";
import {
  ALL,
  channel,
  hidden,
  masks,
  never,
  NO_PROMPTS,
  NO_ROWS,
  opening,
  openSession,
  openToyServer,
  OTHER,
  P,
  replyOf,
  request,
  rows,
  SERVER,
  wordsOf,
} from "./toy.ts";

const step = (id: string, more: Record<string, Packable> = {}) => ({ step_id: id, ...more });
const to = (...servers: [string, string, number, number][]) => ({
  next_servers: servers.map((server) => tuple(...server)),
});

/** A peer that only takes pushes. */
function listen(rpc: ReturnType<typeof openToyServer>["other"]) {
  const got: Uint8Array[] = [];
  rpc.serveUnary(`${P}rpc_push`, (bytes) => {
    got.push(bytes);
    return Promise.resolve(new Uint8Array(0));
  });
  return got;
}

Deno.test("a step's output is pushed to its own next server with the step's metadata", async () => {
  const { client, other } = openToyServer();
  const got = listen(other);
  const session = await openSession(client);
  await session.step([hidden(2, 1), NO_PROMPTS, NO_ROWS], opening(4, step("a")));
  const metadata = step("b", { odd: tuple(1), ...to([OTHER, "next", 6, 8], ["Qm", "last", 8, 9]) });
  const reply = await session.step([hidden(2, 1, 5), NO_PROMPTS, rows(1, 0)], metadata);
  await settle();
  assertEquals(got.length, 1, "the first step names nobody");
  const pushed = decodeExpertRequest(got[0]!);
  assertEquals(pushed.uid, "toy.6 toy.7");
  assertEquals(pushed.tensors.map((tensor) => decodeTensor(tensor)), [reply, NO_PROMPTS, rows(1, 0)]);
  assertEquals([...readMetadata(pushed.metadata)].slice(0, 2), [["step_id", "b"], ["odd", tuple(1)]]);
  assertEquals(readMetadata(pushed.metadata).get("session_id"), "next");
  assertEquals(readMetadata(pushed.metadata).get("next_servers"), [tuple("Qm", "last", 8, 9)]);
  assertEquals(readMetadata(pushed.metadata).get("pushed"), true);
});

Deno.test("the output takes the place of the hidden states where masks are reordered", async () => {
  const { client, other } = openToyServer();
  const got = listen(other);
  const session = await openSession(client);
  const metadata = opening(4, { args_structure: masks(2, 0, 1), ...to([OTHER, "next", 6, 7]) });
  const reply = await session.step([NO_PROMPTS, NO_ROWS, hidden(1, 1)], metadata);
  await settle();
  assertEquals(decodeExpertRequest(got[0]!).tensors.map((tensor) => decodeTensor(tensor)), [
    NO_PROMPTS,
    NO_ROWS,
    reply,
  ]);
});

Deno.test("nothing is pushed with prompts, to oneself, or to what cannot be read; the step is answered", async () => {
  const { client, other, world, network } = openToyServer();
  const got = listen(other);
  const session = await openSession(client);
  const prompts = { dtype: "float32", shape: [4, 1, 1, 4], data: new Uint8Array(64) } as const;
  await session.step([hidden(1, 1), prompts, NO_ROWS], opening(9, to([OTHER, "next", 6, 7])));
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], to([SERVER, "next", 2, 3]));
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], { next_servers: "everybody" });
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], to(["nobody", "next", 6, 7]));
  network.remove(OTHER);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], to([OTHER, "next", 6, 7]));
  await settle();
  assertEquals(got, []);
  assertEquals(world.lines.filter((line) => line.includes("Output not pushed")).length, 3);
});

Deno.test("a push into an open session is answered on its stream, the client's late copy is not", async () => {
  const { client, other } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(9, step("a", { session_id: "s" })));
  const push = (id: string) =>
    other.callUnary(
      SERVER,
      `${P}rpc_push`,
      request(ALL, [hidden(1, 1, 7), NO_PROMPTS, NO_ROWS], step(id, { session_id: "s", pushed: true })),
      never,
    );
  assertEquals((await push("b")).length, 0);
  assertEquals(channel(replyOf(await session.stream.receive(never)), 0), [11]);
  await session.stream.send(request(ALL, [hidden(1, 1, 7), NO_PROMPTS, NO_ROWS], step("b")));
  await push("b");
  const next = await session.step([hidden(1, 1, 20), NO_PROMPTS, NO_ROWS], step("c"));
  assertEquals([channel(next, 0), channel(next, 1)], [[24], [4 + 2]]);
});

Deno.test("a push without a session is taken and forgotten; one that cannot be read is refused", async () => {
  const { other, world } = openToyServer();
  const push = (uid: string, metadata: Record<string, Packable>) =>
    other.callUnary(SERVER, `${P}rpc_push`, request(uid, [hidden(1, 1)], metadata), never);
  assertEquals((await push(ALL, { session_id: "none" })).length, 0);
  assert(world.lines.some((line) => line.includes("Push without a place dropped")));
  assertEquals(await wordsOf(push(ALL, {})), "session_id");
  assertEquals(await wordsOf(push("x.1", { session_id: "s" })), "Remote peer does not serve x.1");
});

Deno.test("a flood of pushes into one session is dropped past two", async () => {
  const { client, other, blocks } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(90, { session_id: "s" }));
  const go = Promise.withResolvers<void>();
  blocks.before = () => go.promise;
  for (let i = 0; i < 20; i++) {
    const metadata = { session_id: "s", step_id: `${i}`, pushed: true };
    const bytes = request(ALL, [hidden(1, 1), NO_PROMPTS, NO_ROWS], metadata);
    await other.callUnary(SERVER, `${P}rpc_push`, bytes, never);
    await settle();
  }
  go.resolve();
  await settle();
  await session.stream.endRequests();
  let replies = 0;
  while (await session.stream.receive(never) !== undefined) replies++;
  assertEquals(replies, 3);
});
