/**
 * Our blocks on ggml against the same libraries driven by llama.cpp's own (libllama of the same npm package): tokens a
 * second of prefill and decode, rounds interleaved in one process, one thread. `blocks_bench.ts MODEL.gguf [ROUNDS]`.
 *
 * Both get hidden states and give scores for the last token: all blocks, final norm and output matrix. Blocks alone
 * cannot be compared fairly: where nobody asks for scores, libllama leaves out most of the last block. Struct sizes are
 * those of this one build (llama.cpp v0.5.0).
 */
import { cpuUsage } from "node:process";
import { createGgmlBackend } from "../../src/compute/ggml.ts";
import { openModel } from "../../src/model/open_model.ts";

const [path, roundsText = "5"] = Deno.args;
if (path === undefined) throw new Error("Name a GGUF file of a Llama model");
const rounds = Number(roundsText);
const threads = Number(Deno.env.get("KWAAI_BENCH_THREADS") ?? "1");
const PREFILL = 256, DECODE = 64, CAPACITY = 1024;
const signal = new AbortController().signal;

/** The folder of the whole package: it has libllama too. */
async function packageFolder(): Promise<string> {
  const info = async (...args: string[]) => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-config", ...args],
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  await info("npm:@node-llama-cpp/linux-x64@3.22.1");
  const { npmCache } = await info();
  const find = (folder: string, depth: number): string | undefined => {
    const found = `${folder}/@node-llama-cpp/linux-x64/3.22.1/bins/linux-x64`;
    try {
      Deno.statSync(found);
      return found;
    } catch {
      if (depth === 0) return undefined;
    }
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const below = isDirectory ? find(`${folder}/${name}`, depth - 1) : undefined;
      if (below !== undefined) return below;
    }
    return undefined;
  };
  const folder = find(npmCache, 3);
  if (folder === undefined) throw new Error("Deno has not stored the package @node-llama-cpp/linux-x64");
  return folder;
}

/** What is measured: hidden states at a position. */
interface Runner {
  reset(): Promise<void>;
  step(hidden: Float32Array<ArrayBuffer>, position: number): Promise<void>;
}

const P = "pointer";
const struct = (bytes: number) => ({ struct: Array<"u64">(bytes / 8).fill("u64") });
const text = (value: string) => new TextEncoder().encode(`${value}\0`);

/** llama.cpp's own library. */
function openLlama(folder: string, hidden: number): Runner {
  const [modelParams, contextParams, batch] = [struct(80), struct(160), struct(56)];
  const front = Deno.dlopen(`${folder}/libggml.v0.5.0.so`, {
    ggml_backend_load_all_from_path: { parameters: ["buffer"], result: "void" },
  }).symbols;
  const llama = Deno.dlopen(`${folder}/libllama.v0.5.0.so`, {
    llama_backend_init: { parameters: [], result: "void" },
    llama_log_set: { parameters: [P, P], result: "void" },
    llama_model_default_params: { parameters: [], result: modelParams },
    llama_context_default_params: { parameters: [], result: contextParams },
    llama_model_load_from_file: { parameters: ["buffer", modelParams], result: P },
    llama_init_from_model: { parameters: [P, contextParams], result: P },
    llama_decode: { parameters: [P, batch], result: "i32" },
    llama_get_memory: { parameters: [P], result: P },
    llama_memory_clear: { parameters: [P, "u8"], result: "void" },
  }).symbols;
  const quiet = new Deno.UnsafeCallback({ parameters: ["i32", P, P], result: "void" }, () => {});
  llama.llama_log_set(quiet.pointer, null);
  front.ggml_backend_load_all_from_path(text(folder));
  llama.llama_backend_init();
  const model = llama.llama_model_load_from_file(text(path!), llama.llama_model_default_params());
  const params = llama.llama_context_default_params();
  const view = new DataView(params.buffer as ArrayBuffer);
  view.setUint32(0, CAPACITY, true);
  for (const at of [4, 8]) view.setUint32(at, 512, true);
  view.setUint32(12, 1, true);
  for (const at of [28, 32]) view.setInt32(at, threads, true);
  const context = llama.llama_init_from_model(model, params);
  const address = (array: ArrayBufferView<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(array));
  const sequence = Int32Array.of(0);
  return {
    reset: () => Promise.resolve(llama.llama_memory_clear(llama.llama_get_memory(context), 1)),
    step(states, position) {
      const tokens = states.length / hidden;
      const positions = Int32Array.from({ length: tokens }, (_, i) => position + i);
      const counts = new Int32Array(tokens).fill(1);
      const sequences = new BigUint64Array(tokens).fill(BigInt(address(sequence)));
      const wanted = new Uint8Array(tokens);
      wanted[tokens - 1] = 1;
      const fields = [
        BigInt(tokens),
        0n,
        ...[states, positions, counts, sequences, wanted].map((a) => BigInt(address(a))),
      ];
      const code = llama.llama_decode(context, new Uint8Array(new BigUint64Array(fields).buffer));
      if (code !== 0) throw new Error(`llama_decode answered ${code}`);
      return Promise.resolve();
    },
  };
}

