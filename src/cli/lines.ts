/**
 * Lines that a person or a pipe writes.
 *
 * @module
 */
import { orAbort } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";

/** Longest line taken; a pipe may hold anything. */
const MAX_LINE = 1 << 20;

/** Reads lines one at a time. */
export interface LineSource {
  /** The next line without its end; `undefined` when there are no more. Throws the reason of `signal`. */
  next(signal: AbortSignal): Promise<string | undefined>;
}

/** Lines of a stream of UTF-8. Throws `NodeError` `too_large` for one of more than a million characters. */
export function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): LineSource {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  let ended = false;
  // a read that was given up comes in later, and belongs to the next line
  let reading: Promise<ReadableStreamReadResult<string>> | undefined;
  return {
    async next(signal) {
      while (true) {
        const end = held.indexOf("\n");
        if (end >= 0) {
          const line = held.slice(0, end).replace(/\r$/, "");
          held = held.slice(end + 1);
          return line;
        }
        if (ended) {
          const rest = held;
          held = "";
          return rest === "" ? undefined : rest;
        }
        if (held.length > MAX_LINE) {
          throw new NodeError(
            "too_large",
            `Cannot read a line: it has over ${MAX_LINE} characters, wanted fewer`,
          );
        }
        reading ??= reader.read();
        const { done, value } = await orAbort(reading, signal);
        reading = undefined;
        if (done) ended = true;
        else held += value;
      }
    },
  };
}
