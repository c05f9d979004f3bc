/**
 * From what a model was called to the model.
 *
 * @module
 */
import type { DataPaths } from "../config/paths.ts";
import { openModel } from "../model/open_model.ts";
import type { ModelSource } from "../model/source.ts";

/** A model, and where the public finds it. */
export interface FoundModel {
  readonly source: ModelSource;
  /** `https://huggingface.co/…`, where it is known. */
  readonly repository: string | undefined;
}

/** Opens the model `name`. `tell` hears of long work. Throws `NodeError` `usage` with what was tried. */
export async function findModel(
  { name }: { readonly name: string; readonly paths: DataPaths },
  _tell: (progress: string) => void,
  signal: AbortSignal,
): Promise<FoundModel> {
  return { source: await openModel(name, signal), repository: undefined };
}
