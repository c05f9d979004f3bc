/**
 * The engine of this machine, in a process of its own: what crashes there does not end the node.
 *
 * @module
 */
import type { Clock, World } from "../base/world.ts";
import type { BlockBackend, LoadOptions } from "../compute/backend.ts";
import { threadsFor } from "../compute/choose.ts";
import type { EngineFolders } from "../compute/engine_acts.ts";
import { type EngineProcessOptions, openEngineProcess } from "../compute/engine_process.ts";
import { LEAN_MALLOC } from "../compute/lean_malloc.ts";
import { createGgmlBackend } from "../compute/ggml.ts";
import { openNativeLibraries } from "../compute/native_libraries.ts";
import { createOnnxBackend } from "../compute/onnx.ts";
import { createReferenceBackend } from "../compute/reference.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { readCpu } from "../device/cpu.ts";
import { readMemory } from "../device/memory.ts";
import { openSystemFiles, type SystemRoots } from "../device/sysfs.ts";
import type { Engine } from "./engine.ts";

/** Assumed where the kernel does not tell: enough for small models. */
const UNKNOWN_MEMORY_BYTES = 2 * 2 ** 30;

/** Memory that may still be taken, by the kernel's figures. */
export const availableBytes = (roots: SystemRoots): number =>
  readMemory(openSystemFiles(roots))?.availableBytes ?? UNKNOWN_MEMORY_BYTES;

/** A pause that lets the event loop turn: shorter ones end before it does. */
const PAUSE_MS = 0.01;

/** All engines of this program, in the order of preference. Nothing is opened before it is asked for. */
export function backendsIn(clock: Clock, folders: EngineFolders): readonly BlockBackend[] {
  const { backendDir } = folders;
  const available = () => availableBytes({ sysfs: "/sys", procfs: "/proc" });
  return [
    createGgmlBackend({
      folder: () => openNativeLibraries(folders),
      ...(backendDir === undefined ? {} : { backendDir }),
      quiet: true,
      availableBytes: available,
      monotonic: () => clock.monotonic(),
    }),
    createOnnxBackend({ availableBytes: available }),
    createReferenceBackend({ availableBytes: available, pause: () => clock.sleep(PAUSE_MS) }),
  ];
}

/** How blocks are held and computed on this machine. */
export function loadOptions(config: Config): LoadOptions {
  const { cores } = readCpu(openSystemFiles(config), navigator.hardwareConcurrency);
  return { dtype: config.dtype, threads: threadsFor(config["compute.threads"], cores) };
}

/** Which engine, where its files are, and who hears when it hangs. */
export interface EngineSetup extends Pick<EngineProcessOptions, "onSilence"> {
  readonly config: Config;
  readonly paths: DataPaths;
}

/** Starts the engine process. Throws `NodeError` `no_backend` that says why no engine is usable. */
export async function openEngine(
  world: World,
  { config, paths, onSilence }: EngineSetup,
  signal: AbortSignal,
): Promise<Engine> {
  const backendDir = config["compute.backend_dir"];
  const options = loadOptions(config);
  const engine = await openEngineProcess(world, {
    env: LEAN_MALLOC,
    command: [...config["compute.command_prefix"], ...ownCommand(), "engine"],
    engine: config.engine,
    dataDir: paths.root,
    ...(backendDir === undefined ? {} : { backendDir }),
    ...(onSilence === undefined ? {} : { onSilence }),
  }, signal);
  return {
    get name() {
      return engine.name;
    },
    get reason() {
      return engine.reason;
    },
    load: (model, range, signal) => engine.load(model.path, range, options, signal),
    loadHead: (model, signal) => engine.loadHead(model, options, signal),
    death: (signal) => engine.death(signal),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** This program once more: the binary itself, or Deno with the module it was started with. */
const ownCommand = (): string[] =>
  Deno.build.standalone
    ? [Deno.execPath()]
    : [Deno.execPath(), "run", "-A", "--no-check", "--quiet", Deno.mainModule];
