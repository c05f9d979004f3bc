/**
 * Fields that several of OpenAI's requests have.
 *
 * @module
 */
import * as v from "valibot";
import type { Sampling } from "../../text/sample.ts";
import type { AnswerForm, TextRequest } from "../../text/types.ts";
import { jsonObject, maybe, missingField, numberIn, SEED, seedOf, wholeIn } from "../request_body.ts";

/** Text. */
export const text = v.string("text");

/** Texts that end an answer: one or several. */
export const stops = v.pipe(
  v.union([text, v.pipe(v.array(text), v.maxLength(16, "16 texts or fewer"))], "text or a list of texts"),
  v.transform((stop) => (typeof stop === "string" ? [stop] : stop).filter((one) => one !== "")),
);

/** The model that is asked. */
export const MODEL_FIELD = { model: maybe(v.pipe(text, v.nonEmpty("the name of a model"))) };

/** How tokens are chosen; the last three are no fields of OpenAI's own, but clients of local models send them. */
export const SAMPLING_FIELDS = {
  temperature: maybe(numberIn(0, 2)),
  top_p: maybe(numberIn(0, 1)),
  frequency_penalty: maybe(numberIn(-2, 2)),
  presence_penalty: maybe(numberIn(-2, 2)),
  logit_bias: maybe(
    v.record(v.pipe(text, v.regex(/^\d{1,7}$/, "token ids")), numberIn(-100, 100), "biases by token id"),
  ),
  seed: maybe(SEED),
  top_k: maybe(wholeIn(-1, 2 ** 31)),
  min_p: maybe(numberIn(0, 1)),
  repetition_penalty: maybe(numberIn(0.01, 100)),
};

/** Fields of an answer that comes in parts. */
export const STREAM_FIELDS = {
  stream: maybe(v.boolean("true or false")),
  stream_options: maybe(v.object({ include_usage: maybe(v.boolean("true or false")) }, "an object")),
};

const SAMPLING = v.object(SAMPLING_FIELDS);

/** What a request says of sampling. Its temperature is 1 where none is named, as OpenAI documents. */
export function samplingOf(body: v.InferOutput<typeof SAMPLING>): Pick<TextRequest, "sampling" | "seed"> {
  const { temperature = 1, top_p: topP = 1, top_k: topK = 0, min_p: minP = 0, seed } = body;
  const { repetition_penalty: repetitionPenalty = 1 } = body;
  const { frequency_penalty: frequencyPenalty = 0, presence_penalty: presencePenalty = 0 } = body;
  const bias = new Map(Object.entries(body.logit_bias ?? {}).map(([id, added]) => [Number(id), added]));
  const sampling: Sampling = {
    temperature,
    // no probability at all is reached by the likeliest token
    ...(topP === 0 ? { topK: 1 } : topK > 0 ? { topK } : {}),
    ...(topP > 0 && topP < 1 ? { topP } : {}),
    ...(minP > 0 ? { minP } : {}),
    ...(repetitionPenalty === 1 ? {} : { repetitionPenalty }),
    ...(frequencyPenalty === 0 ? {} : { frequencyPenalty }),
    ...(presencePenalty === 0 ? {} : { presencePenalty }),
    ...(bias.size === 0 ? {} : { bias }),
  };
  return { sampling, ...(seed === undefined ? {} : { seed: seedOf(seed) }) };
}

/** The same request for the `index`-th answer to one question. */
export const nthRequest = (request: TextRequest, index: number): TextRequest =>
  index === 0 || request.seed === undefined
    ? request
    : { ...request, seed: (request.seed + index) % 2 ** 53 };

/** The form of an answer, as chat (`response_format`) and responses (`text.format`) name it. */
export const FORMAT = v.variant("type", [
  v.object({ type: v.literal("text") }),
  v.object({ type: v.literal("json_object") }),
  v.object({
    type: v.literal("json_schema"),
    json_schema: maybe(v.object({ schema: maybe(jsonObject) }, "an object")),
    schema: maybe(jsonObject),
    // responses tell them again
    name: maybe(text),
    description: maybe(text),
    strict: maybe(v.boolean("true or false")),
  }),
], 'an object whose type is "text", "json_object" or "json_schema"');

/** What a format means; nothing for free text. Throws `NodeError` `usage` that names `field` where it has no schema. */
export function formOf(
  format: v.InferOutput<typeof FORMAT> | undefined,
  field: string,
): { readonly form?: AnswerForm } {
  if (format === undefined || format.type === "text") return {};
  if (format.type === "json_object") return { form: { kind: "json" } };
  if (format.json_schema === undefined && format.schema === undefined) throw missingField(field);
  return { form: { kind: "schema", schema: format.json_schema?.schema ?? format.schema ?? {} } };
}
