/**
 * Eight-bit quantisation by a codebook: each value becomes the index of its bucket, each bucket stands for the mean of
 * its members (hivemind 1.1.12 `quantization.py`).
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";

/** At most 256 entries, and for each value the index of its entry. */
export interface Codebook {
  readonly entries: Float32Array<ArrayBuffer>;
  readonly indices: Uint8Array;
}

/** Buckets of an 8-bit codebook. */
const BUCKETS = 256;
/** `UNIFORM_8BIT` spreads its buckets over this many standard deviations. */
const RANGE_IN_SIGMAS = 6;

/** Buckets of equal width around the mean; outliers fall into the outermost. */
export function uniformCodebook(values: Float32Array): Codebook {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = values.length === 0 ? 0 : sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const scale = RANGE_IN_SIGMAS * Math.sqrt(squares / Math.max(1, values.length - 1)) / BUCKETS;
  const indices = new Uint8ClampedArray(values.length); // rounds halves to even, as torch does, and clamps
  for (let i = 0; i < values.length; i++) {
    indices[i] = scale === 0 ? BUCKETS / 2 : (values[i]! - mean) / scale + BUCKETS / 2;
  }
  return averaged(values, new Uint8Array(indices.buffer));
}

/** Buckets of equal population. Borders are the exact quantiles; hivemind approximates them above 10^5 values. */
export function quantileCodebook(values: Float32Array): Codebook {
  const sorted = Float32Array.from(values).sort();
  const borders = new Float32Array(BUCKETS - 1);
  for (let i = 0; i < borders.length; i++) borders[i] = quantile(sorted, (i + 1) / BUCKETS);
  const indices = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) indices[i] = countBelow(borders, values[i]!);
  return averaged(values, indices);
}

/** The value at `fraction` of a sorted array, linear between neighbours. */
function quantile(sorted: Float32Array, fraction: number): number {
  if (sorted.length === 0) return 0;
  const at = fraction * (sorted.length - 1);
  const low = Math.floor(at);
  const below = sorted[low]!;
  const above = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return below + (above - below) * (at - low);
}

/** How many borders lie below `value`. */
function countBelow(borders: Float32Array, value: number): number {
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (borders[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function averaged(values: Float32Array, indices: Uint8Array): Codebook {
  const sums = new Float64Array(BUCKETS);
  const counts = new Uint32Array(BUCKETS);
  for (let i = 0; i < values.length; i++) {
    sums[indices[i]!]! += values[i]!;
    counts[indices[i]!]!++;
  }
  return { entries: Float32Array.from(sums, (sum, i) => sum / Math.max(1, counts[i]!)), indices };
}

/** The values that indices stand for. Throws `NodeError` `malformed` for an index past the codebook. */
export function lookUp(entries: Float32Array, indices: Uint8Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const entry = entries[indices[i]!];
    if (entry === undefined) {
      throw new NodeError(
        "malformed",
        `Cannot read tensor: index ${indices[i]} in a codebook of ${entries.length} entries`,
      );
    }
    values[i] = entry;
  }
  return values;
}
