import { assert, assertEquals } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { Float, type Packable } from "../../../src/base/msgpack.ts";
import { fromFloat32, type Tensor } from "../../../src/base/tensor.ts";
import { decodeSessionEnergy } from "../../../src/petals/wire/energy.ts";
import {
  decodeExpertResponse,
  encodeExpertRequest,
  END_OF_SESSION,
} from "../../../src/petals/wire/expert.ts";
import { settle } from "../../support/world.ts";
import {
  ALL,
  channel,
  CLIENT,
  hidden,
  LIMITS,
  masks,
  never,
  NO_PROMPTS,
  NO_ROWS,
  opening,
  openSession,
  openToyServer,
  P,
  request,
  rows,
  SERVER,
  ToyBlocks,
  wordsOf,
} from "./toy.ts";

Deno.test("a session remembers positions over its steps and ends with the empty request", async () => {
  const { client, blocks, server, reports } = openToyServer();
  const session = await openSession(client);
  const first = await session.step([hidden(1, 5), NO_PROMPTS, NO_ROWS], opening(8, { session_id: "s" }));
  assertEquals([first.shape, first.dtype], [[1, 5, 4], "float32"]);
  assertEquals(channel(first, 0), [5, 6, 7, 8, 9]);
  assertEquals(channel(first, 1), [4, 5, 6, 7, 8]);
  assertEquals(server.sessions, 1);
  assertEquals(server.cacheTokensAvailable, 4 * (100 - 8));
  assertEquals(server.cacheTokensLeft, 8 * (100 - 8));
  const next = await session.step([hidden(1, 1, 10), NO_PROMPTS, NO_ROWS]);
  assertEquals(channel(next, 2), [4 + 1 + 2 + 3 + 4 + 5]);
  await session.stream.send(encodeExpertRequest(END_OF_SESSION));
  assertEquals(await session.stream.receive(never), undefined);
  await settle();
  assertEquals([server.sessions, server.cacheTokensAvailable, blocks.caches[0]!.disposed], [0, 400, true]);
  assertEquals(reports.map(({ tokens, outcome, session, peer }) => [tokens, outcome, session, peer]), [
    [5, "ok", "s", CLIENT],
    [1, "ok", "s", CLIENT],
  ]);
  assert(
    reports.every(({ bytesIn, bytesOut, method }) => bytesIn > 60 && bytesOut > 16 && method === "inference"),
  );
});

Deno.test("a reply tells of energy only where the client asked and something is known", async () => {
  const energy = { joules: 1, tokens: 2, kind: "modelled", scope: "board", uncertainty: null } as const;
  const marks: (number | undefined)[] = [];
  const { client } = openToyServer({
    observer: {
      begin: () => 5,
      report: ({ mark }) => void marks.push(mark),
      energyOf: (session) => session.startsWith("known") ? energy : undefined,
    },
  });
  const metadataOf = async (metadata: Record<string, Packable>) => {
    const { stream } = await openSession(client);
    await stream.send(request(ALL, [hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4, metadata)));
    return decodeExpertResponse((await stream.receive(never))!).metadata;
  };
  assertEquals(await metadataOf({ session_id: "known" }), undefined);
  assertEquals(await metadataOf({ session_id: "other", kwaai_energy: true }), undefined);
  assertEquals(await metadataOf({ kwaai_energy: true }), undefined);
  assertEquals(
    decodeSessionEnergy((await metadataOf({ session_id: "known too", kwaai_energy: true }))!),
    energy,
  );
  assertEquals(marks, [5, 5, 5, 5]);
});

Deno.test("a session ends without words when the client ends its requests", async () => {
  const { client, server } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(3));
  await session.stream.endRequests();
  assertEquals(await session.stream.receive(never), undefined);
  assertEquals(server.sessions, 0);
  const silent = await openSession(client);
  await silent.stream.endRequests();
  assertEquals(await silent.stream.receive(never), undefined);
});

