/**
 * Multistream-select 1.0 with the proposal and the payload in one write, so that a call costs one round trip
 * (github.com/multiformats/multistream-select; go-libp2p's lazy negotiation does the same). Pure: bytes in, bytes out.
 *
 * @module
 */
import { concatBytes, decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import { decodeUvarint, encodeUvarint } from "../base/uvarint.ts";
import { ByteQueue } from "./byte_queue.ts";

const HEADER = "/multistream/1.0.0";
/** Longest line read. */
const MAX_LINE_BYTES = 1024;

const line = (text: string): Uint8Array => {
  const bytes = encodeUtf8(`${text}\n`);
  return concatBytes(encodeUvarint(bytes.length), bytes);
};

/** The proposal of `protocol`; the payload follows in the same write. */
export const encodeSelect = (protocol: string): Uint8Array => concatBytes(line(HEADER), line(protocol));

/** Strips the callee's echo of the proposal from the head of its answer. */
export class SelectReader {
  readonly #queue = new ByteQueue();
  readonly #expected: string[];

  constructor(protocol: string) {
    this.#expected = [HEADER, protocol];
  }

  /** Whether the protocol was agreed on. */
  get done(): boolean {
    return this.#expected.length === 0;
  }

  /**
   * What of `chunk` follows the two lines. Throws `NodeError` `refused` when the callee does not speak the protocol,
   * `malformed` for any other answer.
   */
  push(chunk: Uint8Array): Uint8Array {
    if (this.done) return chunk;
    this.#queue.push(chunk);
    while (this.#expected.length > 0) {
      const text = this.#line();
      if (text === undefined) return new Uint8Array(0);
      const [expected] = this.#expected;
      if (text === "na\n") throw new NodeError("refused", `Cannot call ${expected}: protocol not supported`);
      if (text !== `${expected}\n`) {
        throw new NodeError(
          "malformed",
          `Cannot select ${expected}: the peer answers ${JSON.stringify(text.slice(0, 80))}`,
        );
      }
      this.#expected.shift();
    }
    return this.#queue.take(this.#queue.length);
  }

  #line(): string | undefined {
    const head = decodeUvarint(this.#queue.peek(10));
    if (head === undefined) return undefined;
    if (head.value > MAX_LINE_BYTES) {
      throw new NodeError(
        "malformed",
        `Cannot select a protocol: a line of ${head.value} bytes, the most is ${MAX_LINE_BYTES}`,
      );
    }
    if (this.#queue.length < head.next + head.value) return undefined;
    this.#queue.take(head.next);
    return decodeUtf8(this.#queue.take(head.value));
  }
}
