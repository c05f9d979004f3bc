/**
 * What `kwaainet bench` does.
 *
 * @module
 */
import { blocksOf } from "../api/status.ts";
import { codeOf, messageOf, NodeError } from "../base/errors.ts";
import { type BlockRange, lengthOf } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { BlockBackend, EngineName, LoadedBlocks } from "../compute/backend.ts";
import { readCpu } from "../device/cpu.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { DEMO_MODEL, demoModelPaths } from "../model/demo_model.ts";
import type { ModelSource } from "../model/source.ts";
import type { TellTransfer } from "../model/transfer.ts";
import { findModel, resolveContext } from "../node/find_model.ts";
import { type BlockRates, measureBlocks } from "../node/measure.ts";
import { measureRpc, type RpcFigures } from "../node/measure_rpc.ts";
import { availableBytes, backendsIn, loadOptions, openEngine } from "../node/open_compute.ts";
import { planOf } from "../node/plan.ts";
import { requireRange } from "../node/span.ts";
import { DEFAULT_BENCH_BLOCKS } from "./flags.ts";
import { VERSION } from "./build_info.ts";
import { transferOn } from "./progress.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Flag, Invocation } from "./verb.ts";

/** One engine: how fast it is, or why it is not. Rates are tokens a second through all measured blocks. */
type EngineFigures =
  & { readonly name: EngineName | "ggml process" }
  & (
    | { readonly usable: true; readonly device: string; readonly decode: number; readonly prefill: number }
    | { readonly usable: false; readonly reason: string }
  );

/** Everything that was measured. */
interface Figures {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly availableBytes: number };
  /** Null where no model was at hand. */
  readonly model: { readonly id: string; readonly blocks: readonly [number, number] } | null;
  readonly threads: number;
  readonly engines: readonly EngineFigures[];
  readonly rpc: RpcFigures;
}

/** Measures and prints. The exit code. */
export async function runBench(invocation: Invocation, flags: readonly Flag[]): Promise<number> {
  const settings = loadSettings(invocation, flags);
  using stop = listenForSignals();
  const world = worldOf(invocation, settings, "warn");
  const { output, environment } = invocation;
  const { config } = settings;
  const { name: cpu, cores } = readCpu(openSystemFiles(config), navigator.hardwareConcurrency);
  const { signal } = stop;
  await using rooms = new AsyncDisposableStack();
  const model = await modelAtHand(
    { world, settings, environment, say: transferOn(output) },
    signal,
  );
  if (model === undefined) output.error("No model is at hand: only calls are measured (--model SOURCE)");
  else rooms.use(model);
  const range = model === undefined ? undefined : rangeOf(settings, model);
  const figures: Figures = {
    machine: { cpu, cores, availableBytes: availableBytes(config) },
    model: model === undefined ? null : { id: model.id, blocks: blocksOf(range!) },
    threads: loadOptions(config).threads,
    engines: model === undefined
      ? []
      : await measureEngines({ world, settings, model, range: range! }, signal),
    rpc: await measureRpc(world, signal),
  };
  if (invocation.flags.has("json")) output.json({ schema: 1, ...figures, ratios: ratiosOf(figures.engines) });
  else for (const line of linesOf(figures)) output.line(line);
  return 0;
}

interface Lookup {
  readonly world: World;
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: TellTransfer;
}

/** The named model, else the demo model if nothing has to be fetched for it. */
async function modelAtHand(
  { world, settings: { config, paths }, environment, say }: Lookup,
  signal: AbortSignal,
): Promise<ModelSource | undefined> {
  const context = resolveContext(world, { paths, environment }, say);
  if (config.model !== undefined) return (await findModel(context, config.model, signal)).source;
  const stored = await context.store.get(DEMO_MODEL.name, signal);
  const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);
  const cached = await Promise.all(demoModelPaths(environment).map(isThere));
  if (stored === undefined && !cached.includes(true)) return undefined;
  return (await findModel(context, DEMO_MODEL.name, signal)).source;
}

function rangeOf({ config, paths }: Settings, model: ModelSource): BlockRange {
  const named = planOf(config, paths, VERSION).range;
  return requireRange(
    named ?? { start: 0, end: Math.min(DEFAULT_BENCH_BLOCKS, model.architecture.blocks) },
    model,
  );
}

interface Job {
  readonly world: World;
  readonly settings: Settings;
  readonly model: ModelSource;
  readonly range: BlockRange;
}

