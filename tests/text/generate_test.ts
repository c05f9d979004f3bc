import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import type { DraftLength, ObservedPass } from "../../src/text/draft_length.ts";
import { type Drafter, generateTokens, PROMPT_PASS, type TokenRun } from "../../src/text/generate.ts";
import { NgramDraft } from "../../src/text/ngram_draft.ts";
import { Picker } from "../../src/text/pick.ts";
import { FakeClock, settle } from "../support/world.ts";
import { drafting, END, make, nextOf, toy, VOCABULARY } from "./toy_run.ts";
import { scoresFor, ToySequence } from "./toy_sequence.ts";

const never = new AbortController().signal;

Deno.test("generateTokens without guesses makes one token a pass, and never feeds the last one", async () => {
  const sequence = toy();
  const { ids } = await make(sequence, { maxTokens: 5 });
  assertEquals(ids.length, 5);
  assertEquals(sequence.passes, [[1, 2, 3], ...ids.slice(0, -1).map((id) => [id])]);
});

Deno.test("generateTokens stops at an end token, which it tells", async () => {
  const sequence = new ToySequence((ids) => scoresFor(ids.length < 6 ? 4 : END, VOCABULARY));
  assertEquals((await make(sequence)).ids, [4, 4, 4, END]);
});

Deno.test("generateTokens takes long prompts in passes and goes on behind what the sequence holds", async () => {
  const prompt = Array.from({ length: 2 * PROMPT_PASS + 10 }, (_, i) => i % 11);
  const fresh = toy();
  const all = await make(fresh, { prompt, maxTokens: 3 });
  assertEquals(fresh.passes.slice(0, 3).map(({ length }) => length), [PROMPT_PASS, PROMPT_PASS, 10]);
  const kept = toy();
  kept.ids.push(...prompt.slice(0, 300), 7, 7, 7);
  const again = await make(kept, { prompt, held: 300, maxTokens: 3 });
  assertEquals(kept.passes[0], prompt.slice(300, 300 + PROMPT_PASS));
  assertEquals(again.ids, all.ids);
});

Deno.test("guesses, right or wrong, never change a text, greedy or sampled", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 30 }),
    fc.array(fc.array(fc.integer({ min: 0, max: 11 }), { maxLength: 8 }), { maxLength: 20 }),
    fc.constantFrom(0, 0.7, 3),
    fc.integer({ min: 1, max: 25 }),
    async (prompt, guesses, temperature, maxTokens) => {
      const sampling = { temperature };
      const plain = await make(toy(1.5), { prompt, sampling, maxTokens });
      let turn = 0;
      const wild: Drafter = { push: () => {}, guess: () => guesses[turn++] ?? [] };
      const sequence = toy(1.5);
      const guessed = await make(sequence, { prompt, sampling, maxTokens, ...drafting(wild, 8) });
      assertEquals(guessed.ids, plain.ids);
      const ngram = await make(toy(1.5), {
        prompt,
        sampling,
        maxTokens,
        ...drafting(new NgramDraft(prompt)),
      });
      assertEquals(ngram.ids, plain.ids);
    },
  ));
});

Deno.test("a text is the same where whoever has the scores chooses, greedy or sampled, guessed ahead or not", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 30 }),
    fc.constantFrom({ temperature: 0 }, { temperature: 0.7, topP: 0.9 }, {
      temperature: 3,
      topK: 4,
      minP: 0.01,
    }),
    fc.boolean(),
    async (prompt, sampling, guesses) => {
      const more = { prompt, sampling, ...(guesses ? drafting(new NgramDraft(prompt)) : {}) };
      const sequence = toy(1.5);
      const plain = await make(toy(1.5), { prompt, sampling });
      assertEquals((await make(sequence, { ...more, idsOnly: true })).ids, plain.ids);
      assert(sequence.chosen.length > 0);
    },
  ));
});

Deno.test("scores are asked for where penalties change them, and nobody goes on behind the last token", async () => {
  const penalised = toy();
  await make(penalised, { idsOnly: true, sampling: { temperature: 0, presencePenalty: 1 } });
  assertEquals(penalised.chosen, []);
  const goOn = async (more: Partial<TokenRun>) => {
    const sequence = toy();
    await make(sequence, { idsOnly: true, maxTokens: 3, ...more });
    return sequence.chosen.map(({ goOnUnless }) => goOnUnless);
  };
  assertEquals(await goOn({}), [[END], [END], undefined]);
  assertEquals(await goOn({ sharesEngine: true }), [undefined, undefined, undefined]);
});