Deno.test("several sessions over different spans do not disturb each other", async () => {
  const { client, other, server } = openToyServer();
  const whole = await openSession(client);
  const part = await openSession(other, "toy.3 toy.4");
  const one = await openSession(client, "toy.5");
  await whole.step([hidden(1, 2), NO_PROMPTS, NO_ROWS], opening(4));
  await part.step([hidden(2, 3), NO_PROMPTS, NO_ROWS], opening(10));
  await one.step([hidden(1, 1, 7), NO_PROMPTS, NO_ROWS], opening(1));
  assertEquals(server.cacheTokensAvailable, 400 - 4 * 4 - 2 * 10 * 2 - 1);
  assertEquals(channel(await whole.step([hidden(1, 1), NO_PROMPTS, NO_ROWS]), 2), [4 + 1 + 2]);
  assertEquals(channel(await part.step([hidden(2, 1), NO_PROMPTS, NO_ROWS]), 2), [2 + 6, 2 + 15]);
});

Deno.test("a step of no tokens answers no tokens and only allocates", async () => {
  const { client, server } = openToyServer();
  const session = await openSession(client);
  const empty = await session.step([hidden(2, 0), NO_PROMPTS, NO_ROWS], opening(6));
  assertEquals([empty.shape, empty.dtype, server.cacheTokensAvailable], [[2, 0, 4], "float32", 400 - 48]);
  await session.step([hidden(2, 3), NO_PROMPTS, NO_ROWS]);
  assertEquals((await session.step([hidden(2, 0), NO_PROMPTS, NO_ROWS])).shape, [2, 0, 4]);
  assertEquals(channel(await session.step([hidden(2, 1), NO_PROMPTS, NO_ROWS]), 1), [7, 7]);
  const none = await openSession(client);
  assertEquals((await none.step([hidden(1, 0), NO_PROMPTS, NO_ROWS], opening(0))).shape, [1, 0, 4]);
});

Deno.test("hypo_ids reorder the rows before the step", async () => {
  const { client } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(2, 1, 10), NO_PROMPTS, NO_ROWS], opening(6)); // rows hold 10 and 11
  const swapped = await session.step([hidden(2, 1), NO_PROMPTS, rows(1, 0)]);
  assertEquals(channel(swapped, 2), [4 + 11, 4 + 10]);
  const both = await session.step([hidden(2, 1), NO_PROMPTS, rows(0, 0)]);
  assertEquals(channel(both, 2), [4 + 11 + 1, 4 + 11 + 1]);
});

Deno.test("start_from_position forgets what was later, also right before a step of no tokens", async () => {
  const { client } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 4), NO_PROMPTS, NO_ROWS], opening(6));
  const again = await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], { start_from_position: 2 });
  assertEquals([channel(again, 1), channel(again, 2)], [[4 + 2], [4 + 1 + 2]]);
  await session.step([hidden(1, 0), NO_PROMPTS, NO_ROWS], { start_from_position: 1 });
  const fromOne = await session.step([hidden(1, 5), NO_PROMPTS, NO_ROWS]);
  assertEquals(channel(fromOne, 1), [5, 6, 7, 8, 9]);
  assertEquals(
    await wordsOf(session.step([hidden(1, 0), NO_PROMPTS, NO_ROWS], { start_from_position: 7 })),
    "prefix_length=6, start_from_position=7",
  );
});

Deno.test("a repeated step id gets no reply and does not move the session", async () => {
  const { client, blocks } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(6, { step_id: "a" }));
  await session.stream.send(request(ALL, [hidden(1, 1), NO_PROMPTS, NO_ROWS], { step_id: "a" }));
  const next = await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], { step_id: "b" });
  assertEquals([channel(next, 1), blocks.steps.length], [[4 + 1], 2]);
});

Deno.test("prompts of one row are added for every row, block by block", async () => {
  const { client, blocks } = openToyServer();
  const session = await openSession(client, "toy.2 toy.3");
  const prompts = fromFloat32(
    Float32Array.from({ length: 8 }, (_, i) => 100 * (i + 1)),
    [2, 1, 1, 4],
    "float32",
  );
  const reply = await session.step([hidden(2, 2), prompts, NO_ROWS], opening(6));
  assertEquals(channel(reply, 0), [1 + 2 + 100 + 500, 2 + 2, 3 + 2 + 100 + 500, 4 + 2]);
  assertEquals(blocks.steps[0]!.prompts?.data.length, 2 * 2 * 4);
});

