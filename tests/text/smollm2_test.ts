/** A real model answers through all rooms of text: reuse, guesses and one call a pass change nothing of an answer. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { LoadOptions } from "../../src/compute/backend.ts";
import { type ChatTemplate, openChatTemplate } from "../../src/model/chat_template.ts";
import { openModel } from "../../src/model/open_model.ts";
import { rawVocabulary } from "../../src/model/raw_vocabulary.ts";
import { openTokenizer } from "../../src/model/tokenizer.ts";
import { modelCard } from "../../src/node/model_card.ts";
import { planChat } from "../../src/node/plan_chat.ts";
import { readFinalNorm } from "../../src/text/embed.ts";
import { Gate } from "../../src/text/gate.ts";
import { markIds } from "../../src/text/tools/call_marks.ts";
import { openForms } from "../../src/text/forms/grammar.ts";
import type { DraftModel } from "../../src/text/model_draft.ts";
import type { Sequence } from "../../src/text/sequence.ts";
import { openSoloSequence } from "../../src/text/solo_sequence.ts";
import { roomFor, Sequences } from "../../src/text/sequences.ts";
import { textModel } from "../../src/text/text_model.ts";
import type { Prompt, TextModel, TextRequest } from "../../src/text/types.ts";
import { partOf } from "../../src/text/wrong_part.ts";
import { ggml, noGgml } from "../support/native_ggml.ts";
import { fakeWorld } from "../support/world.ts";

const signal = new AbortController().signal;
const PATH = Deno.env.get("KWAAI_SMOLLM2");
const leftOut = PATH === undefined ? "KWAAI_SMOLLM2 names no SmolLM2-135M GGUF file" : noGgml;
const LOAD: LoadOptions = { dtype: "auto", threads: 2 };

interface Scene {
  readonly sequences: Sequences;
  /** The same model, with another one's guesses. */
  readonly guided: (by: DraftModel) => TextModel;
  /** Further sequences over the same blocks. */
  readonly open: (room: number) => Promise<Sequence>;
}

function modelTest(name: string, fn: (model: TextModel, scene: Scene) => Promise<void>): void {
  Deno.test({
    name: `SmolLM2 ${name}${leftOut ? ` (left out: ${leftOut})` : ""}`,
    ignore: leftOut !== undefined,
    fn: async () => {
      await using model = await openModel(PATH!, signal);
      const files = (await model.tokenizer(signal))!;
      const { blocks: count, normEpsilon: epsilon } = model.architecture;
      await using head = await ggml.loadHead(model, LOAD, signal);
      await using blocks = await ggml.load(model, { start: 0, end: count }, LOAD, signal);
      const world = fakeWorld();
      const open = (room: number) =>
        openSoloSequence(
          world,
          { self: "me", blocks: () => blocks, count, lent: { value: head, [Symbol.dispose]: () => {} } },
          room,
          signal,
        );
      await using sequences = new Sequences(world, open);
      const tokenizer = openTokenizer(files);
      await using forms = openForms(world, () => ({
        vocabulary: rawVocabulary(files),
        endIds: tokenizer.endIds,
        vocabularySize: head.vocabularySize,
        marks: markIds(tokenizer),
      }));
      const parts = {
        card: await modelCard(model, files, "solo"),
        vocabularySize: head.vocabularySize,
        tokenizer,
        template: openChatTemplate(files),
        sequences,
        gate: new Gate({ places: 2, queue: 0 }),
        isFar: () => true,
        finalNorm: async () => ({ scale: await readFinalNorm(model, signal), epsilon }),
        planChat: (template: ChatTemplate, prompt: Prompt & { kind: "chat" }) =>
          planChat(world, template, prompt),
        constrain: forms.constrain.bind(forms),
      };
      const guided = (draftModel: DraftModel) => textModel(world, { ...parts, draftModel });
      await fn(textModel(world, parts), { sequences, guided, open });
    },
  });
}

async function say(model: TextModel, request: Partial<TextRequest>) {
  const whole: TextRequest = { prompt: { kind: "text", text: "" }, sampling: { temperature: 0 }, ...request };
  let text = "";
  for await (const event of model.answer(whole, signal)) {
    if (event.kind === "text") text += event.text;
    if (event.kind === "end") return { text, ...event };
  }
  throw new Error("no end");
}

const chat = (...turns: string[]): TextRequest["prompt"] => ({
  kind: "chat",
  messages: turns.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content })),
});

modelTest("answers a conversation that goes on as one that begins anew", async (model, { sequences }) => {
  const first = await say(model, { prompt: chat("Name a city in France."), maxTokens: 40 });
  assertEquals(first.usage.newTokens, 40);
  const second = chat("Name a city in France.", first.text, "And one in Italy?");
  const again = await say(model, { prompt: second, maxTokens: 30 });
  assert(again.usage.cachedTokens > 30, `${again.usage.cachedTokens}`);
  await sequences.clear();
  const anew = await say(model, { prompt: second, maxTokens: 30 });
  assertEquals([anew.usage.cachedTokens, anew.text], [0, again.text]);
});

