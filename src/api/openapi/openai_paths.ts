/**
 * Routes of OpenAI's API.
 *
 * @module
 */
import { CHAT, CONTENT, RAW_CONTENT } from "../openai/chat_request.ts";
import { COMPLETIONS } from "../openai/completions.ts";
import { EMBEDDINGS, INPUT } from "../openai/embeddings.ts";
import { ITEM } from "../openai/responses_items.ts";
import { CONVERSATION, RESPONSES } from "../openai/responses_request.ts";
import { NAMESPACE, RAW_TOOL, TOOL } from "../openai/responses_tools.ts";
import { answer, failures, inPath, jsonAnswer, operation, type Part, STREAM } from "./operation.ts";
import {
  ANY,
  COUNT,
  listOf,
  NUMBER,
  oneOf,
  orNull,
  type Schema,
  schemaOf,
  shape,
  TEXT,
  withFields,
} from "./schema.ts";

const EVENTS = "text/event-stream";
const refusals = (...more: readonly number[]) =>
  failures("Error", 400, 401, 403, 404, 413, 429, 500, ...more);
const MAKING = [502, 503, 504];

const KWAAI = shape({
  passes: COUNT,
  guessed: COUNT,
  seconds: NUMBER,
  first_token_seconds: NUMBER,
  hops: listOf(shape({ peer: TEXT, blocks: listOf(COUNT) })),
  "joules?": NUMBER,
  "method?": TEXT,
});
const USAGE = shape({
  prompt_tokens: COUNT,
  completion_tokens: COUNT,
  total_tokens: COUNT,
  prompt_tokens_details: shape({ cached_tokens: COUNT }),
  "completion_tokens_details?": shape({ reasoning_tokens: COUNT }),
});
const SCORE = { token: TEXT, logprob: NUMBER, bytes: orNull(listOf(COUNT)) };
const SCORED = listOf(shape({ ...SCORE, top_logprobs: listOf(shape(SCORE)) }));
const CALL = shape({
  id: TEXT,
  type: { const: "function" },
  function: shape({ name: TEXT, arguments: TEXT }),
});
const FINISH = orNull(oneOf("stop", "length", "tool_calls"));
const head = (object: string): Readonly<Record<string, Schema>> => ({
  id: TEXT,
  object: { const: object },
  created: COUNT,
  model: TEXT,
});

const MODEL = shape({
  id: TEXT,
  object: { const: "model" },
  created: COUNT,
  owned_by: TEXT,
  type: { const: "model" },
  display_name: TEXT,
  created_at: TEXT,
  max_input_tokens: COUNT,
  max_model_len: COUNT,
  runs: oneOf("solo", "swarm"),
});
const MODELS = shape({
  object: { const: "list" },
  data: listOf(MODEL),
  has_more: { const: false },
  first_id: orNull(TEXT),
  last_id: orNull(TEXT),
});
const CHATTED = shape({
  ...head("chat.completion"),
  choices: listOf(shape({
    index: COUNT,
    message: shape({
      role: { const: "assistant" },
      content: orNull(TEXT),
      refusal: { type: "null" },
      "reasoning_content?": TEXT,
      "tool_calls?": listOf(CALL),
    }),
    logprobs: orNull(shape({ content: SCORED, refusal: { type: "null" } })),
    finish_reason: FINISH,
  })),
  usage: USAGE,
  "kwaai?": KWAAI,
});
const COMPLETED = shape({
  ...head("text_completion"),
  choices: listOf(shape({
    text: TEXT,
    index: COUNT,
    logprobs: orNull(shape({
      tokens: listOf(TEXT),
      token_logprobs: listOf(orNull(NUMBER)),
      top_logprobs: listOf(orNull({ type: "object", additionalProperties: NUMBER })),
      text_offset: listOf(COUNT),
    })),
    finish_reason: FINISH,
  })),
  usage: USAGE,
  "kwaai?": KWAAI,
});
const RESPONDED = shape({
  id: TEXT,
  object: { const: "response" },
  created_at: COUNT,
  model: TEXT,
  status: oneOf("completed", "incomplete"),
  completed_at: orNull(COUNT),
  background: { const: false },
  error: { type: "null" },
  incomplete_details: orNull(shape({ reason: TEXT })),
  instructions: orNull(TEXT),
  frequency_penalty: NUMBER,
  max_output_tokens: orNull(COUNT),
  max_tool_calls: { type: "null" },
  output: listOf(shape({ id: TEXT, type: oneOf("message", "function_call"), status: TEXT })),
  parallel_tool_calls: { type: "boolean" },
  presence_penalty: NUMBER,
  previous_response_id: orNull(TEXT),
  prompt_cache_key: orNull(TEXT),
  safety_identifier: orNull(TEXT),
  service_tier: { const: "default" },
  store: { type: "boolean" },
  temperature: NUMBER,
  text: { type: "object" },
  tool_choice: ANY,
  tools: listOf(ANY),
  top_logprobs: COUNT,
  top_p: NUMBER,
  usage: shape({
    input_tokens: COUNT,
    input_tokens_details: shape({ cached_tokens: COUNT }),
    output_tokens: COUNT,
    output_tokens_details: shape({ reasoning_tokens: COUNT }),
    total_tokens: COUNT,
  }),
  metadata: { type: "object" },
  "kwaai?": KWAAI,
});
const EMBEDDED = shape({
  object: { const: "list" },
  data: listOf(shape({
    object: { const: "embedding" },
    index: COUNT,
    embedding: { anyOf: [listOf(NUMBER), { type: "string", contentEncoding: "base64" }] },
  })),
  model: TEXT,
  usage: shape({ prompt_tokens: COUNT, total_tokens: COUNT }),
});

