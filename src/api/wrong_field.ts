/**
 * Which field of a request was wrong.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** The cause of a failure that one field has; `param` is its path, such as `messages.0.content`. */
class WrongField extends Error {
  constructor(readonly param: string) {
    super(param);
  }
}

/** The failure of the field `param`. `words` say what it is and what was wanted. */
export const fieldError = (param: string, words: string): NodeError =>
  new NodeError("usage", `Cannot answer: ${param} ${words}`, { cause: new WrongField(param) });

/** The same failure as that of the field `param`. */
export const inField = (param: string, { code, message }: NodeError): NodeError =>
  new NodeError(code, message, { cause: new WrongField(param) });

/** The field that `error` is the failure of, if it is of one. */
export const fieldOf = (error: Error): string | undefined =>
  error.cause instanceof WrongField ? error.cause.param : undefined;
