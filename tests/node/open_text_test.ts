import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { LoadedBlocks } from "../../src/compute/backend.ts";
import { createReferenceBackend } from "../../src/compute/reference.ts";
import { openModel } from "../../src/model/open_model.ts";
import type { Engine } from "../../src/node/engine.ts";
import { openText, type TextBase } from "../../src/node/open_text.ts";
import type { TextModel, TextRequest } from "../../src/text/types.ts";
import { ToySwarm } from "../petals/client/toy_swarm.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { TINY, writeTinyGguf } from "../support/tiny_model.ts";
import { TINY_VOCABULARY } from "../support/tiny_tokenizer.ts";
import { fakeWorld, settle } from "../support/world.ts";

const signal = new AbortController().signal;
const OPTIONS = { dtype: "auto", threads: 1 } as const;

/** A tiny model on the reference engine, answering in a swarm where nobody else is. */
async function scene({ isLoaded = true, failing = false, draft = false } = {}) {
  const rooms = new AsyncDisposableStack();
  const folder = rooms.use(await temporaryFolder());
  const path = `${folder.path}/tiny.gguf`;
  await writeTinyGguf(path, { ...TINY, vocab: TINY_VOCABULARY, blocks: 2, context: 1024 });
  const model = rooms.use(await openModel(path, signal));
  const tokenizer = model.tokenizer.bind(model);
  let reads = 0;
  Object.assign(model, {
    tokenizer: (signal: AbortSignal) => {
      reads++;
      return tokenizer(signal);
    },
  });
  const backend = createReferenceBackend({ availableBytes: () => 1e9, pause: () => Promise.resolve() });
  const blocks = rooms.use(await backend.load(model, { start: 0, end: 2 }, OPTIONS, signal));
  let heads = 0;
  const loadedHere = Promise.withResolvers<void>();
  const engine: Engine = {
    name: "reference",
    reason: "asked for",
    load: async (model, range, signal) => {
      const blocks = await backend.load(model, range, OPTIONS, signal);
      loadedHere.resolve();
      return blocks;
    },
    loadHead: async (model, signal) => {
      const head = await backend.loadHead(model, OPTIONS, signal);
      heads++;
      const free = head[Symbol.asyncDispose].bind(head);
      return Object.assign(head, {
        [Symbol.asyncDispose]: () => {
          heads--;
          return free();
        },
      });
    },
    death: () => new Promise(() => {}),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const world = fakeWorld();
  const toy = new ToySwarm(world, 2);
  const source = {
    name: path,
    open: (signal: AbortSignal) => openModel(path, signal),
    requireRoom: () => {},
  };
  const base: TextBase = { model, prefix: "tiny", engine, draft: draft ? source : undefined };
  const state: { rests: string | undefined } = { rests: undefined };
  let loaded: LoadedBlocks | undefined = isLoaded ? blocks : undefined;
  const text = rooms.use(openText(world, {
    rpc: toy.client,
    dht: toy.dht,
    base: () =>
      failing ? Promise.reject(new NodeError("not_found", "Cannot answer: no model")) : Promise.resolve(base),
    loaded: () => loaded,
    rests: () => state.rests,
    limits: { places: 1, queue: 0 },
  }));
  return {
    world,
    text,
    heads: () => heads,
    /** Resolves when the engine was asked for blocks and has them. */
    loadedHere: loadedHere.promise,
    reads: () => reads,
    unload: () => loaded = undefined,
    rest: (why: string | undefined) => state.rests = why,
    [Symbol.asyncDispose]: () => rooms.disposeAsync(),
  };
}

const requestFor = (text: string, maxTokens: number, temperature: number): TextRequest => ({
  prompt: { kind: "text", text },
  maxTokens,
  sampling: { temperature },
  seed: 1,
});

async function say(model: TextModel, text: string, maxTokens = 3, temperature = 0) {
  const events = await Array.fromAsync(model.answer(requestFor(text, maxTokens, temperature), signal));
  const end = events.at(-1)!;
  assert(end.kind === "end");
  return end;
}

Deno.test("the node's model answers alone where all its blocks are here, by its id with and without :latest", async () => {
  await using test = await scene();
  const model = await test.text.open("tiny:latest", signal);
  assertEquals(await test.text.open("tiny", signal), model);
  const end = await say(model, "and the");
  assertEquals([end.usage.newTokens + (end.reason === "end" ? 1 : 0), end.usage.hops], [3, [{
    peerId: "client",
    blocks: { start: 0, end: 2 },
  }]]);
  assertEquals((await test.text.list()).map(({ id, runs, chats, blocks }) => [id, runs, chats, blocks]), [
    ["tiny", "solo", true, 2],
  ]);
  assertEquals(model.card.runs, "solo");
  const error = await assertRejects(() => test.text.open("other", signal), NodeError, "wanted tiny");
  assertEquals(error.code, "not_found");
});

Deno.test("blocks that nobody serves make the model unreachable, not unknown", async () => {
  await using test = await scene({ isLoaded: false });
  const model = await test.text.open(undefined, signal);
  assertEquals((await test.text.list())[0]!.runs, "swarm");
  const error = await assertRejects(() => say(model, "and"), NodeError, "served by nobody");
  assertEquals(error.code, "unreachable");
  assertEquals(test.text.load, { running: 0, waiting: 0 });
});

Deno.test("the output matrix is in memory only while somebody asks", async () => {
  await using test = await scene();
  const model = await test.text.open(undefined, signal);
  assertEquals(test.heads(), 0);
  await say(model, "and the and the and the and the");
  assertEquals(test.heads(), 1);
  await test.world.clock.advance(16 * 60_000);
  assertEquals(test.heads(), 0);
  await say(model, "and the");
  assertEquals(test.heads(), 1);
});

Deno.test("whoever finds all places taken is told so, and an answer that is left frees its place", async () => {
  await using test = await scene();
  const model = await test.text.open(undefined, signal);
  const first = model.answer(requestFor("and", 50, 1), signal);
  await first.next();
  assertEquals(test.text.load.running, 1);
  const error = await assertRejects(() => say(model, "and"), NodeError, "being answered");
  assertEquals(error.code, "busy");
  await first.return();
  assertEquals(test.text.load.running, 0);
  await say(model, "and");
});

Deno.test("a machine that rests answers nobody with its own blocks and says why, finishes what it began, and goes on after", async () => {
  await using test = await scene();
  const model = await test.text.open(undefined, signal);
  const begun = model.answer(requestFor("and", 6, 1), signal);
  await begun.next();
  test.rest("84 °C on cpu-thermal, resumes at 70 °C");
  const rest = await Array.fromAsync(begun);
  assertEquals(rest.at(-1)?.kind, "end");
  for (const ask of [() => say(model, "and"), () => model.embed(["and"], signal)]) {
    const error = await assertRejects(
      ask,
      NodeError,
      "this machine rests: 84 °C on cpu-thermal, resumes at 70 °C",
    );
    assertEquals(error.code, "unreachable");
  }
  assertEquals(test.text.load, { running: 0, waiting: 0 });
  test.rest(undefined);
  await say(model, "and");
});

Deno.test("a node without a model says so to whoever asks", async () => {
  await using test = await scene({ failing: true });
  assertEquals(await test.text.list(), []);
  await assertRejects(() => test.text.open(undefined, signal), NodeError, "no model");
});

Deno.test("a prompt that was left half read is no wrong beginning for the next request", async () => {
  await using test = await scene();
  const model = await test.text.open(undefined, signal);
  const prompt = { kind: "text" as const, text: "and the is an all er on in ".repeat(40) };
  const request = { prompt, maxTokens: 4, sampling: { temperature: 0 } };
  const left = model.answer(request, signal);
  const first = await left.next();
  assert(first.value?.kind === "prompt" && first.value.done < first.value.total, JSON.stringify(first));
  await left.return();
  const again = await Array.fromAsync(model.answer(request, signal));
  await using other = await scene();
  const anew = await Array.fromAsync((await other.text.open(undefined, signal)).answer(request, signal));
  const ids = (events: typeof anew) => events.flatMap((event) => event.kind === "end" ? event.ids ?? [] : []);
  assertEquals(ids(again), ids(anew));
  const end = again.at(-1)!;
  assert(end.kind === "end" && end.usage.cachedTokens === first.value.done);
});

Deno.test("a model is read for its card when somebody asks, not at the start, and once", async () => {
  await using test = await scene();
  assertEquals(test.reads(), 0);
  await Promise.all([test.text.list(), test.text.list()]);
  assertEquals(test.reads(), 1);
  await test.text.open(undefined, signal);
  await test.text.list();
  assertEquals(test.reads(), 2);
});

Deno.test("a draft model guesses for the node's model, and is freed with what else nobody uses", async () => {
  await using alone = await scene();
  await using guided = await scene({ draft: true });
  const text = "nothing that this prompt says comes again";
  const [one, other] = [await alone.text.open(undefined, signal), await guided.text.open(undefined, signal)];
  // nearly the best token each time, for the best ones of random weights are nearly equal
  const { ids, usage: { passes } } = await say(one, text, 40, 1e-3);
  assertEquals((await say(other, text, 40, 1e-3)).ids, ids); // while the draft model is loaded
  await guided.loadedHere;
  // it reads while passes are under way, and may be late on a busy machine: then with the next answer
  let least = passes;
  for (let answer = 0; answer < 20 && least >= 0.7 * passes; answer++) {
    await settle();
    const end = await say(other, text, 40, 1e-3);
    assertEquals(end.ids, ids);
    least = Math.min(least, end.usage.passes);
  }
  assert(least < 0.7 * passes, `${least} of ${passes}`);
  assertEquals([alone.heads(), guided.heads()], [1, 2]);
  await guided.world.clock.advance(16 * 60_000);
  assertEquals(guided.heads(), 0);
});
