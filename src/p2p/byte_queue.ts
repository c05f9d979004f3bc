/**
 * Bytes that arrive in pieces and leave in others.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";

/** Collects chunks; joins them only when a piece is taken, so that a long message costs one copy. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }

  /** Appends `chunk`; it must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The first `count` bytes, left in place, or all where there are fewer. */
  peek(count: number): Uint8Array {
    const first = this.#chunks[0];
    if (first === undefined) return new Uint8Array(0);
    if (first.length >= count) return first.subarray(0, count);
    const parts: Uint8Array[] = [];
    let have = 0;
    for (const chunk of this.#chunks) {
      parts.push(chunk);
      have += chunk.length;
      if (have >= count) break;
    }
    return concatBytes(...parts).subarray(0, count);
  }

  /** Removes and gives the first `count` bytes in memory of their own. Throws `RangeError` where there are fewer. */
  take(count: number): Uint8Array<ArrayBuffer> {
    if (count > this.#length) throw new RangeError(`Cannot take ${count} bytes: ${this.#length} are there`);
    const out = new Uint8Array(count);
    let at = 0;
    let whole = 0;
    while (at < count) {
      const chunk = this.#chunks[whole]!;
      const part = Math.min(chunk.length, count - at);
      out.set(part === chunk.length ? chunk : chunk.subarray(0, part), at);
      at += part;
      if (part === chunk.length) whole++;
      else this.#chunks[whole] = chunk.subarray(part);
    }
    this.#chunks.splice(0, whole);
    this.#length -= count;
    return out;
  }
}
