import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { pack } from "../../../src/base/msgpack.ts";
import { type Activations, fromFloat32, type Tensor } from "../../../src/base/tensor.ts";
import type { Rpc, RpcStream } from "../../../src/p2p/rpc.ts";
import {
  decodeStep,
  encodeStep,
  openRemoteHop,
  type RemoteSpan,
} from "../../../src/petals/client/remote_hop.ts";
import { parseUid } from "../../../src/petals/uid.ts";
import {
  decodeExpertRequest,
  decodeExpertResponse,
  encodeExpertResponse,
} from "../../../src/petals/wire/expert.ts";
import { idOf, nextServersOf, numberOf, readMetadata } from "../../../src/petals/wire/metadata.ts";
import { decodeTensor, encodeTensor } from "../../../src/petals/wire/tensor.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { HIDDEN, PREFIX, ToyBlocks, toyInput, ToySwarm } from "./toy_swarm.ts";

const never = new AbortController().signal;
const size = { batch: 1, maxLength: 8 };
const oneStep = { stepId: "s", next: [] };
const spanOf = (peerId: string, start: number, end: number): RemoteSpan => ({
  peerId,
  prefix: PREFIX,
  blocks: { start, end },
});

interface Captured {
  readonly dir: "in" | "out";
  readonly marker: string;
  readonly msg: string;
}

/** Requests of greedy sessions: those of beam search carry an order of rows, which this client never sends. */
function greedyRequests(): Uint8Array[] {
  const { petals_inference_streams, petals_two_server_streams } = vectors.captured;
  const streams: Captured[][] = [
    ...Object.values(petals_inference_streams),
    ...Object.values(petals_two_server_streams),
  ] as Captured[][];
  return streams.flat()
    .filter(({ dir, marker, msg }) => dir === "out" && marker === "00" && msg !== "")
    .map(({ msg }) => bytesOf(msg))
    .filter((bytes) => decodeTensor(decodeExpertRequest(bytes).tensors[2]!).shape[0] === 0);
}

Deno.test("encodeStep writes the bytes of the stock client, first and later steps, alone and in a chain", () => {
  const requests = greedyRequests();
  assert(requests.length >= 9);
  let pushes = 0;
  for (const bytes of requests) {
    const { uid, tensors, metadata: packed } = decodeExpertRequest(bytes);
    const uids = uid.split(" ").map((one) => parseUid(one)!);
    const metadata = readMetadata(packed);
    const maxLength = numberOf(metadata, "max_length");
    const next = nextServersOf(metadata);
    pushes += next.length;
    const span = {
      peerId: "any",
      prefix: uids[0]!.prefix,
      blocks: { start: uids[0]!.block, end: uids.at(-1)!.block + 1 },
    };
    const encoded = encodeStep({
      span,
      sessionId: idOf(metadata, "session_id")!,
      step: { stepId: idOf(metadata, "step_id")!, next },
      ...(maxLength !== undefined && { maxLength }),
    }, decodeTensor(tensors[0]!));
    assertEquals(encoded, bytes);
  }
  assert(pushes >= 2);
});

Deno.test("a session is stock's: one stream, one session id, max_length once, an empty request at the end", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 4);
  const server = toy.add("A", 0, 4);
  const local = new ToyBlocks({ start: 1, end: 3 });
  const hop = await openRemoteHop(world, toy.client, { span: spanOf("A", 1, 3), size }, never);
  assertEquals(hop.pushTo, undefined);
  for (const tokens of [5, 1, 0, 1]) {
    const input = toyInput(tokens, tokens);
    assertEquals(await hop.step(input, { stepId: `s${tokens}`, next: [] }, never), local.step(input));
  }
  const [session] = server.seen.map((seen) => seen.session);
  assertMatch(session!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assertEquals(server.seen.map((seen) => seen.maxLength), [8, undefined, undefined, undefined]);
  assertEquals(new Set(server.seen.map((seen) => seen.session)).size, 1);
  assertEquals(hop.pushTo, { peer: "A", sessionId: session!, start: 1, end: 3 });
  await hop[Symbol.asyncDispose]();
  await settle();
  assertEquals([server.ended, server.open, world.clock.sleepers], [1, 0, 0]);
});