/** Ours. */
async function openOurs(folder: string): Promise<{ runner: Runner; hidden: number }> {
  const model = await openModel(path!, signal);
  const backend = createGgmlBackend({
    folder: () => Promise.resolve(folder),
    quiet: true,
    availableBytes: () => Number.MAX_SAFE_INTEGER,
  });
  const { blocks, hiddenSize } = model.architecture;
  const range = { start: 0, end: blocks };
  const loaded = await backend.load(model, range, { dtype: "auto", threads }, signal);
  const head = await backend.loadHead(model, { dtype: "auto", threads }, signal);
  let cache = await loaded.openCache({ range, batch: 1, capacity: CAPACITY }, signal);
  const runner: Runner = {
    async reset() {
      await cache[Symbol.asyncDispose]();
      cache = await loaded.openCache({ range, batch: 1, capacity: CAPACITY }, signal);
    },
    async step(states) {
      const input = { batch: 1, tokens: states.length / hiddenSize, hidden: hiddenSize, data: states };
      const out = await loaded.step({ input }, cache, signal);
      await head.logits(out.slice(-hiddenSize), 1, signal);
    },
  };
  return { runner, hidden: hiddenSize };
}

/** Tokens a second of the clock, and a second of processor time: the latter does not mind who else is busy. */
interface Rates {
  readonly prefill: number;
  readonly decode: number;
  readonly prefillCpu: number;
  readonly decodeCpu: number;
}

async function timed(tokens: number, work: () => Promise<void>): Promise<[clock: number, cpu: number]> {
  const cpu = cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = cpuUsage(cpu);
  return [tokens / seconds, tokens / ((user + system) / 1e6)];
}

async function measure(runner: Runner, hidden: number): Promise<Rates> {
  await runner.reset();
  const states = (tokens: number) => Float32Array.from({ length: tokens * hidden }, (_, i) => Math.sin(i));
  const [prompt, one] = [states(PREFILL), states(1)];
  const [prefill, prefillCpu] = await timed(PREFILL, () => runner.step(prompt, 0));
  for (let i = 0; i < 4; i++) await runner.step(one, PREFILL + i);
  const [decode, decodeCpu] = await timed(DECODE, async () => {
    for (let i = 4; i < DECODE + 4; i++) await runner.step(one, PREFILL + i);
  });
  return { prefill, decode, prefillCpu, decodeCpu };
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

const folder = await packageFolder();
const ours = await openOurs(folder);
const llama = openLlama(folder, ours.hidden);
const seen = { ours: [] as Rates[], llama: [] as Rates[] };
for (let round = 0; round <= rounds; round++) {
  const results = { ours: await measure(ours.runner, ours.hidden), llama: await measure(llama, ours.hidden) };
  if (round === 0) continue; // the first one warms up
  seen.ours.push(results.ours);
  seen.llama.push(results.llama);
}
const rows = (["prefill", "decode", "prefillCpu", "decodeCpu"] as const).map((key) => {
  const [a, b] = [median(seen.ours.map((r) => r[key])), median(seen.llama.map((r) => r[key]))];
  const ratios = seen.ours.map((r, i) => r[key] / seen.llama[i]![key]);
  const name = key.replace("Cpu", ", a CPU second");
  return `| ${name} | ${a.toFixed(1)} | ${b.toFixed(1)} | ${median(ratios).toFixed(2)} |`;
});
await Deno.stdout.write(new TextEncoder().encode(
  `${path.split("/").at(-1)}, ${threads} thread(s), ${rounds} rounds, Deno ${Deno.version.deno}\n\n` +
    `| tokens/s | ours | libllama | ratio |\n|---|---|---|---|\n${rows.join("\n")}\n`,
));
Deno.exit(0);
