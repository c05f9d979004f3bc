/**
 * Greedy text by the engine alone, in one process: what no node can beat.
 * `bare_text.ts MODEL.gguf LIBRARIES THREADS PROMPT TOKENS`; prints milliseconds to the first token and a token after it.
 */
import { createGgmlBackend } from "../../src/compute/ggml.ts";
import { openModel } from "../../src/model/open_model.ts";
import { openTokenizer } from "../../src/model/tokenizer.ts";

const [path, folder, threads, prompt, count] = Deno.args as [string, string, string, string, string];
const signal = new AbortController().signal;
const load = { dtype: "auto", threads: Number(threads) } as const;
const model = await openModel(path, signal);
const { blocks, hiddenSize: hidden } = model.architecture;
const backend = createGgmlBackend({
  folder: () => Promise.resolve(folder),
  quiet: true,
  availableBytes: () => Number.MAX_SAFE_INTEGER,
});
const head = await backend.loadHead(model, load, signal);
const loaded = await backend.load(model, { start: 0, end: blocks }, load, signal);
const tokenizer = openTokenizer((await model.tokenizer(signal))!);

async function pass(ids: readonly number[], cache: Awaited<ReturnType<typeof loaded.openCache>>) {
  const data = await head.embed(ids, signal);
  const output = await loaded.step({ input: { batch: 1, tokens: ids.length, hidden, data } }, cache, signal);
  const scores = await head.logits(output.slice(-hidden), 1, signal);
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id;
  return best;
}

async function text(tokens: number) {
  await using cache = await loaded.openCache({ range: loaded.range, batch: 1, capacity: 1024 }, signal);
  const startedAt = performance.now();
  let id = await pass(tokenizer.encode(prompt), cache);
  const firstMs = performance.now() - startedAt;
  const times: number[] = [];
  for (let i = 1; i < tokens; i++) {
    const at = performance.now();
    id = await pass([id], cache);
    times.push(performance.now() - at);
  }
  times.sort((a, b) => a - b);
  return { firstMs, tokenMs: times[times.length >> 1] ?? 0 };
}

await text(4);
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(await text(Number(count)))));
Deno.exit(0);
