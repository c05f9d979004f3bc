/**
 * Values into a graph and out of it.
 *
 * @module
 */
import type { Activations } from "../base/tensor.ts";
import type { BlockStep } from "./backend.ts";
import type { PlacedGraph } from "./ggml_cache.ts";

/** A part of a step: tokens `token` to `token + tokens - 1` of rows `firstRow` to `firstRow + rows - 1`. */
export interface Chunk {
  readonly firstRow: number;
  readonly rows: number;
  readonly token: number;
  readonly tokens: number;
}

/** Half precision minus infinity. */
const HIDDEN = 0xfc00;

/** Sets all inputs of `placed` for `chunk` of `step`, whose first token stands at `position`. */
export function fillInputs(
  { graph, ends, shape }: PlacedGraph,
  step: BlockStep,
  chunk: Chunk,
  { position, capacity }: { readonly position: number; readonly capacity: number },
): void {
  const { hidden } = step.input;
  const positions = new Int32Array(chunk.rows * chunk.tokens);
  const places = new BigInt64Array(positions.length);
  for (let row = 0; row < chunk.rows; row++) {
    for (let token = 0; token < chunk.tokens; token++) {
      const at = row * chunk.tokens + token;
      positions[at] = position + token;
      places[at] = BigInt((chunk.firstRow + row) * capacity + position + token);
    }
    graph.set(ends.hidden, partOf(step.input, chunk, row), row * chunk.tokens * hidden * 4);
  }
  graph.set(ends.positions, positions);
  graph.set(ends.places, places);
  graph.set(ends.mask, maskOf(shape.positions, chunk.tokens, position));
  if (shape.prompted) fillPrompts({ graph, ends, shape }, step, chunk);
}

/** Fills the part of `out` that `chunk` of `input` stands for. */
export function readOutput(
  { graph, ends }: Pick<PlacedGraph, "graph" | "ends">,
  out: Float32Array<ArrayBuffer>,
  chunk: Chunk,
  input: Activations,
): void {
  for (let row = 0; row < chunk.rows; row++) {
    graph.get(
      ends.output,
      partOf({ ...input, data: out }, chunk, row),
      row * chunk.tokens * input.hidden * 4,
    );
  }
}

/** Values of one row of a chunk, without copying. */
function partOf({ tokens, hidden, data }: Activations, chunk: Chunk, row: number): Float32Array<ArrayBuffer> {
  const start = ((chunk.firstRow + row) * tokens + chunk.token) * hidden;
  return data.subarray(start, start + chunk.tokens * hidden);
}

/** Each token looks at itself and what is before it. */
function maskOf(positions: number, tokens: number, position: number): Uint16Array<ArrayBuffer> {
  const mask = new Uint16Array(positions * tokens).fill(HIDDEN);
  for (let token = 0; token < tokens; token++) {
    mask.fill(0, token * positions, token * positions + position + token + 1);
  }
  return mask;
}

/** Prompts reach as far as they do; tokens behind them have 0 added. */
function fillPrompts(
  { graph, ends }: Pick<PlacedGraph, "graph" | "ends" | "shape">,
  { input: { batch, hidden }, prompts }: BlockStep,
  chunk: Chunk,
): void {
  const { tokens: promptTokens, data } = prompts!;
  const count = Math.min(chunk.tokens, promptTokens - chunk.token);
  ends.prompts.forEach((tensor, block) => {
    const added = new Float32Array(chunk.rows * chunk.tokens * hidden);
    for (let row = 0; row < chunk.rows; row++) {
      const from = ((block * batch + chunk.firstRow + row) * promptTokens + chunk.token) * hidden;
      added.set(data.subarray(from, from + count * hidden), row * chunk.tokens * hidden);
    }
    graph.set(tensor, added);
  });
}
