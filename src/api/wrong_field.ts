/**
 * Which field of a request was wrong.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** A wrong field. */
export interface FieldFault {
  /** Its path, such as `messages.0.content`. */
  readonly param: string;
  /** The protocol's own name for what is wrong, where clients look for it and do something about it by themselves. */
  readonly reason: string | undefined;
}

/** The cause of a failure that one field has. */
class WrongField extends Error implements FieldFault {
  constructor(readonly param: string, readonly reason: string | undefined) {
    super(param);
  }
}

/** The failure of the field `param`. `words` say what it is and what was wanted. */
export const fieldError = (param: string, words: string, reason?: string): NodeError =>
  inField(param, new NodeError("usage", `Cannot answer: ${param} ${words}`), reason);

/** The same failure as that of the field `param`. */
export const inField = (param: string, { code, message }: NodeError, reason?: string): NodeError =>
  new NodeError(code, message, { cause: new WrongField(param, reason) });

/** What `error` is the failure of, if it is that of a field. */
export const fieldOf = (error: Error): FieldFault | undefined =>
  error.cause instanceof WrongField ? error.cause : undefined;
