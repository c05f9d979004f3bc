import { assert, assertEquals } from "@std/assert";
import { concatBytes, encodeUtf8 } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import type { BlockBackend, KvCache, LoadedBlocks, TextHead } from "../../src/compute/backend.ts";
import { runEngineChild } from "../../src/compute/engine_child.ts";
import { type EngineReply, readReply } from "../../src/compute/engine_messages.ts";
import { encodeFrame, floatsOf, FrameReader } from "../../src/compute/engine_wire.ts";
import type { ModelSource } from "../../src/model/source.ts";

/** What happened, in order. */
interface Toys {
  readonly events: string[];
  readonly backend: BlockBackend;
  readonly model: ModelSource;
}

/** Blocks that double what they get; a step of 13 tokens never ends by itself. */
function makeToys(): Toys {
  const events: string[] = [];
  const gone = (what: string) => () => {
    events.push(`free ${what}`);
    return Promise.resolve();
  };
  const cache: KvCache = {
    range: { start: 0, end: 1 },
    batch: 1,
    capacity: 9,
    length: 5,
    [Symbol.asyncDispose]: gone("cache"),
  };
  const double = (values: Float32Array<ArrayBuffer>) => Promise.resolve(values.map((value) => 2 * value));
  const blocks: LoadedBlocks = {
    engine: "reference",
    device: "toy",
    range: { start: 0, end: 1 },
    hiddenSize: 2,
    dtype: "float32",
    weightBytes: 10,
    cacheBytesPerToken: 1,
    openCache: () => Promise.resolve(cache),
    forward: ({ input }) => double(input.data),
    step({ input, prompts, rows, rewindTo }, _cache, signal) {
      events.push(`step ${input.tokens} ${prompts?.data.join()} ${rows?.join()} ${rewindTo}`);
      if (input.tokens !== 13) return double(input.data);
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          events.push("aborted");
          reject(signal.reason);
        });
      });
    },
    [Symbol.asyncDispose]: gone("blocks"),
  };
  const head: TextHead = {
    engine: "reference",
    hiddenSize: 2,
    vocabularySize: 9,
    weightBytes: 3,
    embed: (ids) => Promise.resolve(Float32Array.from(ids)),
    logits: (hidden) => double(hidden),
    [Symbol.asyncDispose]: gone("head"),
  };
  return {
    events,
    backend: {
      name: "reference",
      probe: () => Promise.resolve({ usable: true, device: "toy", version: "1" }),
      load: () => Promise.resolve(blocks),
      loadHead: () => Promise.resolve(head),
    },
    model: { path: "/toy", [Symbol.asyncDispose]: gone("model") } as unknown as ModelSource,
  };
}

