/**
 * From what a model was called to the model.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { DataPaths } from "../config/paths.ts";
import { openNamedModel, type ResolveContext } from "../model/resolve.ts";
import type { ModelSource } from "../model/source.ts";
import { ModelStore } from "../model/store.ts";
import { progressText, type TellTransfer } from "../model/transfer.ts";

/** A model, and where the public finds it. */
export interface FoundModel {
  readonly source: ModelSource;
  /** `https://huggingface.co/…`, where it is known. */
  readonly repository: string | undefined;
}

/** Where to look. */
export interface FindOptions {
  readonly paths: DataPaths;
  readonly environment: Readonly<Record<string, string>>;
}

/** The store of the data folder and everything around it; `tell` hears of long work. */
export const resolveContext = (
  world: World,
  { paths, environment }: FindOptions,
  tell: TellTransfer,
): ResolveContext => ({
  world,
  store: new ModelStore(world, paths.models),
  environment,
  onProgress: (progress) => tell(progressText(progress), progress.bytes / Math.max(1, progress.totalBytes)),
});

/** Opens the model `name`. Throws `NodeError` `usage` with what was tried. */
export async function findModel(
  context: ResolveContext,
  name: string,
  signal: AbortSignal,
): Promise<FoundModel> {
  return await openNamedModel(context, name, signal);
}
