import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Drafter } from "../../src/text/generate.ts";
import { type DraftModel, ModelDraft, READ_PASS } from "../../src/text/model_draft.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { drafting, END, make, nextOf, toy, VOCABULARY } from "./toy_run.ts";
import { scoresFor, ToySequence } from "./toy_sequence.ts";

const never = new AbortController().signal;

/** A small model that says what `next` does, and what became of its sequence. */
function small(
  next: (ids: readonly number[]) => number = nextOf,
  { prompt = [1, 2, 3] as readonly number[], sequence = smallSequence(next), held = 0 } = {},
) {
  const world = fakeWorld();
  const released: (readonly number[] | undefined)[] = [];
  const lent: (readonly number[])[] = [];
  const lease = {
    sequence,
    held,
    release: (ids?: readonly number[]) => Promise.resolve(void released.push(ids)),
  };
  const model: DraftModel = {
    lend: (ids) => {
      lent.push(ids);
      return Promise.resolve(lease);
    },
  };
  const draft = new ModelDraft({ log: world.log, model, prompt, room: 100, endIds: new Set([END]) });
  return { draft, sequence, released, lent, lines: world.lines };
}

const smallSequence = (next: (ids: readonly number[]) => number, capacity = 1000) =>
  new ToySequence((ids) => scoresFor(next(ids), VOCABULARY), capacity);

/** What `next` says behind `ids`. */
function follow(ids: readonly number[], count: number, next = nextOf): number[] {
  const line = [...ids];
  while (line.length < ids.length + count) line.push(next(line));
  return line.slice(ids.length);
}

/** The prompt read, as far as it is without a guess. */
async function begin(drafter: Drafter) {
  assertEquals(await drafter.guess(1, never), []);
  await settle();
}

Deno.test("a small model is opened with the first guess, and reads while others compute", async () => {
  const prompt = Array.from({ length: 2 * READ_PASS + 9 }, (_, i) => i % 11);
  const { draft, sequence, lent } = small(nextOf, { prompt });
  await settle();
  assertEquals(lent, []);
  await begin(draft);
  assertEquals(lent, [prompt]);
  assertEquals(sequence.passes.map(({ length }) => length), [READ_PASS, READ_PASS, 8]);
  assertEquals(await draft.guess(3, never), follow(prompt, 3));
});

Deno.test("a small model goes back to what was right, and takes nothing in twice", async () => {
  const { draft, sequence } = small();
  await begin(draft);
  const [a, b, c] = await draft.guess(3, never) as [number, number, number];
  assertEquals([a, b, c], follow([1, 2, 3], 3));
  assertEquals(sequence.passes, [[1, 2], [3], [a], [b]]);
  draft.push(a);
  // what was guessed behind it still stands
  assertEquals(await draft.guess(2, never), [b, c]);
  assertEquals(sequence.passes.length, 4);
  const wrong = (b + 1) % 11;
  draft.push(wrong);
  assertEquals(await draft.guess(2, never), follow([1, 2, 3, a, wrong], 2));
  assertEquals(sequence.passes[4], [wrong]);
  assertEquals(sequence.ids.slice(0, 5), [1, 2, 3, a, wrong]);
});

Deno.test("a small model reads on in the background where others guessed for long", async () => {
  const { draft, sequence } = small();
  await begin(draft);
  const more = Array.from({ length: 40 }, (_, i) => i % 11);
  for (const id of more) draft.push(id);
  await begin(draft);
  assertEquals(sequence.passes.slice(1).map(({ length }) => length), [READ_PASS, 40 - READ_PASS]);
  assertEquals(await draft.guess(2, never), follow([1, 2, 3, ...more], 2));
});

Deno.test("a small model goes on in a sequence that holds the beginning, and leaves it with what it holds", async () => {
  const sequence = smallSequence(nextOf);
  sequence.ids.push(1, 2, 9, 9, 9);
  const { draft, released } = small(nextOf, { prompt: [1, 2, 3, 4, 5], sequence, held: 2 });
  await begin(draft);
  assertEquals(sequence.passes, [[3, 4]]);
  const guesses = await draft.guess(2, never);
  await draft[Symbol.asyncDispose]();
  assertEquals(released, [[1, 2, 3, 4, 5, guesses[0]!]]);
  assertEquals(sequence.ids, released[0]);
});

