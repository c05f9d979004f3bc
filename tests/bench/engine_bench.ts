/**
 * What text costs on its way through the engine process, and how far honest engines are apart: the figures behind
 * docs/decisions. `engine_bench.ts [ROUNDS] [MODEL]`. Needs `native/`, and `KWAAI_SMOLLM2` where no model is named; one
 * thread.
 */
import { openSystemWorld } from "../../src/base/system_world.ts";
import type { BlockBackend, LoadedBlocks, TextHead } from "../../src/compute/backend.ts";
import { openEngineProcess } from "../../src/compute/engine_process.ts";
import { createReferenceBackend } from "../../src/compute/reference.ts";
import { openModel } from "../../src/model/open_model.ts";
import { openTokenizer } from "../../src/model/tokenizer.ts";
import { ggml } from "../support/native_ggml.ts";
import { median, say, table } from "./text_bench_help.ts";

const [roundCount = "31", path = Deno.env.get("KWAAI_SMOLLM2")!] = Deno.args;
const rounds = Number(roundCount);
const signal = new AbortController().signal;
const load = { dtype: "auto", threads: 1 } as const;
const model = await openModel(path, signal);
const { blocks, hiddenSize: hidden } = model.architecture;
const folder = await Deno.makeTempDir();
const engine = await openEngineProcess(openSystemWorld({ level: "warn", json: false }), {
  command: [Deno.execPath(), "run", "-A", "--no-check", "--quiet", fileOf("../../main.ts"), "engine"],
  engine: "ggml",
  dataDir: folder,
}, signal);
const near = await ggml.loadHead(model, load, signal);
const far = await engine.loadHead(model, load, signal);

await steps();
await scores();
await passes();
await tolerances();
await engine[Symbol.asyncDispose]();
await Deno.remove(folder, { recursive: true });
Deno.exit(0);

function fileOf(relative: string): string {
  return new URL(relative, import.meta.url).pathname;
}

/** Median milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    await work();
    times.push(performance.now() - startedAt);
  }
  return median(times).toFixed(2);
}

function states(tokens: number) {
  const data = Float32Array.from({ length: tokens * hidden }, (_, i) => Math.sin(i));
  return { batch: 1, tokens, hidden, data };
}

/** Work over 256 positions, again and again. */
async function stepper(loaded: LoadedBlocks) {
  const cache = await loaded.openCache({ range: loaded.range, batch: 1, capacity: 512 }, signal);
  await loaded.step({ input: states(256) }, cache, signal);
  return () => loaded.step({ input: states(1), rewindTo: 256 }, cache, signal);
}

async function steps() {
  const rows = [["one position behind 256", "in this process, ms", "through the engine process, ms"]];
  for (const end of [1, blocks / 2, blocks]) {
    const range = { start: 0, end };
    await using here = await ggml.load(model, range, load, signal);
    await using there = await engine.load(path, range, load, signal);
    rows.push([
      `${end} of ${blocks} blocks`,
      await timed(await stepper(here)),
      await timed(await stepper(there)),
    ]);
  }
  const empty = new Float32Array(0);
  const nothing = async (head: TextHead) => await timed(() => head.logits(empty, 0, signal));
  rows.push(["nothing", await nothing(near), await nothing(far)]);
  table(rows);
}

async function scores() {
  const { data } = states(1);
  say(
    `\nscores of one position, ms: in this process ${await timed(() => near.logits(data, 1, signal))}, ` +
      `through the engine process all ${await timed(() => far.logits(data, 1, signal))}, ` +
      `the best 16 ${await timed(() => far.bestLogits!(data, 1, 16, signal))}`,
  );
}

async function passes() {
  await using there = await engine.load(path, { start: 0, end: blocks }, load, signal);
  await using cache = await there.openCache({ range: there.range, batch: 1, capacity: 512 }, signal);
  const take = (ids: number[], scored: number, rewindTo?: number) =>
    there.scores!({ ids, scored, ...(rewindTo === undefined ? {} : { rewindTo }) }, cache, far, signal);
  const ids = Array.from({ length: 64 }, (_, i) => 1000 + 37 * i);
  await take(ids, 0);
  const single: Float32Array[] = [];
  for (const [i, id] of ids.slice(0, 16).entries()) single.push(await take([id], 1, 64 + i));
  say("\npasses behind 64 positions");
  const rows = [["positions", "ms", "multiples of one", "equal to single passes, bit by bit"]];
  let one = Number.NaN;
  for (const width of [1, 2, 3, 5, 9, 16]) {
    const part = ids.slice(0, width);
    const all = await take(part, width, 64);
    const size = all.length / width;
    const isEqual = part.every((_, i) => {
      const row = all.subarray(i * size, (i + 1) * size);
      return row.every((score, id) => score === single[i]![id]);
    });
    const ms = await timed(() => take(part, width, 64));
    if (width === 1) one = Number(ms);
    rows.push([`${width}`, ms, (Number(ms) / one).toFixed(2), isEqual ? "yes" : "no"]);
  }
  table(rows);
}

async function tolerances() {
  const tokenizer = openTokenizer((await model.tokenizer(signal))!);
  const ids = tokenizer.encode(
    "The old lighthouse on the northern cliff was built after three ships were lost.",
  );
  const data = await near.embed(ids, signal);
  const reference = createReferenceBackend({ availableBytes: () => 1e11, pause: () => Promise.resolve() });
  const over = async (backend: BlockBackend, end: number) => {
    await using loaded = await backend.load(model, { start: 0, end }, load, signal);
    await using cache = await loaded.openCache({ range: loaded.range, batch: 1, capacity: 64 }, signal);
    return await loaded.step({ input: { batch: 1, tokens: ids.length, hidden, data } }, cache, signal);
  };
  const whole = await over(ggml, blocks);
  say(
    `\nover ${blocks} blocks, the largest difference of a state as a share of its length: ` +
      `ggml and plain sums ${apart(whole, await over(reference, blocks))}, ` +
      `with the last block left out ${apart(await over(ggml, blocks - 1), whole)}`,
  );
}

function apart(a: Float32Array, b: Float32Array): string {
  let most = 0;
  for (let start = 0; start < a.length; start += hidden) {
    let difference = 0;
    let length = 0;
    for (let i = start; i < start + hidden; i++) {
      difference += (a[i]! - b[i]!) ** 2;
      length += b[i]! ** 2;
    }
    most = Math.max(most, Math.sqrt(difference / length));
  }
  return most.toFixed(3);
}