Deno.test("replies come in the type of the blocks, whatever the input's", async () => {
  for (const dtype of ["float32", "float16", "bfloat16"] as const) {
    const blocks = new ToyBlocks({ start: 0, end: 2 }, dtype);
    const { client } = openToyServer({ blocks });
    const session = await openSession(client, "toy.0 toy.1");
    for (const sent of ["float32", "float16", "bfloat16"] as const) {
      const reply = await session.step([hidden(1, 1, 3, sent), NO_PROMPTS, NO_ROWS], opening(4));
      assertEquals([reply.dtype, channel(reply, 0)], [dtype, [5]]);
    }
  }
});

Deno.test("arguments may be reordered and shared by masks; without masks three are wanted", async () => {
  const { client } = openToyServer();
  const reordered = await openSession(client);
  const reply = await reordered.step(
    [NO_PROMPTS, NO_ROWS, hidden(2, 1)],
    opening(4, { args_structure: masks(2, 0, 1) }),
  );
  assertEquals([reply.shape, channel(reply, 0)], [[2, 1, 4], [5, 6]]);
  const again = await reordered.step([NO_PROMPTS, NO_ROWS, hidden(2, 1)], { args_structure: masks(0, 0, 0) });
  assertEquals(channel(again, 0), [5, 6], "only the first message's structure counts");
  const plain = await openSession(client);
  assertEquals(
    (await plain.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], { max_length: 4 })).shape,
    [1, 1, 4],
  );
  assert((await wordsOf(plain.step([hidden(1, 1), NO_PROMPTS]))).includes("got 2 tensors"));
});

Deno.test("output_compression, max_length and active_adapter of later steps are ignored", async () => {
  const { client } = openToyServer();
  const session = await openSession(client);
  const reply = await session.step(
    [hidden(1, 1), NO_PROMPTS, NO_ROWS],
    opening(4, { output_compression: [4] }),
  );
  assertEquals(channel(reply, 0), [5]);
  const more: Record<string, Packable> = { max_length: 1, active_adapter: "a", output_compression: "x" };
  assertEquals(channel(await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], more), 0), [5]);
});

const opened = [hidden(1, 4), NO_PROMPTS, NO_ROWS];
const cases: readonly [string, readonly Tensor[], Record<string, Packable>, string?][] = [
  ["rpc_inference metadata must contain int max_length, got None", opened, {}],
  ["rpc_inference metadata must contain int max_length, got 9", opened, { max_length: "9" }],
  ["rpc_inference metadata must contain int max_length, got 9.0", opened, { max_length: new Float(9) }],
  ["Cannot allocate KV cache for 9999 tokens, max = 8192", opened, { max_length: 9999 }],
  ["Cannot allocate KV cache for -1 tokens, max = 8192", opened, { max_length: -1 }],
  [
    "Maximum length exceeded: prefix 0 + current 4 exceeds pre-allocated maximum 3",
    opened,
    { max_length: 3 },
  ],
  ["Remote peer does not serve toy.9", opened, opening(4), "toy.9"],
  ["Remote peer does not serve ", opened, opening(4), ""],
  ["Blocks must follow each other, got toy.2 after toy.4", opened, opening(4), "toy.4 toy.2"],
  ["adapter mine not found", opened, opening(4, { active_adapter: "mine" })],
  [
    "hidden states must be [batch, tokens, 4], got [1, 4]",
    [{ ...opened[0]!, shape: [1, 4], data: new Uint8Array(16) }, NO_PROMPTS, NO_ROWS],
    opening(4),
  ],
  [
    "hidden states must be [batch, tokens, 4], got [1, 2, 2]",
    [{ ...opened[0]!, shape: [1, 2, 2], data: new Uint8Array(16) }, NO_PROMPTS, NO_ROWS],
    opening(4),
  ],
  [
    "hidden states must be floats, got torch.int64",
    [{ dtype: "int64", shape: [1, 1, 4], data: new Uint8Array(32) }, NO_PROMPTS, NO_ROWS],
    opening(4),
  ],
  [
    "hidden states must be finite, got NaN",
    [fromFloat32(Float32Array.of(1, NaN, 0, 0), [1, 1, 4], "float32"), NO_PROMPTS, NO_ROWS],
    opening(4),
  ],
  ["hypo ids must be int64, got torch.float32", [opened[0]!, NO_PROMPTS, NO_PROMPTS], opening(4)],
  ["hypo ids must be 0 to 0, got 7", [opened[0]!, NO_PROMPTS, rows(7)], opening(4)],
  ["hypo ids must be 0 to 0, got -1", [opened[0]!, NO_PROMPTS, rows(-1)], opening(4)],
  ["hypo ids must be [1], got [2]", [opened[0]!, NO_PROMPTS, rows(0, 0)], opening(4)],
  ["Received 1 prompts for 4 backends", [opened[0]!, {
    dtype: "float32",
    shape: [1, 1, 1, 4],
    data: new Uint8Array(16),
  }, NO_ROWS], opening(4)],
  ["prompts of 1 rows and 5 tokens do not fit 1 rows and 4 tokens", [opened[0]!, {
    dtype: "float32",
    shape: [4, 1, 5, 4],
    data: new Uint8Array(320),
  }, NO_ROWS], opening(4)],
];

