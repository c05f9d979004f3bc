/**
 * Angles of the rotary position embedding (Su et al., 2021).
 *
 * @module
 */
import type { RopeParameters } from "../model/source.ts";

/** Cosine and sine of each rotated pair at each position, `[tokens, dims / 2]`. */
export interface RopeAngles {
  readonly cos: Float32Array<ArrayBuffer>;
  readonly sin: Float32Array<ArrayBuffer>;
}

/**
 * Angles at positions `start` to `start + tokens - 1`. Every intermediate value is rounded to single precision as torch
 * rounds it: at position 100,000 an unrounded frequency would already turn by some 0.005 more or less.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const { cos } = ropeAngles({ base: 10000, dims: 4, pairs: "halves", scale: 1 }, 0, 1);
 * assertEquals(cos, Float32Array.of(1, 1));
 * ```
 */
export function ropeAngles(rope: RopeParameters, start: number, tokens: number): RopeAngles {
  const half = rope.dims / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => {
    const exponent = Math.fround(2 * i / rope.dims);
    const frequency = Math.fround(1 / Math.fround(rope.base ** exponent));
    return frequency / (rope.factors?.[i] ?? 1);
  });
  const cos = new Float32Array(tokens * half);
  const sin = new Float32Array(tokens * half);
  for (let token = 0; token < tokens; token++) {
    const position = Math.fround((start + token) * rope.scale);
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]!);
      cos[token * half + i] = Math.cos(angle);
      sin[token * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
