import { assert, assertEquals } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { pack } from "../../../src/base/msgpack.ts";
import { fromFloat32, type Tensor } from "../../../src/base/tensor.ts";
import { type Compression, COMPRESSIONS } from "../../../src/petals/wire/compression.ts";
import { decodeExpertResponse, encodeExpertRequest } from "../../../src/petals/wire/expert.ts";
import { parseTensor, splitTensor, TensorJoiner } from "../../../src/petals/wire/tensor.ts";
import type { MemoryRpc } from "../../support/memory_rpc.ts";
import { settle } from "../../support/world.ts";
import {
  ALL,
  channel,
  hidden,
  LIMITS,
  masks,
  never,
  NO_PROMPTS,
  openToyServer,
  P,
  replyOf,
  request,
  SERVER,
  ToyBlocks,
  wordsOf,
} from "./toy.ts";

const forward = (client: MemoryRpc, ...call: Parameters<typeof request>) =>
  client.callUnary(SERVER, `${P}rpc_forward`, request(...call), never);

/** Sends tensors in parts of `partBytes`, one part a message. */
async function forwardStream(
  client: MemoryRpc,
  tensors: readonly Tensor[],
  { uid = ALL, metadata = {}, partBytes = 20 } = {},
): Promise<readonly Tensor[]> {
  const stream = await client.callStream(SERVER, `${P}rpc_forward_stream`, never);
  for (const part of tensors.flatMap((tensor) => splitTensor(tensor, "NONE", partBytes))) {
    await stream.send(encodeExpertRequest({ uid, tensors: [part], metadata: pack(metadata) }));
  }
  await stream.endRequests();
  const joiner = new TensorJoiner();
  for (let reply = await stream.receive(never); reply !== undefined; reply = await stream.receive(never)) {
    for (const part of decodeExpertResponse(reply).tensors) joiner.push(part);
  }
  return joiner.finish();
}

Deno.test("forward computes sub-spans, adds prompts and reports", async () => {
  const { client, reports } = openToyServer();
  const reply = replyOf(await forward(client, "toy.3 toy.4", [hidden(2, 3), NO_PROMPTS]));
  assertEquals([reply.shape, channel(reply, 0)], [[2, 3, 4], [3, 4, 5, 6, 7, 8]]);
  const prompts = fromFloat32(new Float32Array(4).fill(10), [1, 1, 1, 4], "float32");
  const prompted = replyOf(await forward(client, "toy.5", [hidden(2, 2), prompts]));
  assertEquals(channel(prompted, 0), [12, 3, 14, 5]);
  assertEquals(reports.map(({ method, tokens, blocks }) => [method, tokens, blocks]), [
    ["forward", 6, { start: 3, end: 5 }],
    ["forward", 4, { start: 5, end: 6 }],
  ]);
  const masked = await forward(client, ALL, [NO_PROMPTS, hidden(1, 1)], { args_structure: masks(1, 0) });
  assertEquals(channel(replyOf(masked), 0), [5]);
  assertEquals(replyOf(await forward(client, ALL, [hidden(1, 0), NO_PROMPTS])).shape, [1, 0, 4]);
});

Deno.test("forward answers in the compression that was asked for, and in the type of the blocks", async () => {
  const { client } = openToyServer();
  for (const [number, compression] of COMPRESSIONS.entries()) {
    const bytes = await forward(client, ALL, [hidden(1, 2, 3, "float16"), NO_PROMPTS], {
      output_compression: [number],
    });
    assertEquals(parseTensor(decodeExpertResponse(bytes).tensors[0]!).compression, compression);
    const [first, second] = channel(replyOf(bytes), 0);
    assert(Math.abs(first! - 7) < 0.1 && Math.abs(second! - 8) < 0.1, `${compression}: ${first} ${second}`);
  }
  const half = openToyServer({ blocks: new ToyBlocks({ start: 0, end: 1 }, "bfloat16") });
  const ask = (compression: Compression) =>
    forward(half.client, "toy.0", [hidden(1, 2), NO_PROMPTS], {
      output_compression: [COMPRESSIONS.indexOf(compression)],
    });
  assertEquals(replyOf(await ask("NONE")).dtype, "bfloat16");
  assertEquals(
    await wordsOf(ask("FLOAT16")),
    "Float16Compression does not support torch.bfloat16 tensors",
  );
});

