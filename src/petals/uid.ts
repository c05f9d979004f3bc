/**
 * Names of blocks: `prefix.N` for one, several joined by a space for a span.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { type BlockRange, containsRange } from "../base/tensor.ts";

/** Longest prefix; Hugging Face allows 96 characters for a repository's name. */
const MAX_PREFIX = 200;
/** What an error text repeats of a foreign uid. */
const MAX_SHOWN = 200;

/** A block by its model's prefix and its place. */
export interface BlockUid {
  readonly prefix: string;
  readonly block: number;
}

/** Throws `NodeError` `usage` for a prefix that could not be told from the rest of a uid. */
export function requirePrefix(prefix: string): void {
  if (!/^[^.\s]+$/.test(prefix) || prefix.length > MAX_PREFIX) {
    throw new NodeError(
      "usage",
      `Cannot use prefix ${
        JSON.stringify(prefix.slice(0, MAX_SHOWN))
      }: wanted 1 to ${MAX_PREFIX} characters, no dot or space`,
    );
  }
}

/**
 * The parts of one uid; `undefined` for anything else.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseUid("Llama-2-7b-hf.31"), { prefix: "Llama-2-7b-hf", block: 31 });
 * assertEquals(parseUid("Llama-2-7b-hf.031"), undefined);
 * ```
 */
export function parseUid(uid: string): BlockUid | undefined {
  const match = /^([^.\s]+)\.(0|[1-9]\d{0,8})$/.exec(uid);
  return match === null ? undefined : { prefix: match[1]!, block: Number(match[2]) };
}

/** `prefix.N`. */
export const uidOf = (prefix: string, block: number): string => `${prefix}.${block}`;

/** The uids of a range, in order: the keys of its DHT records. */
export function uidsOf(prefix: string, { start, end }: BlockRange): string[] {
  return Array.from({ length: end - start }, (_, i) => uidOf(prefix, start + i));
}

/** A range as RPCs name it: `prefix.0 prefix.1`. */
export const spanUid = (prefix: string, range: BlockRange): string => uidsOf(prefix, range).join(" ");

/**
 * The blocks that an RPC asks of a server of `served`. Throws `NodeError` `refused` in the stock server's words for a
 * uid it does not serve, and `unsupported` for blocks that do not follow each other, which Petals never asks for.
 */
export function parseSpan(uids: string, prefix: string, served: BlockRange): BlockRange {
  const numbers: number[] = [];
  for (let at = 0; at <= uids.length;) {
    const space = uids.indexOf(" ", at);
    const uid = uids.slice(at, space < 0 ? uids.length : space);
    const parsed = parseUid(uid);
    const block = parsed?.prefix === prefix ? parsed.block : -1;
    if (!containsRange(served, { start: block, end: block + 1 })) {
      throw new NodeError("refused", `Remote peer does not serve ${uid.slice(0, MAX_SHOWN)}`);
    }
    if (numbers.length > 0 && block !== numbers.at(-1)! + 1) {
      throw new NodeError(
        "unsupported",
        `Blocks must follow each other, got ${prefix}.${block} after ${prefix}.${numbers.at(-1)}`,
      );
    }
    numbers.push(block);
    at = space < 0 ? uids.length + 1 : space + 1;
  }
  return { start: numbers[0]!, end: numbers.at(-1)! + 1 };
}
