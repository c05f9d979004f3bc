/**
 * One way in for every kind of model on disk.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { fileAct } from "./byte_ranges.ts";
import { openGguf } from "./gguf.ts";
import { openCheckpoint } from "./safetensors.ts";
import type { ModelSource } from "./source.ts";

/**
 * Opens the GGUF file or the Hugging Face folder `path`. Reads headers only; weights are read when asked for.
 * Throws `NodeError` `not_found`, `denied`, `corrupt`, `unsupported`.
 */
export async function openModel(path: string, signal: AbortSignal): Promise<ModelSource> {
  const { isDirectory } = await fileAct("open the model", path, () => Deno.stat(path));
  if (isDirectory) return await openCheckpoint(path, signal);
  if (/\.(safetensors|bin|pt|pth|onnx)$/i.test(path)) {
    throw new NodeError(
      "unsupported",
      `Cannot open the model "${path}": it is a single file of weights, wanted a .gguf file or the folder with config.json`,
    );
  }
  return await openGguf(path, signal);
}