Deno.test("hidden states travel in the type the server computes in", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  const half = toy.add("A", 0, 2, { torchDtype: "float16" });
  const span = { ...spanOf("A", 0, 2), torchDtype: "float16" };
  const hop = await openRemoteHop(toy.world, toy.client, { span, size }, never);
  const input = toyInput(100);
  const exact = new ToyBlocks({ start: 0, end: 2 }).step(input).data;
  assertEquals((await hop.step(input, oneStep, never)).data, exact.map(Math.f16round));
  assert(half.seen[0]!.bytes < 100 * HIDDEN * 2 + 400);
});

const good = toyInput(3).data;
const reply = (...tensors: readonly Tensor[]) =>
  encodeExpertResponse({ tensors: tensors.map((tensor) => encodeTensor(tensor)) });
const states = (shape: readonly number[], data: Float32Array<ArrayBuffer> = good) =>
  fromFloat32(data, shape, "float32");

const HOSTILE: Readonly<Record<string, Uint8Array>> = {
  "no bytes at all": new Uint8Array(0),
  "bytes that are no message": Uint8Array.of(0xff, 0xff, 0xff),
  "no tensor": reply(),
  "two tensors": reply(states([1, 3, 4]), states([1, 3, 4])),
  "fewer tokens": reply(states([1, 2, 4], good.slice(4))),
  "more rows": reply(states([3, 1, 4])),
  "another rank": reply(states([3, 4])),
  "whole numbers": reply({ dtype: "int64", shape: [1, 3, 4], data: new Uint8Array(96) }),
  "a NaN": reply(states([1, 3, 4], good.with(7, NaN))),
  "an infinite value": reply(states([1, 3, 4], good.with(11, -Infinity))),
  "too few elements": encodeExpertResponse({
    tensors: [encodeTensor({ dtype: "float32", shape: [1, 3, 4], data: new Uint8Array(20) })],
  }),
  "an unknown type": encodeExpertResponse({
    tensors: [encodeTensor({ dtype: "float99" as "float32", shape: [1, 3, 4], data: new Uint8Array(48) })],
  }),
  "an unknown compression": encodeExpertResponse({
    tensors: [Uint8Array.of(...encodeTensor(states([1, 3, 4])), 0x28, 99)],
  }),
};

for (const [what, bytes] of Object.entries(HOSTILE)) {
  Deno.test(`a reply with ${what} is refused, and the peer named`, async () => {
    const toy = new ToySwarm(fakeWorld(), 2);
    toy.add("QmLiar", 0, 2).fault = () => bytes;
    const hop = await openRemoteHop(toy.world, toy.client, { span: spanOf("QmLiar", 0, 2), size }, never);
    const error = await assertRejects(() => hop.step(toyInput(3), oneStep, never), NodeError);
    assertEquals(error.code, "malformed");
    assertMatch(error.message, /^Cannot compute blocks 0:2 at QmLiar: /);
    await hop[Symbol.asyncDispose]();
  });
}

Deno.test("decodeStep reads the stock server's replies", () => {
  const streams = Object.values(vectors.captured.petals_two_server_streams) as Captured[][];
  const replies = streams.flat().filter(({ dir, msg }) => dir === "in" && msg !== "");
  assert(replies.length >= 6);
  for (const { msg } of replies) {
    const bytes = bytesOf(msg);
    const [batch, tokens, hidden] = decodeTensor(decodeExpertResponse(bytes).tensors[0]!).shape;
    const input = { batch: batch!, tokens: tokens!, hidden: hidden!, data: new Float32Array(0) };
    assertEquals(decodeStep(bytes, input).output.data.length, batch! * tokens! * 64);
  }
});