Deno.test("forward refuses in the stock server's words", async () => {
  const { client, reports } = openToyServer();
  const words = (...call: Parameters<typeof request>) => wordsOf(forward(client, ...call));
  const input = [hidden(1, 1), NO_PROMPTS];
  assertEquals(await words("toy.9", input), "Remote peer does not serve toy.9");
  assertEquals(await words("", input), "Remote peer does not serve ");
  assertEquals(
    await words(ALL, [hidden(1, 8193), NO_PROMPTS]),
    "Task size greater than max_batch_size (8192), it can't be processed",
  );
  assertEquals(await words(ALL, input, { active_adapter: "x" }), "adapter x not found");
  assertEquals(
    await words(ALL, input, { output_compression: [0, 0] }),
    "output_compression tuple should have 1 element",
  );
  assert((await words(ALL, input, { output_compression: [9] })).includes("compression 9"));
  assertEquals(await words(ALL, [hidden(1, 1)]), "forward takes hidden states and prompts, got 1 tensors");
  assertEquals(reports.map(({ outcome }) => outcome), ["too_large", "malformed"]);
});

Deno.test("forward_stream joins parts and answers in parts", async () => {
  const { client } = openToyServer();
  const [reply] = await forwardStream(client, [hidden(3, 7), NO_PROMPTS], { partBytes: 100 });
  assertEquals([reply!.shape, channel(reply!, 0).slice(0, 3)], [[3, 7, 4], [5, 6, 7]]);
  const large = openToyServer({ limits: { ...LIMITS, maxLength: 200_000, requestBytes: 64 << 20 } });
  const stream = await large.client.callStream(SERVER, `${P}rpc_forward_stream`, never);
  for (const part of [hidden(1, 200_000), NO_PROMPTS].flatMap((tensor) => splitTensor(tensor))) {
    await stream.send(encodeExpertRequest({ uid: ALL, tensors: [part], metadata: pack({}) }));
  }
  await stream.endRequests();
  const sizes: number[] = [];
  for (let part = await stream.receive(never); part !== undefined; part = await stream.receive(never)) {
    sizes.push(part.length);
  }
  assert(sizes.length === 2 && sizes.every((size) => size < (2 << 20) + 1000), `${sizes}`);
});

Deno.test("forward_stream refuses differing uids, too many bytes, and a client that stops in the middle", async () => {
  const { client, world } = openToyServer();
  const [one] = splitTensor(hidden(1, 1));
  const mixed = await client.callStream(SERVER, `${P}rpc_forward_stream`, never);
  for (const uid of [ALL, "toy.2"]) {
    await mixed.send(encodeExpertRequest({ uid, tensors: [one!], metadata: new Uint8Array(0) }));
  }
  assertEquals(await wordsOf(mixed.receive(never)), "Block uids differ in one request");
  const silent = await client.callStream(SERVER, `${P}rpc_forward_stream`, never);
  const ended = wordsOf(silent.receive(never));
  await settle();
  await world.clock.advance(180_000);
  assert((await ended).includes("within 180000 ms"));
  const small = openToyServer({ limits: { ...LIMITS, maxLength: 2, requestBytes: 64 << 20 } });
  const tensor: Tensor = { dtype: "bool", shape: [2 << 20], data: new Uint8Array(2 << 20) };
  assert((await wordsOf(forwardStream(small.client, [tensor], { partBytes: 1 << 19 }))).includes("at most"));
});

Deno.test("a stream of forward without any message ends without words", async () => {
  const { client } = openToyServer();
  assertEquals(await forwardStream(client, []), []);
});

Deno.test("forwards wait for their turn, two at once, and leave when their caller does", async () => {
  const { client, blocks } = openToyServer();
  let running = 0;
  let most = 0;
  const go = Promise.withResolvers<void>();
  blocks.before = async () => {
    most = Math.max(most, ++running);
    await go.promise;
    running--;
  };
  const calls = Array.from({ length: 10 }, () => forward(client, ALL, [hidden(1, 1), NO_PROMPTS]));
  const leaving = new AbortController();
  const left = client.callUnary(
    SERVER,
    `${P}rpc_forward`,
    request(ALL, [hidden(1, 1), NO_PROMPTS]),
    leaving.signal,
  );
  await settle();
  leaving.abort(new NodeError("aborted", "gone"));
  assertEquals(await wordsOf(left), "gone");
  go.resolve();
  await Promise.all(calls);
  assertEquals(most, 2);
});

Deno.test("backward is refused in words, unary and streamed", async () => {
  const { client } = openToyServer();
  const words = "rpc_backward is not supported by this server";
  assertEquals(await wordsOf(client.callUnary(SERVER, `${P}rpc_backward`, new Uint8Array(0), never)), words);
  const stream = await client.callStream(SERVER, `${P}rpc_backward_stream`, never);
  assertEquals(await wordsOf(stream.receive(never)), words);
});