async function measureEngines(job: Job, signal: AbortSignal): Promise<EngineFigures[]> {
  const { config, paths } = job.settings;
  const backendDir = config["compute.backend_dir"];
  const backends = backendsIn(job.world.clock, {
    dataDir: paths.root,
    ...(backendDir === undefined ? {} : { backendDir }),
  });
  const figures: EngineFigures[] = [];
  for (const backend of backends.filter(({ name }) => config.engine === "auto" || config.engine === name)) {
    figures.push(await measureBackend(job, backend, signal));
  }
  if (figures.some(({ name, usable }) => name === "ggml" && usable)) {
    figures.push(await measureProcess(job, signal));
  }
  return figures;
}

async function measureBackend(job: Job, backend: BlockBackend, signal: AbortSignal): Promise<EngineFigures> {
  const { name } = backend;
  const probe = await backend.probe();
  if (!probe.usable) return { name, usable: false, reason: probe.reason };
  const { model, range, settings } = job;
  const load = () => backend.load(model, range, loadOptions(settings.config), signal);
  return await figuresOf(job, { name, device: probe.device, load }, signal);
}

/** The same blocks through the process that a node computes in: what frames and pipes cost. */
async function measureProcess(job: Job, signal: AbortSignal): Promise<EngineFigures> {
  const { world, settings, model, range } = job;
  const { config, paths } = settings;
  await using engine = await openEngine(world, { config: { ...config, engine: "ggml" }, paths }, signal);
  const load = () => engine.load(model, range, signal);
  return await figuresOf(job, { name: "ggml process", device: engine.reason, load }, signal);
}

async function figuresOf(
  { world, range }: Job,
  { name, device, load }: {
    readonly name: EngineFigures["name"];
    readonly device: string;
    readonly load: () => Promise<LoadedBlocks>;
  },
  signal: AbortSignal,
): Promise<EngineFigures> {
  try {
    await using blocks = await load();
    const rates: BlockRates = await measureBlocks(world.clock, blocks, signal);
    const count = lengthOf(range);
    return {
      name,
      usable: true,
      device,
      decode: rates.inferenceRps / count,
      prefill: rates.forwardRps / count,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NodeError)) throw error;
    return { name, usable: false, reason: `${codeOf(error, "unsupported")}: ${messageOf(error)}` };
  }
}

/** How often each engine is as fast as the plain one. */
function ratiosOf(engines: readonly EngineFigures[]): Record<string, { decode: number; prefill: number }> {
  const plain = engines.find(({ name }) => name === "reference");
  const ratios: Record<string, { decode: number; prefill: number }> = {};
  for (const engine of engines) {
    if (plain?.usable && engine.usable && engine !== plain) {
      ratios[`${engine.name}/reference`] = {
        decode: engine.decode / plain.decode,
        prefill: engine.prefill / plain.prefill,
      };
    }
  }
  const [inside, process] = ["ggml", "ggml process"].map((name) =>
    engines.find((engine) => engine.name === name)
  );
  if (inside?.usable && process?.usable) {
    ratios["process/inside"] = {
      decode: process.decode / inside.decode,
      prefill: process.prefill / inside.prefill,
    };
  }
  return ratios;
}

function linesOf({ machine, model, threads, engines, rpc }: Figures): string[] {
  const short = (value: number) => value.toPrecision(3).replace(/e\+?(\d+)$/, " × 10^$1");
  return [
    `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.availableBytes / 1e6)} MB free`,
    ...(model === null ? [] : [`${model.id}, blocks ${model.blocks.join(":")}, threads: ${threads}`]),
    ...engines.map((engine) =>
      engine.usable
        ? `${engine.name.padEnd(12)}  decode ${short(engine.decode)} tokens/s, prefill ${
          short(engine.prefill)
        } tokens/s  (${engine.device})`
        : `${engine.name.padEnd(12)}  not usable: ${engine.reason}`
    ),
    ...Object.entries(ratiosOf(engines)).map(([name, { decode, prefill }]) =>
      `${name}: decode ${decode.toFixed(2)}×, prefill ${prefill.toFixed(2)}×`
    ),
    `calls         ${short(rpc.callsPerSecond)} a second, ${short(rpc.stepMs)} ms a step on an open stream, ${
      short(rpc.megabytesPerSecond)
    } MB/s`,
  ];
}
