/**
 * Which part of a request cannot be met: whoever speaks a protocol knows what that part is called there.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** What a request is made of, where a model may refuse it; `length` is that of the prompt. */
export type RequestPart = "prompt" | "length" | "tools" | "form" | "stop" | "bias";

/** The cause of a failure that one part of a request has. */
class WrongPart extends Error {
  constructor(readonly part: RequestPart, options?: ErrorOptions) {
    super(part, options);
  }
}

/** The failure of a part. */
export const partError = (part: RequestPart, message: string): NodeError =>
  new NodeError("usage", message, { cause: new WrongPart(part) });

/** The part that `error` is the failure of, if it is of one. */
export const partOf = (error: unknown): RequestPart | undefined =>
  error instanceof NodeError && error.cause instanceof WrongPart ? error.cause.part : undefined;

/**
 * The same failure as that of a part, where it is one of usage and of no part yet; everything else as it is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { NodeError } from "../base/errors.ts";
 *
 * const refused = new NodeError("usage", "Cannot keep the form: it is none, wanted one");
 * assertEquals(partOf(inPart("form", refused)), "form");
 * assertEquals(partOf(inPart("prompt", inPart("form", refused))), "form");
 * ```
 */
export function inPart(part: RequestPart, error: unknown): unknown {
  if (!(error instanceof NodeError) || error.code !== "usage" || partOf(error) !== undefined) return error;
  return new NodeError(error.code, error.message, { cause: new WrongPart(part, { cause: error }) });
}
