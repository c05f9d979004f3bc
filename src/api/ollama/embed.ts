/**
 * Embeddings, as Ollama's clients ask for them.
 *
 * @module
 */
import * as v from "valibot";
import { NodeError } from "../../base/errors.ts";
import type { Embedding, TextModel } from "../../text/types.ts";
import { maybe, wholeIn } from "../request_body.ts";
import { MODEL_FIELD } from "./request.ts";

const text = v.string("text");

/** Body of `/api/embed`. */
export const EMBED = v.object({
  ...MODEL_FIELD,
  input: v.pipe(
    v.union([text, v.array(text)], "text or a list of texts"),
    v.transform((input) => typeof input === "string" ? [input] : input),
  ),
  truncate: maybe(v.boolean("true or false")),
  dimensions: maybe(wholeIn(1, 2 ** 20)),
}, "an object");

/** Body of `/api/embeddings`, which is older. */
export const EMBEDDINGS = v.object({ ...MODEL_FIELD, prompt: text }, "an object");

/** Embeddings of texts; those longer than the context are cut, or refused where `truncate` is false. */
export async function embedTexts(
  model: TextModel,
  texts: readonly string[],
  { truncate = true }: { readonly truncate?: boolean | undefined },
  signal: AbortSignal,
): Promise<readonly Embedding[]> {
  if (texts.length === 0) return [];
  const { contextLength } = model.card;
  const fitting = texts.map((text) => {
    const ids = model.tokenize(text);
    if (ids.length <= contextLength) return text;
    if (truncate) return ids.slice(0, contextLength);
    throw new NodeError(
      "usage",
      `Cannot embed: input has ${ids.length} tokens, wanted at most ${contextLength} (or truncate)`,
    );
  });
  return await model.embed(fitting, signal);
}

/** The first `dimensions` numbers of a vector, of length 1 again. */
export function vectorOf({ vector }: Embedding, dimensions = vector.length): number[] {
  if (dimensions >= vector.length) return [...vector];
  const cut = vector.subarray(0, dimensions);
  const length = Math.hypot(...cut) || 1;
  return [...cut].map((value) => value / length);
}