/** A child that reads from us and writes to us, in this process. */
function openChild() {
  const toys = makeToys();
  const requests = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const ready: { reply: EngineReply; payload: Uint8Array<ArrayBuffer> }[] = [];
  const frames = new FrameReader();
  let wake = () => {};
  const output = {
    // as a full pipe does: no more than a part of long answers
    writeSync(bytes: Uint8Array) {
      const part = bytes.slice(0, 100);
      for (const { header, payload } of frames.push(part)) ready.push({ reply: readReply(header), payload });
      wake();
      return part.length;
    },
  };
  const complaints: string[] = [];
  const requested = requests.readable.getReader();
  let rest: Uint8Array = new Uint8Array(0);
  const input = {
    async read(into: Uint8Array) {
      if (rest.length === 0) rest = (await requested.read()).value ?? rest;
      if (rest.length === 0) return null;
      const part = rest.subarray(0, into.length);
      into.set(part);
      rest = rest.subarray(part.length);
      return part.length;
    },
  };
  const exit = runEngineChild(input, output, {
    backends: () => [toys.backend],
    openModel(path) {
      if (path === "/toy") return Promise.resolve(toys.model);
      if (path === "/slow") return new Promise(() => {});
      return Promise.reject(new NodeError("not_found", `Cannot open "${path}"`));
    },
  }, (words) => complaints.push(words));
  const writer = requests.writable.getWriter();
  return {
    ...toys,
    complaints,
    exit,
    writer,
    send: (header: unknown, ...parts: ArrayBufferView<ArrayBuffer>[]) =>
      writer.write(concatBytes(...encodeFrame(header, parts))),
    async next() {
      while (ready.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return ready.shift()!;
    },
  };
}

const OPEN = { id: 1, act: "open", engine: "auto", dataDir: "/d" };
const OPTIONS = { dtype: "auto", threads: 1 };
const LOAD = { id: 2, act: "load", path: "/toy", range: { start: 0, end: 1 }, options: OPTIONS };
const STEP = { act: "step", blocks: 1, cache: 2, batch: 1, tokens: 1, hidden: 2 };

Deno.test("engine child serves a session and frees what it is told to", async () => {
  const child = openChild();
  await child.send(OPEN);
  assertEquals((await child.next()).reply, {
    id: 1,
    facts: { engine: "reference", reason: "1 on toy" },
  });
  await child.send(LOAD);
  const loaded = (await child.next()).reply;
  assertEquals(loaded.handle, 1);
  assertEquals(loaded.facts!["device"], "toy");
  await child.send({
    id: 3,
    act: "openCache",
    blocks: 1,
    range: { start: 0, end: 1 },
    batch: 1,
    capacity: 9,
  });
  assertEquals((await child.next()).reply, { id: 3, handle: 2 });
  await child.send(
    { id: 4, ...STEP, promptTokens: 1, rows: [0], rewindTo: 3 },
    Float32Array.of(1, 2),
    Float32Array.of(7, 8),
  );
  const stepped = await child.next();
  assertEquals(stepped.reply, { id: 4, length: 5 });
  assertEquals([...floatsOf(stepped.payload)], [2, 4]);
  await child.send({ id: 5, act: "loadHead", path: "/toy", options: OPTIONS });
  assertEquals((await child.next()).reply.handle, 3);
  await child.send({ id: 7, act: "logits", head: 3, rows: 1 }, Float32Array.of(1, 2));
  assertEquals([...floatsOf((await child.next()).payload)], [2, 4]);
  for (const handle of [2, 1, 3, 99]) await child.send({ id: 10 + handle, act: "free", handle });
  for (let i = 0; i < 4; i++) await child.next();
  await child.writer.close();
  assertEquals(await child.exit, 0);
  assertEquals(child.events, [
    "free model",
    "step 1 7,8 0 3",
    "free cache",
    "free blocks",
    "free head",
    "free model",
  ]);
});

Deno.test("engine child answers what cannot be done with an error of the same kind", async () => {
  const child = openChild();
  const kindOf = async (header: object, ...parts: ArrayBufferView<ArrayBuffer>[]) => {
    await child.send({ id: 1, ...header }, ...parts);
    return (await child.next()).reply.error?.kind;
  };
  assertEquals(await kindOf(LOAD), "type");
  assertEquals(await kindOf({ ...OPEN, engine: "onnx" }), "no_backend");
  assertEquals(await kindOf(OPEN), undefined);
  assertEquals(await kindOf({ ...LOAD, path: "/else" }), "not_found");
  assertEquals(await kindOf(LOAD), undefined);
  assertEquals(await kindOf(STEP, Float32Array.of(1, 2)), "type");
  await kindOf({ act: "openCache", blocks: 1, range: { start: 0, end: 1 }, batch: 1, capacity: 9 });
  assertEquals(await kindOf(STEP, Float32Array.of(1)), "range");
  assertEquals(await kindOf(STEP, Float32Array.of(1, 2, 3)), "range");
  assertEquals(await kindOf(STEP, Uint8Array.of(1, 2, 3)), "malformed");
  assertEquals(await kindOf({ ...STEP, rewindTo: -1 }, Float32Array.of(1, 2)), "malformed");
  assertEquals(await kindOf({ act: "dance" }), "malformed");
  assertEquals(await kindOf({ act: "logits", head: 1, rows: 1 }, Float32Array.of(1)), "type");
  assertEquals(await kindOf({ ...STEP, blocks: 2, cache: 1 }, Float32Array.of(1, 2)), "type");
  await child.writer.close();
  assertEquals(await child.exit, 0);
});

Deno.test("engine child ends a request whose caller left, and all of them when the node ends", async () => {
  const child = openChild();
  await child.send(OPEN);
  await child.send(LOAD);
  await child.next();
  await child.next();
  await child.send({
    id: 3,
    act: "openCache",
    blocks: 1,
    range: { start: 0, end: 1 },
    batch: 1,
    capacity: 9,
  });
  await child.next();
  const long = { ...STEP, tokens: 13 };
  await child.send({ id: 4, ...long }, new Float32Array(26));
  await child.send({ id: 5, ...long }, new Float32Array(26));
  await child.send({ id: 6, act: "abort", target: 4 });
  await child.send({ id: 7, act: "abort", target: 77 });
  const { reply } = await child.next();
  assertEquals([reply.id, reply.error?.kind], [4, "aborted"]);
  await child.writer.close();
  assertEquals(await child.exit, 0);
  assertEquals(child.events.filter((event) => event === "aborted").length, 2);
});

Deno.test("engine child gives a sign of life while it loads and while a step goes on", async () => {
  const child = openChild();
  const isAlive = async () => {
    await child.send({ id: 99, act: "ping" });
    assertEquals((await child.next()).reply, { id: 99 });
  };
  await isAlive();
  await child.send(OPEN);
  await child.next();
  await child.send({ ...LOAD, path: "/slow" });
  await isAlive();
  await child.send(LOAD);
  await child.next();
  const cache = { id: 3, act: "openCache", blocks: 1, range: { start: 0, end: 1 }, batch: 1, capacity: 9 };
  await child.send(cache);
  await child.next();
  await child.send({ id: 4, ...STEP, tokens: 13 }, new Float32Array(26));
  await isAlive();
  await child.writer.close();
  assertEquals(await child.exit, 0);
});

Deno.test("engine child leaves with code 1 and words when what comes is no conversation", async () => {
  for (
    const bytes of [
      encodeUtf8("GET / HTTP/1.1\r\n\r\n"),
      concatBytes(...encodeFrame({ act: "dance" })),
    ]
  ) {
    const child = openChild();
    child.writer.write(bytes).catch(() => {});
    assertEquals(await child.exit, 1);
    assert(child.complaints[0]!.startsWith("Cannot read a"), child.complaints[0]);
  }
});

/** Lets all end that ends by itself. */
const tick = () => new Promise((resolve) => setTimeout(resolve));

/** A conversation that is all there: which way each part of it was read, among what happened. */
async function readAll(frames: readonly (readonly [unknown, ...Float32Array<ArrayBuffer>[]])[]) {
  const toys = makeToys();
  const { events } = toys;
  const rest = frames.map(([header, ...parts]) => concatBytes(...encodeFrame(header, parts)));
  const read = (how: string) => (into: Uint8Array) => {
    events.push(how);
    const next = rest.shift();
    if (next === undefined) return null;
    into.set(next);
    return next.length;
  };
  const input = {
    async read(into: Uint8Array) {
      await tick();
      return read("listens")(into);
    },
    readSync: read("stands still"),
  };
  const output = { writeSync: (bytes: Uint8Array) => bytes.length };
  const slowHead = (head: TextHead): TextHead => ({
    ...head,
    async logits(hidden, rows, signal) {
      await tick();
      events.push("scored");
      return await head.logits(hidden, rows, signal);
    },
  });
  const backend: BlockBackend = {
    ...toys.backend,
    loadHead: async (model, options, signal) => slowHead(await toys.backend.loadHead(model, options, signal)),
  };
  const openModel = () => Promise.resolve(toys.model);
  await runEngineChild(input, output, { backends: () => [backend], openModel }, () => {});
  return events;
}

Deno.test("engine child stands still until something comes only when nothing is computed, nor ahead", async () => {
  const one = new Float32Array([1, 2]);
  const ids = new Float32Array(new Int32Array([4]).buffer);
  const text = {
    act: "next",
    blocks: 1,
    cache: 3,
    head: 2,
    choice: { temperature: 0, draw: 0 },
    goOnUnless: [],
  };
  const events = await readAll([
    [OPEN],
    [LOAD],
    [{ id: 3, act: "loadHead", path: "/toy", options: OPTIONS }],
    [{ id: 4, act: "openCache", blocks: 1, range: { start: 0, end: 1 }, batch: 1, capacity: 9 }],
    [{ ...STEP, id: 5, cache: 3 }, one],
    [{ ...text, id: 6 }, ids],
    [{ ...STEP, id: 7, cache: 3, tokens: 13 }, new Float32Array(26)],
    [{ ...STEP, id: 8, cache: 3 }, one],
  ]);
  const step = (tokens: number) => `step ${tokens} undefined undefined undefined`;
  assertEquals(events, [
    ...["stands still", "listens", "free model", "listens", "listens"],
    ...["listens", step(1), "stands still"],
    ...[step(1), "scored", step(1), "scored", "stands still"],
    ...[step(13), "listens", step(1), "listens", "aborted"],
  ]);
});