modelTest("guesses ahead where it repeats itself, and says the same", async (model) => {
  const list = "red green blue red green blue red green blue red green blue red";
  const { usage, text } = await say(model, { prompt: { kind: "text", text: list }, maxTokens: 24 });
  // as llama.cpp (node-llama-cpp 3.22.1) has it
  assertEquals(text, " green blue" + " green".repeat(22));
  assert(usage.guessed >= 6, `${usage.guessed}`);
  assertEquals(usage.passes + usage.guessed, 24);
});

modelTest(
  "guesses for itself where nothing repeats, and says the same in fewer passes",
  async (model, scene) => {
    const story = { kind: "text" as const, text: "Once upon a time there was a lighthouse keeper who" };
    const alone = await say(model, { prompt: story, maxTokens: 40 });
    await scene.sequences.clear();
    const drafts = new Sequences(fakeWorld(), scene.open);
    const guided = scene.guided({ lend: (ids, room) => drafts.lend(ids, roomFor(room, 2048), signal) });
    const together = await say(guided, { prompt: story, maxTokens: 40 });
    assertEquals([together.text, together.ids], [alone.text, alone.ids]);
    assert(
      together.usage.passes < 0.7 * alone.usage.passes,
      `${together.usage.passes} ${alone.usage.passes}`,
    );
    assertEquals(drafts.size, 1); // for what goes on from here
    const sampling = { temperature: 0.8, topK: 40 };
    const drawn = await say(model, { prompt: story, maxTokens: 24, sampling, seed: 7 });
    const drawnTogether = await say(guided, { prompt: story, maxTokens: 24, sampling, seed: 7 });
    assertEquals(drawnTogether.ids, drawn.ids);
    await drafts[Symbol.asyncDispose]();
  },
);

modelTest("embeds texts of one meaning near each other", async (model) => {
  const [cat, kitten, tax] = await model.embed([
    "A cat sleeps on the sofa.",
    "A kitten is sleeping on the couch.",
    "The annual tax report is due in April.",
  ], signal);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  assertEquals(cat!.vector.length, 576);
  assertAlmostEquals(dot(cat!.vector, cat!.vector), 1, 1e-5);
  assert(dot(cat!.vector, kitten!.vector) > dot(cat!.vector, tax!.vector) + 0.02);
});

modelTest("refuses a bias for what is no token", async (model) => {
  const request = { prompt: { kind: "text", text: "The capital of France is" }, maxTokens: 1 } as const;
  const biased = (id: number) =>
    Array.fromAsync(
      model.answer({ ...request, sampling: { temperature: 0, bias: new Map([[id, 100]]) } }, signal),
    );
  assertEquals((await biased(49_151)).at(-1)?.kind, "end");
  const error = await assertRejects(() => biased(49_152), NodeError, "wanted 0 to 49151");
  assertEquals(partOf(error), "bias");
});

modelTest("scores prompt and answer alike", async (model) => {
  const text = "The capital of France is Paris";
  const scores: (number | null)[] = [];
  const request: TextRequest = {
    prompt: { kind: "text", text },
    sampling: { temperature: 0 },
    maxTokens: 1,
    topLogprobs: 2,
    scorePrompt: true,
  };
  for await (const event of model.answer(request, signal)) {
    if (event.kind === "prompt_scores") scores.push(...event.tokens.map(({ logprob }) => logprob));
  }
  assertEquals([scores.length, scores[0]], [6, null]);
  const events = await Array.fromAsync(model.answer({
    ...request,
    prompt: { kind: "text", text: "The capital of France is" },
    scorePrompt: false,
  }, signal));
  const told = events.find((event) => event.kind === "text")!;
  assert(told.kind === "text");
  assertEquals(told.tokens[0]!.text, " Paris");
  assertAlmostEquals(told.tokens[0]!.logprob!, scores.at(-1)!, 0.05);
});

modelTest("keeps a schema, guesses ahead or not, and ends when it is complete", async (model) => {
  const schema = {
    type: "object",
    properties: { city: { type: "string" }, country: { enum: ["France", "Italy"] } },
    required: ["city", "country"],
  };
  const { text, reason } = await say(model, {
    prompt: chat("Name a city in France, as JSON."),
    form: { kind: "schema", schema },
    maxTokens: 200,
  });
  assertEquals([Object.keys(JSON.parse(text)), reason], [["city", "country"], "end"]);
});

modelTest("calls a tool that it has to call", async (model) => {
  const tool = { name: "weather", parameters: { type: "object", properties: { days: { type: "integer" } } } };
  const request: Partial<TextRequest> = {
    prompt: {
      kind: "chat",
      messages: [{ role: "user", content: "How will the weather be tomorrow?" }],
      tools: [tool],
      toolChoice: "required",
    },
    maxTokens: 200,
    sampling: { temperature: 0 },
  };
  const told = [];
  for await (const event of model.answer(request as TextRequest, signal)) told.push(event);
  const calls = told.find((event) => event.kind === "tool_calls")?.calls ?? [];
  assertEquals(calls.map(({ name }) => name), ["weather"]);
  assertEquals(typeof JSON.parse(calls[0]!.arguments), "object");
  assertEquals(told.filter(({ kind }) => kind === "text"), []);
  assertEquals(told.find((event) => event.kind === "end")?.reason, "tool_calls");
});
