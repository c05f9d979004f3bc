/**
 * `/v1/embeddings`.
 *
 * @module
 */
import * as v from "valibot";
import { Buffer } from "node:buffer";
import type { RequestFacts } from "../access.ts";
import type { TextRouteParts } from "../route_parts.ts";
import { maybe, readBody, wholeIn } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";
import { MODEL_FIELD, text } from "./fields.ts";
import { inItsField } from "./refusals.ts";

/** Texts of one request, as OpenAI bounds them. */
const MAX_TEXTS = 2048;

const ids = v.pipe(v.array(wholeIn(0, 2 ** 31)), v.minLength(1, "one token id or more"));
/** What is embedded; {@linkcode answerEmbeddings} wants something in it. */
export const INPUT = v.union(
  [text, v.array(text), ids, v.array(ids)],
  "text, token ids, or a list of one of them",
);
/** Body of `/v1/embeddings`. */
export const EMBEDDINGS = v.object({
  ...MODEL_FIELD,
  input: INPUT,
  encoding_format: maybe(v.picklist(["float", "base64"], '"float" or "base64"')),
  dimensions: maybe(wholeIn(1, 2 ** 31)),
}, "an object");

/** Embeds texts. */
export async function answerEmbeddings(
  { models }: TextRouteParts,
  httpRequest: Request,
  { signal }: RequestFacts,
): Promise<Response> {
  const body = await readBody(httpRequest, EMBEDDINGS);
  const inputs = inputsOf(body.input);
  if (inputs.length === 0 || inputs.length > MAX_TEXTS) {
    throw fieldError("input", `holds ${inputs.length} texts, wanted 1 to ${MAX_TEXTS}`);
  }
  if (inputs.some((input) => input.length === 0)) {
    throw fieldError("input", "holds an empty text, wanted none");
  }
  const model = await models.open(body.model, signal);
  const { id, hiddenSize } = model.card;
  if (body.dimensions !== undefined && body.dimensions !== hiddenSize) {
    throw fieldError("dimensions", `is ${body.dimensions}, wanted ${hiddenSize}, which ${id} has`);
  }
  const found = await model.embed(inputs, signal).catch((error) => {
    throw inItsField(error, { prompt: "input" });
  });
  const tokens = found.reduce((sum, { tokens }) => sum + tokens, 0);
  return Response.json({
    object: "list",
    data: found.map(({ vector }, index) => ({
      object: "embedding",
      index,
      embedding: body.encoding_format === "base64"
        ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64")
        : [...vector],
    })),
    model: id,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

function inputsOf(input: v.InferOutput<typeof EMBEDDINGS>["input"]): readonly (string | readonly number[])[] {
  if (typeof input === "string") return [input];
  if (typeof input[0] === "number") return [input as number[]];
  return input as (string | number[])[];
}
