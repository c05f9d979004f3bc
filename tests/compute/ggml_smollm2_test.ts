import { assert, assertEquals } from "@std/assert";
import type { LoadOptions } from "../../src/compute/backend.ts";
import { openModel } from "../../src/model/open_model.ts";
import { openTokenizer } from "../../src/model/tokenizer.ts";
import { ggml, noGgml } from "../support/native_ggml.ts";

const signal = new AbortController().signal;
const PATH = Deno.env.get("KWAAI_SMOLLM2");
const leftOut = PATH === undefined ? "KWAAI_SMOLLM2 names no SmolLM2-135M GGUF file" : noGgml;

/** The most likely continuation of `prompt`, all its tokens at once and then one by one. */
async function continueGreedily(prompt: string, count: number, load: LoadOptions): Promise<string> {
  await using model = await openModel(PATH!, signal);
  const { blocks, hiddenSize, vocabularySize } = model.architecture;
  await using head = await ggml.loadHead(model, load, signal);
  await using loaded = await ggml.load(model, { start: 0, end: blocks }, load, signal);
  await using cache = await loaded.openCache({ range: loaded.range, batch: 1, capacity: 64 }, signal);
  const tokenizer = openTokenizer((await model.tokenizer(signal))!);
  let ids = tokenizer.encode(prompt);
  const answer: number[] = [];
  while (answer.length < count) {
    const data = await head.embed(ids, signal);
    const input = { batch: 1, tokens: ids.length, hidden: hiddenSize, data };
    const out = await loaded.step({ input }, cache, signal);
    assert(out.every(Number.isFinite));
    const scores = await head.logits(out.slice(-hiddenSize), 1, signal);
    assertEquals(scores.length, vocabularySize);
    ids = [scores.indexOf(scores.reduce((best, score) => Math.max(best, score)))];
    answer.push(...ids);
  }
  return tokenizer.decode(answer);
}

for (const dtype of ["auto", "f32"] as const) {
  Deno.test({
    name: `ggml finishes a sentence with SmolLM2 (dtype ${dtype})` +
      (leftOut ? ` (left out: ${leftOut})` : ""),
    ignore: leftOut !== undefined,
    fn: async () => {
      const text = await continueGreedily("The capital of Italy is", 8, { dtype, threads: 1 });
      assertEquals(text.startsWith(" Rome"), true, text);
    },
  });
}
