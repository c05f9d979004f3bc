import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { createReferenceBackend } from "../../src/compute/reference.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { openModel } from "../../src/model/open_model.ts";
import { Account } from "../../src/node/account.ts";
import type { Engine } from "../../src/node/engine.ts";
import { draftSource, openDraft } from "../../src/node/open_draft.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { TINY, type TinyGgufOptions, writeTinyGguf } from "../support/tiny_model.ts";
import { TINY_VOCABULARY, tinyTokenizerTables } from "../support/tiny_tokenizer.ts";
import { fakeWorld } from "../support/world.ts";

const signal = new AbortController().signal;
const OPTIONS = { dtype: "auto", threads: 1 } as const;
const MINUTE = 60_000;
const SIZES = { ...TINY, vocab: TINY_VOCABULARY, blocks: 1, context: 64 };

/** A small model that differs from the asked one as `options` say, over an engine whose loads are counted. */
async function scene(
  options: TinyGgufOptions = {},
  { requireRoom = () => {}, more = 0 }: { requireRoom?: () => void; more?: number } = {},
) {
  const rooms = new AsyncDisposableStack();
  const folder = rooms.use(await temporaryFolder());
  const [small, large] = [`${folder.path}/small.gguf`, `${folder.path}/large.gguf`];
  await writeTinyGguf(small, { ...SIZES, ...options });
  await writeTinyGguf(large, { ...SIZES, blocks: 2, vocab: SIZES.vocab + more });
  const asked = rooms.use(await openModel(large, signal));
  const backend = createReferenceBackend({ availableBytes: () => 1e9, pause: () => Promise.resolve() });
  const counts = { opened: 0, loaded: 0, freed: 0 };
  const engine: Engine = {
    name: "reference",
    reason: "asked for",
    load: async (model, range, signal) => {
      const blocks = await backend.load(model, range, OPTIONS, signal);
      counts.loaded++;
      const free = blocks[Symbol.asyncDispose].bind(blocks);
      return Object.assign(blocks, { [Symbol.asyncDispose]: () => (counts.freed++, free()) });
    },
    loadHead: (model, signal) => backend.loadHead(model, OPTIONS, signal),
    death: () => new Promise(() => {}),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const world = fakeWorld();
  const account = new Account({ self: "me" });
  const draft = rooms.use(openDraft(world, {
    source: { name: "small", open: (signal) => (counts.opened++, openModel(small, signal)), requireRoom },
    engine,
    asked: {
      id: asked.id,
      vocabularySize: asked.architecture.vocabularySize,
      files: (await asked.tokenizer(signal))!,
    },
    self: "me",
    observer: account,
  }));
  const warnings = () => world.lines.filter((line) => line.startsWith("warn"));
  return { world, draft, counts, account, warnings, [Symbol.asyncDispose]: () => rooms.disposeAsync() };
}

Deno.test("the draft model is loaded when it is wanted, entered into the books, and freed when idle", async () => {
  await using test = await scene();
  assertEquals(test.counts, { opened: 0, loaded: 0, freed: 0 });
  const ids = Array.from({ length: 20 }, (_, i) => i + 3);
  const lease = (await test.draft.lend(ids, 40, signal))!;
  assertEquals([lease.held, lease.sequence.capacity, test.counts.loaded], [0, 64, 1]);
  await lease.sequence.feed(ids, { scored: 1, best: 1 }, signal);
  assertEquals([test.account.totals.tokens, test.account.totals.steps], [20, 1]);
  await lease.release(ids);
  const again = (await test.draft.lend([...ids, 9], 40, signal))!;
  assertEquals([again.held, test.counts.loaded], [20, 1]);
  await test.world.clock.advance(20 * MINUTE);
  assertEquals(test.counts.freed, 0);
  await again.release();
  await test.world.clock.advance(10 * MINUTE);
  assertEquals(test.counts.freed, 1);
});

Deno.test("texts that the draft model has no room for are left to others", async () => {
  await using test = await scene();
  assertEquals(await test.draft.lend(Array(64).fill(5), 100, signal), undefined);
  const lease = await test.draft.lend(Array(63).fill(5), 100, signal);
  assertEquals(lease?.sequence.capacity, 64);
  await lease!.release();
});

const { tokens } = tinyTokenizerTables(TINY_VOCABULARY);
const swapped = tokens.with(70, tokens[71]!).with(71, tokens[70]!);
for (
  const [what, options, words] of [
    ["more tokens", { vocab: TINY_VOCABULARY + 1 }, `${TINY_VOCABULARY + 1} tokens instead of`],
    [
      "other tokens",
      { metadata: { "tokenizer.ggml.tokens": { type: "strings", value: swapped } } },
      "its token 70 is",
    ],
  ] as const
) {
  Deno.test(`a draft model with ${what} is not used, and the cure is told once`, async () => {
    await using test = await scene(options);
    const error = await assertRejects(() => test.draft.lend([5, 6], 9, signal), NodeError, words);
    assertEquals(error.code, "unsupported");
    await test.world.clock.advance(1000 * MINUTE);
    assertEquals(await test.draft.lend([5, 6], 9, signal), undefined);
    assertEquals([test.counts.opened, test.counts.loaded, test.warnings().length], [1, 0, 1]);
    assert(test.warnings()[0]!.includes("set text.draft_model to"), test.warnings()[0]);
  });
}

Deno.test("a draft model may lack the rows that pad a larger model's vocabulary, and no more", async () => {
  await using padded = await scene({}, { more: 128 });
  const lease = (await padded.draft.lend([5, 6], 9, signal))!;
  assertEquals(padded.warnings(), []);
  await lease.release();
  await using larger = await scene({}, { more: 129 });
  await assertRejects(() => larger.draft.lend([5, 6], 9, signal), NodeError, "tokens instead of");
});

Deno.test("a draft model without room is not used, and tried again ten minutes later", async () => {
  let isFull = true;
  const requireRoom = () => {
    if (isFull) throw new NodeError("no_memory", "Cannot load 1 blocks of small: 5 MB are free");
  };
  await using test = await scene({}, { requireRoom });
  await assertRejects(() => test.draft.lend([5, 6], 9, signal), NodeError, "5 MB are free");
  isFull = false;
  await test.world.clock.advance(9 * MINUTE);
  assertEquals(await test.draft.lend([5, 6], 9, signal), undefined);
  assertEquals([test.counts.loaded, test.warnings().length], [0, 1]);
  await test.world.clock.advance(MINUTE);
  const lease = await test.draft.lend([5, 6], 9, signal);
  assertEquals([test.counts.loaded, test.warnings().length], [1, 1]);
  await lease!.release();
});

Deno.test("the settings name the draft model, and guesses that are off need none", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/small.gguf`;
  await writeTinyGguf(path, SIZES);
  const sourceOf = (...sets: string[]) => {
    const { config } = loadConfig({
      flags: new Map(),
      sets,
      environment: {},
      file: undefined,
      target: undefined,
    });
    return draftSource(fakeWorld(), { config, paths: dataPaths(folder.path), environment: {} });
  };
  assertEquals(sourceOf(), undefined);
  assertEquals(sourceOf(`text.draft_model=${path}`, "text.draft_tokens=0"), undefined);
  const source = sourceOf(`text.draft_model=${path}`)!;
  await using model = await source.open(signal);
  assertEquals([source.name, model.id], [path, "small"]);
  source.requireRoom(model);
  const tight = sourceOf(`text.draft_model=${path}`, `compute.reserve_bytes=${2 ** 40}`)!;
  await assertRejects(async () => tight.requireRoom(await Promise.resolve(model)), NodeError, "are reserved");
  await assertRejects(() => sourceOf("text.draft_model=nowhere")!.open(signal), NodeError, "nowhere");
});
