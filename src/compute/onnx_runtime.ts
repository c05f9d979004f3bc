/**
 * Finding and loading onnxruntime-node, from source and in a compiled program.
 *
 * @module
 */
import type * as Ort from "onnxruntime-node";
import { messageOf, NodeError } from "../base/errors.ts";

/** What the package `onnxruntime-node` exports. */
export type OnnxRuntime = typeof Ort;

/**
 * The package, pinned: 1.29 and 1.30 carry an uploader of telemetry. A name in a variable keeps it out of the graph of
 * modules: it is large, and `deno compile` would put it into every program. Those of the flavour `full` carry it by an
 * `--include` (scripts/build.ts).
 */
const PACKAGE: string = "npm:onnxruntime-node@1.27.0";

const FOLDERS: Readonly<Record<string, string>> = { x86_64: "x64", aarch64: "arm64" };

let opened: Promise<OnnxRuntime> | undefined;

/** The package, loaded once a process. Throws `NodeError` `no_backend` with the reason and what would help. */
export const openOnnxRuntime = (): Promise<OnnxRuntime> => opened ??= load();

async function load(): Promise<OnnxRuntime> {
  const entry = findOnnxRuntime();
  if (entry === undefined) {
    throw new NodeError(
      "no_backend",
      "Cannot use onnxruntime: it is not in this program, wanted its full flavour (kwaainet-full) or --engine ggml",
    );
  }
  // Read when the library loads: no later version may phone home either
  Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
  try {
    if (entry.startsWith("file:") && Deno.build.os === "linux") Deno.dlopen(libraryOf(entry), {});
    const { default: runtime } = await import(PACKAGE) as { readonly default: OnnxRuntime };
    return runtime;
  } catch (cause) {
    throw new NodeError("no_backend", `Cannot use onnxruntime: ${messageOf(cause)}`, { cause });
  }
}

/**
 * URL of the package's entry: a `file:` URL where it lies on disk or in the program already, a `npm:` URL where the
 * runtime would fetch it when it is imported, `undefined` in a program that was compiled without it.
 */
export function findOnnxRuntime(): string | undefined {
  try {
    return import.meta.resolve(PACKAGE);
  } catch {
    // A compiled program knows no package but those inside it
    return undefined;
  }
}

/**
 * The native library beside the package's entry. It must be in the process before the package is imported: of what a
 * compiled program embeds, only the addon itself is copied out, and the loader finds what is loaded by its name.
 */
function libraryOf(entry: string): URL {
  const folder = FOLDERS[Deno.build.arch];
  return new URL(`../bin/napi-v6/linux/${folder}/libonnxruntime.so.1`, entry);
}
