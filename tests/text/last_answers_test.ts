import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { LastAnswers } from "../../src/text/last_answers.ts";
import type { TextModel, TextRequest } from "../../src/text/types.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { ToyModels } from "./toy_model.ts";

const never = new AbortController().signal;
const REQUEST: TextRequest = { prompt: { kind: "text", text: "Hello" }, sampling: { temperature: 0 } };
const WORDS = "Cannot answer: the node is stopping";

/** A guarded toy that makes a word each time it is told to. */
async function scene() {
  const world = fakeWorld();
  const toy = new ToyModels();
  const steps: (() => void)[] = [];
  toy.pause = (signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      steps.push(resolve);
      signal.addEventListener("abort", () => reject(new RangeError("the cache is closed")));
    });
  const answers = new LastAnswers(world);
  const model: TextModel = answers.guard(await toy.open(undefined));
  const step = async () => {
    steps.shift()!();
    await settle();
  };
  return { world, answers, model, step };
}

Deno.test("an answer that has begun may come to its end while the node stops, and nobody is let in any more", async () => {
  const { answers, model, step } = await scene();
  const whole = Array.fromAsync(model.answer(REQUEST, never));
  await settle();
  await step();
  let isOver = false;
  const left = answers.leave().then(() => isOver = true);
  await settle();
  assertEquals(isOver, false);
  const late = await assertRejects(() => Array.fromAsync(model.answer(REQUEST, never)), NodeError, WORDS);
  assertEquals(late.code, "aborted");
  await assertRejects(() => model.embed(["x"], never), NodeError, WORDS);
  for (let word = 0; word < 4; word++) await step();
  assertEquals((await whole).at(-1)?.kind, "end");
  await left;
});

Deno.test("what has not begun ends at once, what goes on for too long ends with words and not with what broke", async () => {
  const { world, answers, model, step } = await scene();
  const begun = Array.fromAsync(model.answer(REQUEST, never)).catch((error) => error);
  await settle();
  await step();
  const waiting = Array.fromAsync(model.answer(REQUEST, never)).catch((error) => error);
  await settle();
  const left = answers.leave();
  const sentAway = await waiting;
  assertEquals([sentAway.code, sentAway.message.startsWith(WORDS)], ["aborted", true]);
  await world.clock.advance(4_000);
  const ended = await begun;
  assertEquals([ended.code, ended.message.startsWith(WORDS)], ["aborted", true]);
  await left;
  assertEquals(world.clock.sleepers, 0);
});

Deno.test("a reader that takes nothing keeps no node from stopping, and one that left is no answer", async () => {
  const { world, answers, model, step } = await scene();
  const gone = model.answer(REQUEST, never);
  const first = gone.next();
  await settle();
  await step();
  await first;
  await gone.return();
  const stalled = model.answer(REQUEST, never);
  const begun = stalled.next();
  await settle();
  await step();
  await begun;
  const left = answers.leave();
  await world.clock.advance(4_000);
  await world.clock.advance(1_000);
  await left;
  await assertRejects(() => stalled.next(), NodeError, WORDS);
});

Deno.test("a failure of its own stays what it is, and a node without answers leaves at once", async () => {
  const toy = new ToyModels();
  toy.script =
    () => [new NodeError("unreachable", "Cannot answer: blocks 0:2 are served by nobody, wanted all")];
  const answers = new LastAnswers(fakeWorld());
  const model = answers.guard(await toy.open(undefined));
  await assertRejects(() => Array.fromAsync(model.answer(REQUEST, never)), NodeError, "served by nobody");
  assertEquals((await model.embed(["a", "b"], never)).length, 2);
  await answers.leave();
});
