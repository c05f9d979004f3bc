/**
 * The engine of this machine.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { createGgmlBackend } from "../compute/ggml.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { readMemory } from "../device/memory.ts";
import type { Engine } from "./engine.ts";

/** Memory that may still be taken, by the kernel's figures; without them 2 GiB are assumed. */
export function availableBytes(config: Config): number {
  const files = openSystemFiles({ sysfs: config.sysfs, procfs: config.procfs });
  return readMemory(files)?.availableBytes ?? 2 * 2 ** 30;
}

/** Opens ggml in this process. */
export function openEngine(
  _world: World,
  { config }: { readonly config: Config; readonly paths: DataPaths },
  _signal: AbortSignal,
): Promise<Engine> {
  const backend = createGgmlBackend({
    folder: () => Promise.resolve(new URL("../../native/x86_64-unknown-linux-gnu", import.meta.url).pathname),
    quiet: true,
    availableBytes: () => availableBytes(config),
  });
  const options = { dtype: config.dtype, threads: config["compute.threads"] || 1 };
  return Promise.resolve({
    name: "ggml",
    reason: "the default",
    load: (model, range, signal) => backend.load(model, range, options, signal),
    loadHead: (model, signal) => backend.loadHead(model, options, signal),
    death: (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}