Deno.test("decodeStep ends in hidden states or an error for every cut, every flip and random bytes", () => {
  const input: Activations = { batch: 1, tokens: 3, hidden: 4, data: good };
  assertEquals(decodeStep(reply(states([1, 3, 4])), input), { output: input, energy: undefined });
  assertBounded((bytes) => decodeStep(bytes, input), reply(states([1, 3, 4])));
});

Deno.test("decodeStep takes hidden states whatever a server puts beside them", () => {
  const input: Activations = { batch: 1, tokens: 3, hidden: 4, data: good };
  const beside = [
    new Uint8Array(5000),
    new TextEncoder().encode("{}"),
    pack([1, 2]),
    pack({ kwaai_energy: 7 }),
    pack({ kwaai_energy: { joules: -1, tokens: 1, kind: "measured", scope: "board" } }),
  ];
  for (const metadata of beside) {
    const bytes = encodeExpertResponse({ tensors: [encodeTensor(states([1, 3, 4]))], metadata });
    assertEquals(decodeStep(bytes, input), { output: input, energy: undefined });
  }
});

Deno.test("a server's own words reach the caller, on one line and without control characters", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2).fault = () => new Error("Cannot allocate\n\x1b[31m9999 tokens" + "!".repeat(5000));
  const hop = await openRemoteHop(toy.world, toy.client, { span: spanOf("A", 0, 2), size }, never);
  const error = await assertRejects(() => hop.step(toyInput(1), oneStep, never), NodeError);
  assertEquals(error.code, "remote");
  assertMatch(error.message, /^Cannot compute blocks 0:2 at A: Cannot allocate \[31m9999 tokens!+$/);
  assert(error.message.length < 600);
  await assertRejects(() => hop.step(toyInput(1), oneStep, never), RangeError);
});

Deno.test("a server that closes the session is unreachable", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  toy.add("A", 0, 2).fault = () => "close";
  const hop = await openRemoteHop(toy.world, toy.client, { span: spanOf("A", 0, 2), size }, never);
  const error = await assertRejects(
    () => hop.step(toyInput(1), oneStep, never),
    NodeError,
    "it closed the session",
  );
  assertEquals(error.code, "unreachable");
});

Deno.test("a server that keeps silent is given 300 s, then the stream is closed", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  const server = toy.add("A", 0, 2);
  server.fault = () => "silence";
  const hop = await openRemoteHop(world, toy.client, { span: spanOf("A", 0, 2), size }, never);
  const failed = assertRejects(() => hop.step(toyInput(1), oneStep, never), NodeError);
  await settle();
  await world.clock.advance(299_999);
  assertEquals(server.open, 1);
  await world.clock.advance(1);
  const error = await failed;
  assertEquals(error.code, "timeout");
  assertEquals(error.message, "Cannot compute blocks 0:2 at A: no answer within 300000 ms, wanted one");
  await hop[Symbol.asyncDispose]();
  await settle();
  assertEquals([server.open, server.ended, world.clock.sleepers], [0, 0, 0]);
});

Deno.test("a caller that gives up in the middle gets its own reason, and the stream is closed", async () => {
  const toy = new ToySwarm(fakeWorld(), 2);
  const server = toy.add("A", 0, 2);
  server.fault = () => "silence";
  const hop = await openRemoteHop(toy.world, toy.client, { span: spanOf("A", 0, 2), size }, never);
  const patience = new AbortController();
  const failed = hop.step(toyInput(1), oneStep, patience.signal);
  failed.catch(() => {});
  await settle();
  const reason = new NodeError("aborted", "enough");
  patience.abort(reason);
  assertEquals(await failed.catch((error) => error), reason);
  await hop[Symbol.asyncDispose]();
  await settle();
  assertEquals([server.open, server.ended], [0, 0]);
});

