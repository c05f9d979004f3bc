/**
 * Rotary frequencies that are stretched unevenly.
 *
 * @module
 */

/** Llama 3.1's `rope_scaling`. */
export interface Llama3Scaling {
  readonly base: number;
  /** Rotated dimensions of a head. */
  readonly dims: number;
  readonly factor: number;
  readonly lowFrequencyFactor: number;
  readonly highFrequencyFactor: number;
  /** Tokens of the context the model was first trained with. */
  readonly originalContext: number;
}

/**
 * Divisors of each frequency, `dims / 2` of them, as Llama 3.1's release publishes them (`apply_scaling` of meta-llama's
 * llama-models; the same values stand in `rope_freqs.weight` of GGUF files): waves longer than the old context are
 * stretched by `factor`, short ones not at all, those between in proportion.
 */
export function llama3RopeFactors(scaling: Llama3Scaling): Float32Array<ArrayBuffer> {
  const { base, dims, factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = scaling;
  const longest = originalContext / lowFrequencyFactor;
  const shortest = originalContext / highFrequencyFactor;
  return Float32Array.from({ length: dims / 2 }, (_, i) => {
    const wave = 2 * Math.PI * base ** (2 * i / dims);
    if (wave < shortest) return 1;
    if (wave > longest) return factor;
    const smooth = (originalContext / wave - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
