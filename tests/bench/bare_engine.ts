/**
 * The engine alone, without wire, session or process between: milliseconds a token of greedy-like decoding near the
 * positions of `serve_bench.ts`. `bare_engine.ts MODEL.gguf LIBRARIES TOKENS`; prints one number.
 */
import { createGgmlBackend } from "../../src/compute/ggml.ts";
import { openModel } from "../../src/model/open_model.ts";

const [path, folder, count] = Deno.args as [string, string, string];
const signal = new AbortController().signal;
const model = await openModel(path, signal);
const { blocks, hiddenSize } = model.architecture;
const range = { start: 0, end: blocks };
const backend = createGgmlBackend({
  folder: () => Promise.resolve(folder),
  quiet: true,
  availableBytes: () => Number.MAX_SAFE_INTEGER,
});
const loaded = await backend.load(model, range, { dtype: "auto", threads: 1 }, signal);
const cache = await loaded.openCache({ range, batch: 1, capacity: 512 }, signal);
const states = (tokens: number) => Float32Array.from({ length: tokens * hiddenSize }, (_, i) => Math.sin(i));
const step = (tokens: number) =>
  loaded.step({ input: { batch: 1, tokens, hidden: hiddenSize, data: states(tokens) } }, cache, signal);
await step(6);
for (let i = 0; i < 4; i++) await step(1);
const times: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const started = performance.now();
  await step(1);
  times.push(performance.now() - started);
}
times.sort((a, b) => a - b);
await Deno.stdout.write(new TextEncoder().encode(`${times[times.length >> 1]!.toFixed(2)}\n`));
Deno.exit(0);