const PARTS: Schema = {
  anyOf: [
    TEXT,
    listOf({
      anyOf: [
        shape({ type: oneOf("input_text", "output_text", "text"), text: TEXT }),
        shape({ type: { const: "refusal" }, refusal: TEXT }),
      ],
    }),
  ],
};
const typed = (type: string, more: Readonly<Record<string, Schema>>): Schema =>
  shape({ type: { const: type }, ...more });
const INPUT_ITEM: Schema = {
  anyOf: [
    shape({
      "type?": { enum: ["message", null] },
      role: oneOf("system", "developer", "user", "assistant"),
      content: PARTS,
    }),
    typed("function_call", { call_id: TEXT, name: TEXT, "namespace?": TEXT, arguments: TEXT }),
    typed("function_call_output", { call_id: TEXT, output: PARTS }),
    typed("reasoning", {}),
    typed("item_reference", { id: TEXT }),
  ],
};

const ELSEWHERE = shape({ type: { ...TEXT, not: oneOf("function", "namespace") } });
const RESPONSE_TOOL: Schema = {
  anyOf: [
    schemaOf(TOOL),
    schemaOf(NAMESPACE, new Map([[RAW_TOOL, { anyOf: [schemaOf(TOOL), ELSEWHERE] }]])),
    // tools that run elsewhere are taken, and not offered to the model
    ELSEWHERE,
  ],
};

const FILLED: Schema = { type: "string", minLength: 1 };
const IDS: Schema = { ...listOf({ type: "integer", minimum: 0, maximum: 2 ** 31 }), minItems: 1 };
const TO_EMBED: Schema = {
  anyOf: [FILLED, IDS, ...[FILLED, IDS].map((one) => ({ ...listOf(one), minItems: 1, maxItems: 2048 }))],
};

const TO_CONTINUE: Schema = {
  anyOf: [TEXT, IDS, ...[TEXT, IDS].map((one) => ({ ...listOf(one), minItems: 1, maxItems: 128 }))],
};

const made = (summary: string, body: Schema, answered: Schema): Part => ({
  post: operation({
    tag: "openai",
    summary,
    body,
    answers: {
      200: answer("Whole, or in parts where `stream` is true.", {
        "application/json": answered,
        [EVENTS]: STREAM,
      }),
      ...refusals(...MAKING),
    },
  }),
});

/** By path. */
export const OPENAI_PATHS: Readonly<Record<string, Part>> = {
  "/v1/models": {
    get: operation({
      tag: "openai",
      summary: "The models that answer.",
      answers: {
        200: jsonAnswer("Models.", MODELS),
        ...failures("Error", 401, 403, 429, 500),
      },
    }),
  },
  "/v1/models/{id}": {
    get: operation({
      tag: "openai",
      summary: "One model.",
      parameters: [inPath("id")],
      answers: { 200: jsonAnswer("The model.", MODEL), ...failures("Error", 401, 403, 404, 429, 500, 503) },
    }),
  },
  "/v1/chat/completions": made(
    "Answers a conversation.",
    {
      ...schemaOf(CHAT, new Map([[RAW_CONTENT, schemaOf(CONTENT)]])),
      anyOf: [
        { properties: { top_logprobs: { type: "null" } } },
        { properties: { logprobs: { const: true } }, required: ["logprobs"] },
      ],
    },
    CHATTED,
  ),
  "/v1/completions": made(
    "Continues a text.",
    withFields(schemaOf(COMPLETIONS), { prompt: TO_CONTINUE, suffix: { enum: ["", null] } }, ["prompt"]),
    COMPLETED,
  ),
  "/v1/responses": made(
    "Answers a conversation in items.",
    withFields(
      schemaOf(
        RESPONSES,
        new Map<unknown, Schema>([
          [ITEM, INPUT_ITEM],
          [RAW_TOOL, RESPONSE_TOOL],
          [CONVERSATION, { type: "null" }],
        ]),
      ),
      { background: { enum: [false, null] } },
    ),
    RESPONDED,
  ),
  "/v1/embeddings": {
    post: operation({
      tag: "openai",
      summary: "Embeds texts.",
      body: schemaOf(EMBEDDINGS, new Map([[INPUT, TO_EMBED]])),
      answers: { 200: jsonAnswer("The vectors, of length 1.", EMBEDDED), ...refusals(...MAKING) },
    }),
  },
};
