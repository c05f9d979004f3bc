/**
 * The one list of failures of the outside world.
 *
 * @module
 */

/** Why the outside world failed us. `api/` and `cli/` map every code; adding one breaks them until they do. */
export type ErrorCode =
  | "aborted" // the caller gave up or the node stops
  | "timeout"
  | "unreachable" // no connection to the peer, or it left in the middle
  | "refused" // the peer does not speak the protocol, or declined
  | "remote" // the peer's handler failed; the message carries its words
  | "malformed" // bytes that are not what they should be
  | "unsupported"
  | "too_large"
  | "not_found"
  | "busy" // somebody else holds what is needed; later it may work
  | "no_memory"
  | "no_backend" // no engine is usable here
  | "denied" // permissions
  | "corrupt" // a file of ours or of a model is damaged
  | "clock_wrong" // this machine's clock disagrees with the network
  | "usage" // wrong arguments or configuration
  | "not_running"; // the verb needs a running node

/** A failure that callers are expected to tell apart by `code`. Programming mistakes throw `TypeError` or `RangeError`. */
export class NodeError extends Error {
  override readonly name = "NodeError";
  constructor(readonly code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The words of whatever was thrown, never empty: an empty text means something else on the wire. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text === "" ? "unknown error" : text;
}

/**
 * The words of a failure without what could not be done, for a message that says that itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wordsOf(new Error("Cannot connect to /ip6/::1/tcp/1: it is down")), "it is down");
 * assertEquals(wordsOf(new Error("it is down")), "it is down");
 * ```
 */
export const wordsOf = (error: unknown): string => messageOf(error).replace(/^Cannot .*?: (?=.)/s, "");

/** The code of a thrown value, `fallback` for what is not ours; abort and time-out signals are recognised by name. */
export function codeOf(error: unknown, fallback: ErrorCode): ErrorCode {
  if (error instanceof NodeError) return error.code;
  if (error instanceof Error && error.name === "AbortError") return "aborted";
  if (error instanceof Error && error.name === "TimeoutError") return "timeout";
  return fallback;
}