Deno.test("sessions that cannot be refuse in the stock server's words, and the server goes on", async () => {
  const { client, server } = openToyServer();
  for (const [words, tensors, metadata, uid] of cases) {
    const session = await openSession(client, uid ?? ALL);
    assertEquals(await wordsOf(session.step(tensors, metadata)), words);
  }
  await settle();
  assertEquals([server.sessions, server.cacheTokensAvailable], [0, 400]);
  const session = await openSession(client);
  assertEquals((await session.step(opened, opening(4))).shape, [1, 4, 4]);
});

Deno.test("a session that goes past its maximum length ends in words, others go on", async () => {
  const { client } = openToyServer();
  const [one, two] = [await openSession(client), await openSession(client)];
  await one.step([hidden(1, 8), NO_PROMPTS, NO_ROWS], opening(10));
  await two.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(10));
  assertEquals(
    await wordsOf(one.step([hidden(1, 4), NO_PROMPTS, NO_ROWS])),
    "Maximum length exceeded: prefix 8 + current 4 exceeds pre-allocated maximum 10",
  );
  assertEquals((await two.step([hidden(1, 1), NO_PROMPTS, NO_ROWS])).shape, [1, 1, 4]);
});

Deno.test("a step's batch must be the session's, and its size what one task may have", async () => {
  const { client } = openToyServer({ limits: { ...LIMITS, maxLength: 6 } });
  const session = await openSession(client);
  await session.step([hidden(2, 1), NO_PROMPTS, NO_ROWS], opening(6));
  assertEquals(
    await wordsOf(session.step([hidden(2, 4), NO_PROMPTS, NO_ROWS])),
    "Task size greater than max_batch_size (6), it can't be processed",
  );
  const other = await openSession(client);
  await other.step([hidden(2, 1), NO_PROMPTS, NO_ROWS], opening(6));
  assertEquals(
    await wordsOf(other.step([hidden(1, 1), NO_PROMPTS, NO_ROWS])),
    "the session has 2 rows, got 1",
  );
});

Deno.test("a session that finds no memory is refused at once, or waits as long as it may", async () => {
  const { client, world, server } = openToyServer();
  const first = await openSession(client);
  await first.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(60));
  const refused = await openSession(client);
  assertEquals(
    await wordsOf(refused.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(60))),
    "Could not allocate 3840 bytes immediately: out of memory",
  );
  const huge = await openSession(client);
  assertEquals(
    await wordsOf(huge.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(101))),
    "Could not allocate 6464 bytes, max cache size = 6400 bytes",
  );
  const late = await openSession(client);
  const gaveUp = wordsOf(
    late.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(60, { alloc_timeout: new Float(2) })),
  );
  await settle();
  await world.clock.advance(2000);
  assertEquals(await gaveUp, "Could not allocate 3840 bytes within 2 seconds");
  const patient = await openSession(client);
  const waited = patient.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(60, { alloc_timeout: 9 }));
  await settle();
  await first.stream.endRequests();
  assertEquals((await waited).shape, [1, 1, 4]);
  assertEquals(server.cacheTokensAvailable, 160);
});

