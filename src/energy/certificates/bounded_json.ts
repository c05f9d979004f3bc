/**
 * JSON from strangers: of bounded length and depth, and text that cannot move a terminal's cursor.
 *
 * @module
 */
import * as v from "valibot";
import { NodeError } from "../../base/errors.ts";

/** Longest file or answer that is read: a month of hourly bundles of ten devices has about 5 MB. */
export const MAX_JSON_BYTES = 8 << 20;
/** Deepest nesting. A bundle in a list in an answer has 4; what recurses over deeper ones could exhaust the stack. */
const MAX_DEPTH = 16;
/** Longest text of a field. */
const MAX_TEXT = 256;

/** A line of text: no control characters, no marks that turn the direction of reading. */
export const plainText = v.pipe(
  v.string("a text"),
  v.nonEmpty("a text that is not empty"),
  v.maxLength(MAX_TEXT, `a text of at most ${MAX_TEXT} characters`),
  v.regex(/^[^\p{Cc}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*$/u, "plain text"),
);

/** A whole number that JSON can carry without loss, both ends included. */
export const wholeNumber = (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  v.pipe(
    v.number("a whole number"),
    v.safeInteger("a whole number below 2^53"),
    v.minValue(min, `${min} or more`),
    v.maxValue(max, `${max} or less`),
  );

/** The value that `text` holds. Throws `NodeError` `too_large`, `malformed`; `what` completes `Cannot read …`. */
export function parseJson(text: string, what: string): unknown {
  if (text.length > MAX_JSON_BYTES) {
    throw new NodeError("too_large", `Cannot read ${what}: it is longer than ${MAX_JSON_BYTES} characters`);
  }
  if (depthOf(text) > MAX_DEPTH) {
    throw new NodeError("malformed", `Cannot read ${what}: it is nested deeper than ${MAX_DEPTH}`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NodeError("malformed", `Cannot read ${what}: it is no JSON`, { cause });
  }
}

/** Checks `value`. Throws `NodeError` `malformed` that names the first field that is wrong, never its value. */
export function checkShape<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  // dot paths are names of ours or indices; a stranger's own names are kept out of the message
  const path = v.getDotPath(issue)?.replace(/[^\w.]/g, "?").slice(0, 100);
  const wanted = /^Invalid/.test(issue.message) ? `${issue.expected ?? "another value"}` : issue.message;
  throw new NodeError(
    "malformed",
    `Cannot read ${what}: ${path === undefined ? "it" : `"${path}"`} is something else, wanted ${wanted}`,
  );
}

/** Deepest nesting of brackets outside texts; stops counting a little above what is allowed. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length && deepest <= MAX_DEPTH; at++) {
    const character = text.charCodeAt(at);
    if (quoted) {
      if (character === BACKSLASH) at++;
      else if (character === QUOTE) quoted = false;
    } else if (character === QUOTE) quoted = true;
    else if (character === OPEN_LIST || character === OPEN_OBJECT) deepest = Math.max(deepest, ++depth);
    else if (character === CLOSE_LIST || character === CLOSE_OBJECT) depth--;
  }
  return deepest;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