Deno.test("a small model's right guesses save passes", async () => {
  const { draft } = small();
  const sequence = toy();
  const { ids, guessed } = await make(sequence, { ...drafting(draft), maxTokens: 40 });
  assertEquals(ids, (await make(toy(), { maxTokens: 40 })).ids);
  assert(guessed >= 24, `${guessed}`);
  assertEquals(sequence.passes.length, 40 - guessed);
  await draft[Symbol.asyncDispose]();
});

Deno.test("a small model, right or wrong, failing or not, never changes a text, greedy or sampled", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 30 }),
    fc.array(fc.boolean(), { minLength: 1, maxLength: 9 }),
    fc.constantFrom(0, 0.7, 3),
    fc.integer({ min: 1, max: 25 }),
    fc.integer({ min: 1, max: 60 }),
    async (prompt, luck, temperature, maxTokens, passesToFailure) => {
      const how = { prompt, sampling: { temperature }, maxTokens };
      const plain = await make(toy(1.5), how);
      const next = (ids: readonly number[]) =>
        luck[ids.length % luck.length] ? nextOf(ids) : (nextOf(ids) + 5) % VOCABULARY;
      const sequence = smallSequence(next, 40);
      const feed = sequence.feed.bind(sequence);
      sequence.feed = (...call) =>
        sequence.passes.length < passesToFailure ? feed(...call) : Promise.reject(new Error("died"));
      const { draft, released } = small(next, { prompt, sequence });
      const guessed = await make(toy(1.5), { ...how, ...drafting(draft, 8) });
      await draft[Symbol.asyncDispose]();
      assertEquals(guessed.ids, plain.ids);
      const [held] = released;
      if (held !== undefined) assertEquals(sequence.ids.slice(0, held.length), held);
    },
  ));
});

Deno.test("a small model that fails guesses no more for the text, and its sequence is of no more use", async () => {
  const { draft, sequence, released, lent, lines } = small();
  await begin(draft);
  const right = follow([1, 2, 3], 4);
  sequence.feed =
    ((feed) => (...call: Parameters<ToySequence["feed"]>) =>
      sequence.passes.length < 3 ? feed(...call) : Promise.reject(new Error("it died")))(
        sequence.feed.bind(sequence),
      );
  assertEquals(await draft.guess(4, never), right.slice(0, 2)); // those before it died
  assertEquals([released, await draft.guess(4, never), lent.length], [[undefined], [], 1]);
  assert(lines.some((line) => line.startsWith("debug") && line.includes("it died")), `${lines}`);
  await draft[Symbol.asyncDispose]();
  assertEquals(released.length, 1);
});

Deno.test("a small model that cannot be opened, or has no room, is asked once a text", async () => {
  const world = fakeWorld();
  for (const answer of [() => Promise.reject(new Error("no memory")), () => Promise.resolve(undefined)]) {
    let asked = 0;
    const model = { lend: () => (asked++, answer()) };
    await using draft = new ModelDraft({ log: world.log, model, prompt: [1], room: 9, endIds: new Set() });
    await begin(draft);
    await begin(draft);
    assertEquals(asked, 1);
  }
});

Deno.test("a small model guesses within its room, and nothing behind the end", async () => {
  const full = small(nextOf, { sequence: smallSequence(nextOf, 5) });
  await begin(full.draft);
  const guesses = await full.draft.guess(8, never);
  assertEquals(guesses, follow([1, 2, 3], 3));
  for (const id of guesses) full.draft.push(id);
  assertEquals(await full.draft.guess(8, never), []);
  const ending = small((ids) => ids.length < 5 ? 4 : END);
  await begin(ending.draft);
  assertEquals(await ending.draft.guess(8, never), [4, 4, END]);
});

Deno.test("a guess ends with its signal, and reading with the text", async () => {
  const { draft, sequence, released } = small();
  await begin(draft);
  const leaves = new AbortController();
  sequence.feed = (_ids, _wanted, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  const guess = draft.guess(2, leaves.signal);
  leaves.abort(new Error("left"));
  await assertRejects(async () => await guess, Error, "left");
  for (let i = 0; i < 30; i++) draft.push(1);
  await begin(draft); // reads, for ever
  await draft[Symbol.asyncDispose]();
  assertEquals(released, [[1, 2]]);
});
