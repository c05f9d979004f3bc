/**
 * `BLOCKWISE_8BIT`: blocks of 4096 values scaled to their largest magnitude, each value the index of the nearest entry
 * of a "dynamic" codebook, which is fine near zero (Dettmers et al., 8-bit Optimizers via Block-wise Quantization,
 * 2022; bitsandbytes 0.45.5 chooses the same indices).
 *
 * @module
 */
import { viewOf } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";
import { lookUp } from "./codebook.ts";

/** Values that share one scale: fixed by hivemind. */
const BLOCK_VALUES = 4096;

/** Count of scales, count of entries, scales, entries, one index for each value. */
export function quantizeBlockwise(values: Float32Array): Uint8Array {
  const blocks = Math.ceil(values.length / BLOCK_VALUES);
  const entries = dynamicCodebook();
  const out = new Uint8Array(16 + 4 * (blocks + entries.length) + values.length);
  const view = viewOf(out);
  view.setBigInt64(0, BigInt(blocks), true);
  view.setBigInt64(8, BigInt(entries.length), true);
  entries.forEach((entry, i) => view.setFloat32(16 + 4 * (blocks + i), entry, true));
  const indicesAt = 16 + 4 * (blocks + entries.length);
  for (let block = 0; block < blocks; block++) {
    const from = block * BLOCK_VALUES;
    const part = values.subarray(from, from + BLOCK_VALUES);
    const largest = part.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    view.setFloat32(16 + 4 * block, largest, true);
    for (let i = 0; i < part.length; i++) {
      out[indicesAt + from + i] = nearest(entries, largest === 0 ? 0 : Math.fround(part[i]! / largest));
    }
  }
  return out;
}

/** Inverse of {@linkcode quantizeBlockwise} for `count` values. Throws `NodeError` `malformed`. */
export function dequantizeBlockwise(buffer: Uint8Array, count: number): Float32Array<ArrayBuffer> {
  const blocks = Math.ceil(count / BLOCK_VALUES);
  if (buffer.length < 16) throw malformed(`${buffer.length} bytes, wanted two counts`);
  const view = viewOf(buffer);
  const scales = view.getBigInt64(0, true);
  const size = view.getBigInt64(8, true);
  if (scales !== BigInt(blocks)) throw malformed(`${scales} scales for ${count} values, wanted ${blocks}`);
  if (size < 0n || size > 256n) throw malformed(`a codebook of ${size} entries, wanted at most 256`);
  const entriesAt = 16 + 4 * blocks;
  const indicesAt = entriesAt + 4 * Number(size);
  if (buffer.length !== indicesAt + count) {
    throw malformed(`${buffer.length} bytes of elements, wanted ${indicesAt + count}`);
  }
  const entries = new Float32Array(new Uint8Array(buffer.subarray(entriesAt, indicesAt)).buffer);
  const values = lookUp(entries, buffer.subarray(indicesAt));
  for (let block = 0; block < blocks; block++) {
    const scale = view.getFloat32(16 + 4 * block, true);
    const end = Math.min(count, (block + 1) * BLOCK_VALUES);
    for (let i = block * BLOCK_VALUES; i < end; i++) values[i]! *= scale;
  }
  return values;
}

let codebook: Float32Array | undefined;

/**
 * 256 entries from -1 to 1: seven decades with twice as many linear steps in each, both signs, 0 and 1.
 * The lowest would be -0.993; bitsandbytes puts -1 in its place on CPUs.
 */
function dynamicCodebook(): Float32Array {
  if (codebook !== undefined) return codebook;
  const entries = [0, 1];
  for (let decade = 0; decade < 7; decade++) {
    const steps = 2 ** decade;
    for (let step = 0; step < steps; step++) {
      const entry = 10 ** (decade - 6) * (0.1 + 0.9 * (step + 0.5) / steps);
      entries.push(entry, -entry);
    }
  }
  codebook = Float32Array.from(entries).sort();
  codebook[0] = -1;
  return codebook;
}

function nearest(entries: Float32Array, value: number): number {
  let low = 0;
  let high = entries.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (entries[middle]! <= value) low = middle;
    else high = middle;
  }
  return value - entries[low]! <= entries[high]! - value ? low : high;
}

const malformed = (what: string) => new NodeError("malformed", `Cannot read tensor: ${what}`);