/** An Rpc whose streams never open, or never close. */
function stubborn(stream?: Partial<RpcStream>): Rpc & { signals: AbortSignal[] } {
  const signals: AbortSignal[] = [];
  const pending = () => new Promise<never>(() => {});
  const serve = () => {
    throw new RangeError("The client serves nothing");
  };
  return {
    self: "client",
    signals,
    serveUnary: serve,
    serveStream: serve,
    callUnary: pending,
    callStream: (_peer, _method, signal) => {
      signals.push(signal);
      return stream === undefined ? pending() : Promise.resolve({
        send: () => Promise.resolve(),
        receive: pending,
        endRequests: () => Promise.resolve(),
        [Symbol.asyncDispose]: () => Promise.resolve(),
        ...stream,
      });
    },
  };
}

Deno.test("whatever a stream throws names the peer; only mistakes of ours pass as they are", async () => {
  for (
    const [thrown, kind] of [[new Error("stream is closed"), NodeError], [
      new TypeError("no"),
      TypeError,
    ]] as const
  ) {
    const rpc = stubborn({ send: () => Promise.reject(thrown) });
    const hop = await openRemoteHop(fakeWorld(), rpc, { span: spanOf("QmGone", 0, 2), size }, never);
    const error = await assertRejects(() => hop.step(toyInput(1), oneStep, never), kind);
    if (error instanceof NodeError) {
      assertEquals(error.code, "unreachable");
      assertEquals(error.message, "Cannot compute blocks 0:2 at QmGone: stream is closed");
    }
  }
});

Deno.test("what could not be done is said once; a server's own words stay as they are", async () => {
  const open = (error: NodeError) => {
    const rpc = { ...stubborn(), callStream: () => Promise.reject(error) };
    return assertRejects(
      () => openRemoteHop(fakeWorld(), rpc, { span: spanOf("QmFar", 0, 2), size }, never),
      NodeError,
    );
  };
  const of = async (error: NodeError) => (await open(error)).message;
  assertEquals(
    await of(
      new NodeError(
        "unreachable",
        "Cannot connect to /ip4/10.0.0.1/tcp/1/p2p/QmFar: it is down, wanted it up",
      ),
    ),
    "Cannot connect to QmFar for blocks 0:2: it is down, wanted it up",
  );
  assertEquals(
    await of(new NodeError("busy", "Cannot call Test.x at QmFar: too many calls at one time")),
    "Cannot connect to QmFar for blocks 0:2: too many calls at one time",
  );
  assertEquals(
    await of(new NodeError("remote", "Cannot reach QmFar: from there")),
    "Cannot connect to QmFar for blocks 0:2: Cannot reach QmFar: from there",
  );
});

Deno.test("connecting takes 5 s at most, and the attempt is ended", async () => {
  const world = fakeWorld();
  const rpc = stubborn();
  const failed = assertRejects(
    () => openRemoteHop(world, rpc, { span: spanOf("QmFar", 0, 2), size }, never),
    NodeError,
    "Cannot connect to QmFar for blocks 0:2: no answer within 5000 ms",
  );
  await settle();
  await world.clock.advance(5000);
  assertInstanceOf(await failed, NodeError);
  assert(rpc.signals[0]!.aborted);
});

Deno.test("a server that never says good-bye holds the end of a session for a second", async () => {
  const world = fakeWorld();
  const input = toyInput(1);
  const answers = [reply(fromFloat32(input.data, [1, 1, HIDDEN], "float32"))];
  const rpc = stubborn({
    receive: () => answers.length > 0 ? Promise.resolve(answers.pop()) : new Promise(() => {}),
  });
  const hop = await openRemoteHop(world, rpc, { span: spanOf("A", 0, 2), size }, never);
  await hop.step(input, oneStep, never);
  let closed = false;
  const closing = Promise.resolve(hop[Symbol.asyncDispose]()).then(() => closed = true);
  await world.clock.advance(999);
  assertEquals(closed, false);
  await world.clock.advance(1);
  await closing;
  assert(rpc.signals[0]!.aborted);
});
