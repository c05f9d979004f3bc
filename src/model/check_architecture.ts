/**
 * Whether the numbers a file states can be a model at all: engines allocate and divide by them.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Architecture } from "./source.ts";

/** What we allow; Llama 3.1 405B has 126 blocks, hidden 16384, FFN 53248, a vocabulary of 128256. */
const MAX_BLOCKS = 4096;
const MAX_WIDTH = 1 << 20;
const MAX_HEADS = 1 << 16;
const MAX_VOCABULARY = 1 << 24;

/** `architecture` itself. Throws `NodeError` `corrupt` for a number that is out of range or contradicts another. */
export function checkArchitecture(architecture: Architecture, path: string): Architecture {
  const corrupt = (what: string) => new NodeError("corrupt", `Cannot read "${path}": ${what}`);
  const { blocks, hiddenSize, ffnSize, heads, kvHeads, headDim, rope } = architecture;
  const sizes: readonly (readonly [string, number, number])[] = [
    ["blocks", blocks, MAX_BLOCKS],
    ["hidden size", hiddenSize, MAX_WIDTH],
    ["feed-forward size", ffnSize, MAX_WIDTH],
    ["heads", heads, MAX_HEADS],
    ["key-value heads", kvHeads, MAX_HEADS],
    ["head dimension", headDim, MAX_WIDTH],
    ["context length", architecture.contextLength, Number.MAX_SAFE_INTEGER],
    ["vocabulary", architecture.vocabularySize, MAX_VOCABULARY],
    ["rotated dimensions", rope.dims, headDim],
  ];
  for (const [what, value, most] of sizes) {
    if (!Number.isSafeInteger(value) || value < 1 || value > most) {
      throw corrupt(`it states ${what} of ${value}, wanted a whole number from 1 to ${most}`);
    }
  }
  if (heads % kvHeads !== 0) {
    throw corrupt(`its ${heads} heads cannot share ${kvHeads} key-value heads evenly`);
  }
  if (rope.dims % 2 !== 0) throw corrupt(`it rotates ${rope.dims} dimensions, wanted an even number`);
  const positive = {
    "norm epsilon": architecture.normEpsilon,
    "rope base": rope.base,
    "rope scale": rope.scale,
  };
  for (const [what, value] of Object.entries(positive)) {
    if (!Number.isFinite(value) || value <= 0) {
      throw corrupt(`its ${what} is ${value}, wanted a positive number`);
    }
  }
  if (rope.factors !== undefined) checkFactors(rope.factors, rope.dims / 2, corrupt);
  return architecture;
}

function checkFactors(factors: Float32Array, wanted: number, corrupt: (what: string) => NodeError): void {
  if (factors.length !== wanted) throw corrupt(`it has ${factors.length} rope factors, wanted ${wanted}`);
  if (!factors.every((factor) => Number.isFinite(factor) && factor > 0)) {
    throw corrupt("a rope factor is not a positive number");
  }
}
