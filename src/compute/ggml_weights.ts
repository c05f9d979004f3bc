/**
 * Weights in the device's memory.
 *
 * @module
 */
import type { Lane } from "../base/lane.ts";
import type { ModelSource } from "../model/source.ts";
import type { LoadOptions } from "./backend.ts";
import type { GgmlTensor } from "./ggml_context.ts";
import type { GgmlDevice, GgmlMemory } from "./ggml_ffi.ts";
import type { GgmlWeight } from "./ggml_graph.ts";
import { heldFormat, holdAs } from "./precision.ts";

const NEVER = new AbortController().signal;

/** Tensors of a model by their GGUF names. Dispose to free them. */
export interface GgmlWeights extends Disposable {
  readonly bytes: number;
  /** Throws `TypeError` for one that was not loaded. */
  get(name: string): GgmlWeight;
}

/**
 * Loads `names`, which must be in `model`, one after another: beside the device's memory only the largest tensor is in
 * ours. Matrices lie in the order that the CPU multiplies fastest, where it has one for their format.
 */
export async function loadGgmlWeights(
  { device, lane }: { readonly device: GgmlDevice; readonly lane: Lane },
  model: ModelSource,
  { names, dtype }: { readonly names: readonly string[]; readonly dtype: LoadOptions["dtype"] },
  signal: AbortSignal,
): Promise<GgmlWeights> {
  using parts = new DisposableStack();
  const plain = parts.use(device.newMemory(names.length, "plain"));
  const placed = new Map<string, { readonly tensor: GgmlTensor; readonly memory: GgmlMemory }>();
  let repacked: GgmlMemory | undefined;
  for (const name of names) {
    const info = model.tensors.get(name)!;
    const format = heldFormat(info, dtype);
    const columns = info.shape.at(-1)!;
    const rows = info.shape.length === 1 ? undefined : info.shape[0]!;
    const repacks = rows !== undefined && device.canRepack(format, rows, columns);
    if (repacks) repacked ??= parts.use(device.newMemory(names.length, "repacked"));
    const memory = repacks ? repacked! : plain;
    placed.set(name, { tensor: memory.add(format, columns, rows), memory });
  }
  const bytes = plain.allocate() + (repacked?.allocate() ?? 0);
  for (const [name, { tensor, memory }] of placed) {
    const info = model.tensors.get(name)!;
    const held = holdAs(heldFormat(info, dtype), info.format, await model.read(name, signal));
    // A fill that has begun is waited for: what it writes to is freed as soon as this function ends
    await lane.run(() => memory.fill(tensor, held), NEVER);
    signal.throwIfAborted();
  }
  const owned = parts.move();
  return {
    bytes,
    get(name) {
      const found = placed.get(name);
      if (found === undefined) throw new TypeError(`Cannot use the tensor "${name}": it was not loaded`);
      return { tensor: found.tensor, isRepacked: found.memory === repacked };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
