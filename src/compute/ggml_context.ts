/**
 * Handles of ggml, and the contexts that tensors and graphs are made in. Handles are opaque: nothing here or elsewhere
 * looks into them, but for `ggml_ffi.ts`.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { WeightFormat } from "../model/source.ts";
import type { BASE_SYMBOLS, FRONT_SYMBOLS } from "./ggml_symbols.ts";

/** `enum ggml_type`. */
export const TYPE = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  I32: 26,
  I64: 27,
  BF16: 30,
} as const satisfies Record<WeightFormat | "I32" | "I64", number>;
/** Element types of tensors, by ggml's names. */
export type GgmlType = keyof typeof TYPE;

/** A tensor: belongs to the memory or graph that made it, and dies with it. */
export type GgmlTensor = Deno.PointerObject<"ggml_tensor">;
/** What tensors are made in. */
export type Context = Deno.PointerObject<"ggml_context">;
/** Operations in the order of their computation. */
export type Graph = Deno.PointerObject<"ggml_cgraph">;
/** Gives the tensors of a graph their places. */
export type Allocator = Deno.PointerObject<"ggml_gallocr">;
/** Memory of a device. */
export type Buffer = Deno.PointerObject<"ggml_backend_buffer">;
/** A kind of memory. */
export type BufferType = Deno.PointerObject<"ggml_backend_buffer_type">;
/** A device, not in use yet. */
export type Device = Deno.PointerObject<"ggml_backend_device">;
/** A device in use. */
export type Backend = Deno.PointerObject<"ggml_backend">;
/** The functions of both libraries. */
export type Symbols =
  & Deno.DynamicLibrary<typeof BASE_SYMBOLS>["symbols"]
  & Deno.DynamicLibrary<typeof FRONT_SYMBOLS>["symbols"];

/** A context for so many tensors, and a graph of so many nodes where that is not 0. Throws `NodeError` `no_memory`. */
export function newContext(symbols: Symbols, tensors: number, graphNodes: number): Context {
  const bytes = symbols.ggml_tensor_overhead() * BigInt(tensors) +
    (graphNodes === 0 ? 0n : symbols.ggml_graph_overhead_custom(BigInt(graphNodes), 0));
  const parameters = new DataView(new ArrayBuffer(24));
  parameters.setBigUint64(0, bytes, true);
  parameters.setUint8(16, 1);
  const context = symbols.ggml_init(new Uint8Array(parameters.buffer)) as Context | null;
  if (context === null) {
    throw new NodeError("no_memory", `Cannot allocate ${bytes} bytes: there is no more memory`);
  }
  return context;
}