Deno.test("right guesses save passes", async () => {
  const text = Array.from({ length: 40 }, (_, i) => [1, 2, 3, 4, 5][i % 5]!);
  const sequence = new ToySequence((ids) => scoresFor((ids.at(-1)! % 5) + 1, VOCABULARY));
  const { ids, guessed } = await make(sequence, { prompt: text, ...drafting(new NgramDraft(text)) });
  assertEquals(ids, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
  assert(guessed >= 14, `${guessed}`);
  assertEquals(sequence.passes.length, 1 + 19 - guessed + (20 - 1 - 19));
});

Deno.test("where the best two are nearly equal a pass of its own decides", async () => {
  // several positions at once lean to 2, one alone to 1
  const sequence = new ToySequence((_ids, { width }) => {
    const scores = new Float32Array(VOCABULARY).fill(-9);
    scores[1] = width === 1 ? 0.1 : 0;
    scores[2] = width === 1 ? 0 : 0.1;
    return scores;
  });
  const drafter: Drafter = { push: () => {}, guess: (count) => [2, 2, 2, 2].slice(0, count) };
  const { ids, guessed } = await make(sequence, { prompt: [5], maxTokens: 6, ...drafting(drafter) });
  assertEquals([ids, guessed], [[1, 1, 1, 1, 1, 1], 0]);
});

Deno.test("a guess that a pass of its own confirmed counts as none", async () => {
  const text = (margin: number) => new ToySequence(() => scoresFor(4, VOCABULARY, margin));
  const drafter: Drafter = { push: () => {}, guess: (count) => Array(count).fill(4) };
  const run = { prompt: [5], maxTokens: 6, ...drafting(drafter) };
  assertEquals([(await make(text(5), run)).guessed, (await make(text(0.1), run)).guessed], [4, 0]);
});

Deno.test("a sequence that cannot go back is never asked to guess", async () => {
  const sequence = toy();
  sequence.canRewind = false;
  const drafter: Drafter = {
    push: () => {},
    guess: () => {
      throw new Error("guessed");
    },
  };
  assertEquals((await make(sequence, drafting(drafter))).ids, (await make(toy())).ids);
});

Deno.test("guesses never go past the room of the sequence", async () => {
  const sequence = new ToySequence((ids) => scoresFor(nextOf(ids), VOCABULARY), 8);
  const drafter: Drafter = { push: () => {}, guess: (count) => Array(count).fill(0) };
  const { ids } = await make(sequence, { maxTokens: 5, ...drafting(drafter, 8) });
  assertEquals(ids.length, 5);
});

/** A sequence whose passes of one token end when they are let go. */
class HeldSequence extends ToySequence {
  readonly held: (() => void)[] = [];
  override async feed(...[ids, wanted, signal]: Parameters<ToySequence["feed"]>) {
    const scores = await super.feed(ids, wanted, signal);
    if (ids.length === 1) await new Promise<void>((resolve) => this.held.push(resolve));
    return scores;
  }
}

function openHeld(more: Partial<TokenRun> = {}) {
  const sequence = new HeldSequence((ids) => scoresFor(nextOf(ids), VOCABULARY));
  const picker = new Picker({ sampling: { temperature: 0 }, draw: () => 0, prompt: [1, 2, 3] });
  const run = { clock: new FakeClock(), sequence, picker, prompt: [1, 2, 3], held: 0, maxTokens: 3 };
  return { sequence, tokens: generateTokens({ ...run, endIds: new Set([END]), ...more }, never) };
}

Deno.test("generateTokens tells a token while the next pass is under way, and who leaves waits for that", async () => {
  const { sequence, tokens } = openHeld();
  await tokens.next(); // the prompt
  assertEquals((await tokens.next()).value?.kind, "token");
  assertEquals([sequence.passes.length, sequence.held.length], [2, 1]);
  let hasLeft = false;
  const leaving = tokens.return().then(() => hasLeft = true);
  await settle();
  assertEquals(hasLeft, false);
  sequence.held[0]!();
  await leaving;
  assertEquals(sequence.passes.length, 2);
});

Deno.test("generateTokens computes nothing ahead for who may stop, nor behind the last token", async () => {
  const stopping = openHeld({ mayStop: true });
  await stopping.tokens.next();
  assertEquals((await stopping.tokens.next()).value?.kind, "token");
  assertEquals(stopping.sequence.passes.length, 1);
  await stopping.tokens.return();
  assertEquals(stopping.sequence.passes.length, 1);
  const { sequence, tokens } = openHeld({ maxTokens: 1 });
  for await (const _ of tokens);
  assertEquals(sequence.passes.length, 1);
});

Deno.test("generateTokens tells a token while guesses are awaited, and sends no pass for who leaves then", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const slow: Drafter = {
    push: () => {},
    guess: (_count, signal) =>
      new Promise((_, reject) => {
        asked.resolve(signal);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  };
  const { sequence, tokens } = openHeld(drafting(slow));
  await tokens.next(); // the prompt
  assertEquals((await tokens.next()).value?.kind, "token");
  assertEquals((await asked.promise).aborted, false);
  await tokens.return();
  assertEquals([(await asked.promise).aborted, sequence.passes.length], [true, 1]);
});

Deno.test("generateTokens asks the next way to guess where one knows nothing, and none that does not pay", async () => {
  const asked: string[] = [];
  const way = (name: string, guesses: readonly number[], count = 4) =>
    drafting({ push: () => {}, guess: () => (asked.push(name), guesses) }, count).drafts[0]!;
  const drafts = [way("never", [1], 0), way("nothing", []), way("wrong", [0]), way("last", [0])];
  await make(toy(), { drafts, maxTokens: 3 });
  assertEquals(asked, ["nothing", "wrong"]);
});

Deno.test("each way to guess hears of its own guesses, the others only of the pass", async () => {
  const clock = new FakeClock();
  const heard: [string, ObservedPass][] = [];
  const way = (name: string, guess: Drafter["guess"]) => {
    const length = { next: () => 2, observe: (pass: ObservedPass) => heard.push([name, pass]) };
    return { drafter: { push: () => {}, guess }, length: length as unknown as DraftLength };
  };
  const slow = async () => {
    await clock.advance(7);
    return [10, 10];
  };
  await make(toy(), { clock, drafts: [way("quick", () => []), way("slow", slow)], maxTokens: 4 });
  const pass = { positions: 3, ms: 0 };
  assertEquals(heard.slice(0, 2), [
    ["quick", { ...pass, guessed: 0, right: 0, guessMs: 0 }],
    ["slow", { ...pass, guessed: 2, right: 0, guessMs: 7 }],
  ]);
});

Deno.test("generateTokens tells what it chose before a pass failed", async () => {
  // the third position of a pass is a near tie, and the pass of its own over it fails
  const sequence = new ToySequence((ids) => scoresFor(4, VOCABULARY, ids.length === 4 ? 0.1 : 5));
  const feed = sequence.feed.bind(sequence);
  sequence.feed = (ids, wanted, signal) =>
    ids.length === 1 ? Promise.reject(new NodeError("unreachable", "it is gone")) : feed(ids, wanted, signal);
  const drafter: Drafter = { push: () => {}, guess: (count) => [4, 4, 4, 4].slice(0, count) };
  const picker = new Picker({ sampling: { temperature: 0 }, draw: () => 0, prompt: [4, 4] });
  const run = { clock: new FakeClock(), sequence, picker, prompt: [4, 4], held: 0, maxTokens: 9 };
  const tokens: number[] = [];
  await assertRejects(
    async () => {
      for await (
        const event of generateTokens({ ...run, endIds: new Set([END]), ...drafting(drafter) }, never)
      ) {
        if (event.kind === "token") tokens.push(event.id);
      }
    },
    NodeError,
    "it is gone",
  );
  assertEquals(tokens, [4, 4]);
});

Deno.test("generateTokens throws the reason of its signal", async () => {
  const stop = new AbortController();
  const sequence = toy();
  const picker = new Picker({ sampling: { temperature: 0 }, draw: () => 0, prompt: [1] });
  const run = {
    clock: new FakeClock(),
    sequence,
    picker,
    prompt: [1],
    held: 0,
    maxTokens: 9,
    endIds: new Set<number>(),
  };
  await assertRejects(
    async () => {
      for await (const _ of generateTokens(run, stop.signal)) stop.abort(new Error("left"));
    },
    Error,
    "left",
  );
  assertEquals(sequence.passes.length, 1);
});

Deno.test("generateTokens does not go on behind what a sequence does not hold", async () => {
  const sequence = toy();
  sequence.ids.push(1, 2);
  await assertRejects(() => make(sequence, { prompt: [1, 2, 3, 4, 5], held: 4 }), RangeError, "holds 2");
});