Deno.test("a second live session with one id is refused; later the id is free again", async () => {
  const { client } = openToyServer();
  const first = await openSession(client);
  await first.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4, { session_id: "one" }));
  const second = await openSession(client);
  assertEquals(
    await wordsOf(second.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4, { session_id: "one" }))),
    "session id one is not unique",
  );
  await first.stream.endRequests();
  await first.stream.receive(never);
  const third = await openSession(client);
  await third.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4, { session_id: "one" }));
});

Deno.test("one peer opens only so many sessions", async () => {
  const { client, other, server } = openToyServer();
  for (let i = 0; i < 4; i++) await openSession(client);
  await settle();
  assertEquals(server.sessions, 4);
  const fifth = await openSession(client);
  assert((await wordsOf(fifth.stream.receive(never))).startsWith("Cannot open a session: 4 are open"));
  await (await openSession(other)).step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
});

Deno.test("a session that is silent for 300 s, or lasts 1800 s, ends in words", async () => {
  const { client, world } = openToyServer();
  const silent = await openSession(client);
  await silent.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
  const ended = wordsOf(silent.stream.receive(never));
  await settle();
  await world.clock.advance(299_000);
  const busy = await openSession(client);
  await busy.step([hidden(1, 0), NO_PROMPTS, NO_ROWS], opening(4));
  await world.clock.advance(1_000);
  assert((await ended).includes("wait for the next step: no answer within 300000 ms"));
  for (let i = 0; i < 8; i++) {
    await world.clock.advance(200_000);
    await busy.step([hidden(1, 0), NO_PROMPTS, NO_ROWS]);
  }
  const over = wordsOf(busy.stream.receive(never));
  await world.clock.advance(200_000);
  assert((await over).includes("within 1800000 ms"));
});

Deno.test("an engine that fails ends the session in its words and frees the memory", async () => {
  const { client, blocks, server, reports } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
  blocks.before = () => Promise.reject(new NodeError("no_backend", "The engine stopped"));
  blocks.caches[0]!.onDispose = () => Promise.reject(new Error("it is dead"));
  assertEquals(await wordsOf(session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS])), "The engine stopped");
  await settle();
  assertEquals([server.sessions, server.cacheTokensAvailable], [0, 400]);
  assertEquals(reports.map(({ outcome }) => outcome), ["ok", "no_backend"]);
});

Deno.test("a server that leaves says so on every open session", async () => {
  const { client, server, blocks } = openToyServer();
  const waiting = await openSession(client);
  await waiting.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
  const fresh = await openSession(client);
  const words = [wordsOf(waiting.stream.receive(never)), wordsOf(fresh.stream.receive(never))];
  await settle();
  await server[Symbol.asyncDispose]();
  for (const text of await Promise.all(words)) assertEquals(text, "The server is leaving, ask another one");
  assertEquals(blocks.caches.map(({ disposed }) => disposed), [true]);
  assert((await wordsOf(client.callStream(SERVER, `${P}rpc_inference`, never))).includes("not supported"));
});

Deno.test("a client that leaves in the middle frees its session", async () => {
  const { client, server, blocks } = openToyServer();
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
  await session.stream[Symbol.asyncDispose]();
  await settle();
  assertEquals([server.sessions, server.cacheTokensAvailable, blocks.caches[0]!.disposed], [0, 400, true]);
});

Deno.test("an observer that throws disturbs nobody", async () => {
  const { client, world } = openToyServer({
    observer: {
      begin: () => {
        throw new Error("the meter is broken");
      },
      report: () => {
        throw new Error("books are closed");
      },
    },
  });
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(4));
  assert(world.lines.some((line) => line.includes("the meter is broken")));
  assert(world.lines.some((line) => line.includes("books are closed")));
});

Deno.test("requests of one peer are held only up to half of what is allowed", async () => {
  const { client } = openToyServer({ limits: { ...LIMITS, maxLength: 8, requestBytes: 1 } });
  const session = await openSession(client);
  const large = { dtype: "bool", shape: [3 << 20], data: new Uint8Array(3 << 20) } as const;
  assert((await wordsOf(session.step([large], opening(4)))).includes("bytes more of requests"));
});
