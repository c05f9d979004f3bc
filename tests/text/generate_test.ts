import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { TextHead } from "../../src/compute/backend.ts";
import type { Chain } from "../../src/petals/client/chain.ts";
import {
  generate,
  type GenerateParts,
  type GenerateRequest,
  type GenerationEvent,
  type TextCodec,
} from "../../src/text/generate.ts";
import { openSwarmChain } from "../../src/petals/client/swarm_chain.ts";
import { fakeWorld } from "../support/world.ts";
import { HIDDEN, ToyBlocks, toyInput, ToySwarm } from "../petals/client/toy_swarm.ts";

const never = new AbortController().signal;
const VOCABULARY = 16;
const END = 15;

/** Embeds an id as itself; scores the token that the first value of the hidden state points at highest. */
const head: TextHead = {
  engine: "reference",
  hiddenSize: HIDDEN,
  vocabularySize: VOCABULARY,
  weightBytes: 0,
  embed: (ids) => Promise.resolve(Float32Array.from(ids.flatMap((id) => Array(HIDDEN).fill(id)))),
  logits: (hidden, rows) => {
    assertEquals([hidden.length, rows], [HIDDEN, 1]);
    const wanted = Math.floor(hidden[0]!) % VOCABULARY;
    return Promise.resolve(Float32Array.from({ length: VOCABULARY }, (_, id) => -Math.abs(id - wanted)));
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Letters from `a`; `+` after each odd one is held back until the next token. */
const tokenizer: TextCodec = {
  encode: (text) => [...text].map((letter) => letter.charCodeAt(0) - 97),
  endIds: new Set([END]),
  stream: () => {
    let held = "";
    return {
      push: (id) => {
        const text = held + String.fromCharCode(97 + id);
        held = id % 2 === 1 ? "+" : "";
        return text;
      },
      finish: () => held,
    };
  },
};

/** Blocks of this process, without an engine. */
function toyChain(): Chain {
  const blocks = new ToyBlocks({ start: 0, end: 3 });
  let position = 0;
  return {
    hops: [{ peerId: "me", blocks: { start: 0, end: 3 } }],
    get position() {
      return position;
    },
    step: (input) => {
      position += input.tokens;
      return Promise.resolve(blocks.step(input));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const parts = (more: Partial<GenerateParts> = {}): GenerateParts => ({
  head,
  tokenizer,
  contextLength: 100,
  openChain: () => Promise.resolve(toyChain()),
  ...more,
});

async function run(
  request: Partial<GenerateRequest>,
  more: Partial<GenerateParts> = {},
  world = fakeWorld(),
) {
  const whole = { prompt: "abc", maxTokens: 6, temperature: 0, ...request };
  const events = await Array.fromAsync(generate(world, parts(more), whole, never));
  const end = events.pop();
  assert(end?.kind === "end");
  const tokens = events.map((event) => {
    assert(event.kind === "token");
    return event;
  });
  return { tokens, end };
}

/** The ids that greedy generation must give, by a loop of its own. */
async function plainGreedy(prompt: readonly number[], count: number): Promise<number[]> {
  const blocks = new ToyBlocks({ start: 0, end: 3 });
  const ids: number[] = [];
  for (let feed = prompt; ids.length < count && ids.at(-1) !== END; feed = ids.slice(-1)) {
    const input = { ...toyInput(feed.length), data: await head.embed(feed, never) };
    const scores = await head.logits(blocks.step(input).data.slice(-HIDDEN), 1, never);
    ids.push(scores.indexOf(Math.max(...scores)));
  }
  return ids;
}

Deno.test("generate continues a prompt greedily, each token with the text it adds", async () => {
  const { tokens, end } = await run({});
  const ids = await plainGreedy([0, 1, 2], 6);
  assertEquals(end.tokens, ids);
  assertEquals(tokens.map(({ id }) => id), ids);
  assertEquals(tokens.map(({ text }) => text).join(""), end.text);
  assertEquals([end.promptTokens, end.newTokens, end.hops], [3, ids.length, [{
    peerId: "me",
    blocks: { start: 0, end: 3 },
  }]]);
});

Deno.test("generate stops at an end token, which is counted and adds no text", async () => {
  for (let first = 0; first < VOCABULARY; first++) {
    const { tokens, end } = await run({ prompt: [first, 3], maxTokens: 60 });
    assertEquals(end.tokens, await plainGreedy([first, 3], 60));
    if (end.tokens.at(-1) !== END) continue;
    assertEquals(end.reason, "end_token");
    assertEquals(tokens.at(-1)!.text, tokens.at(-2) === undefined || tokens.at(-2)!.id % 2 === 0 ? "" : "+");
    assertEquals(tokens.map(({ text }) => text).join(""), end.text);
    return;
  }
  throw new Error("no prompt of this test leads to the end token");
});

Deno.test("generate gives the words held back with the last token", async () => {
  const held: TextCodec = { ...tokenizer, stream: () => ({ push: () => "", finish: () => "all" }) };
  const { tokens, end } = await run({ maxTokens: 2 }, { tokenizer: held });
  assertEquals([tokens.map(({ text }) => text), end.text, end.reason], [["", "all"], "all", "length"]);
});

Deno.test("generate samples the same text for the same seed, and other texts for others", async () => {
  const texts = await Promise.all([1, 1, 2, 3, 4].map(async (seed) => {
    return (await run({ temperature: 2, seed, maxTokens: 12 })).end.tokens.join(" ");
  }));
  assertEquals(texts[0], texts[1]);
  assert(new Set(texts).size >= 3);
});

Deno.test("generate draws a seed of its own when none is given", async () => {
  const world = fakeWorld();
  const first = await run({ temperature: 3, maxTokens: 12 }, {}, world);
  const second = await run({ temperature: 3, maxTokens: 12 }, {}, world);
  assert(first.end.tokens.join() !== second.end.tokens.join());
});

Deno.test("generate stays within the model's context and opens its chain for no more than it may use", async () => {
  const asked: number[] = [];
  const openChain = (maxLength: number) => {
    asked.push(maxLength);
    return Promise.resolve(toyChain());
  };
  const { end } = await run({ prompt: [1, 2, 3], maxTokens: 60 }, { contextLength: 5, openChain });
  assert(end.newTokens <= 2);
  assertEquals(asked, [5]);
  await assertRejects(() => run({ prompt: [1, 2, 3] }, { contextLength: 3 }), NodeError, "has 3 tokens");
});

Deno.test("generate begins with the model's own first token when the prompt is empty", async () => {
  await assertRejects(() => run({ prompt: "" }), NodeError, "the prompt is empty");
  const { end } = await run({ prompt: "" }, { tokenizer: { ...tokenizer, bosId: 1 } });
  assertEquals([end.promptTokens, end.tokens], [1, await plainGreedy([1], 6)]);
});

Deno.test("generate refuses what cannot be met before it opens anything", async () => {
  const openChain = () => Promise.reject(new Error("opened"));
  for (const wrong of [{ maxTokens: 0 }, { maxTokens: 1.5 }, { temperature: -1 }, { seed: -1 }]) {
    const error = await assertRejects(() => run(wrong, { openChain }), NodeError);
    assertEquals(error.code, "usage");
  }
});

Deno.test("generate through a swarm gives the tokens of one machine, and ends the session when left early", async () => {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 3);
  const servers = [toy.add("A", 0, 2), toy.add("B", 2, 3)];
  const openChain = (maxLength: number, signal: AbortSignal) =>
    openSwarmChain(world, toy.swarm, { batch: 1, maxLength }, signal);
  const { end } = await run({}, { openChain }, world);
  assertEquals(end.tokens, await plainGreedy([0, 1, 2], 6));
  assertEquals(end.hops.map(({ peerId }) => peerId), ["A", "B"]);
  assertEquals(servers.map(({ seen }) => seen[0]!.maxLength), [9, 9]);
  assertEquals(servers.map(({ ended, open }) => [ended, open]), [[1, 0], [1, 0]]);

  const request = { prompt: "abc", maxTokens: 50, temperature: 0 };
  for await (
    const event of generate(world, parts({ openChain }), request, never) as AsyncIterable<GenerationEvent>
  ) {
    if (event.kind === "token") break;
  }
  assertEquals(servers.map(({ ended, open }) => [ended, open]), [[2, 0], [2, 0]]);
});
