/**
 * Routes of Ollama's API.
 *
 * @module
 */
import { EMBED, EMBEDDINGS } from "../ollama/embed.ts";
import { CHAT, GENERATE, IMAGES } from "../ollama/request.ts";
import { CHANGES, SHOW } from "../ollama/routes.ts";
import { answer, failures, jsonAnswer, operation, type Part, STREAM } from "./operation.ts";
import { COUNT, FLAG, listOf, NUMBER, type Schema, schemaOf, shape, TEXT } from "./schema.ts";

const NO_IMAGES: ReadonlyMap<unknown, Schema> = new Map([
  [IMAGES, { type: ["array", "null"], maxItems: 0 }],
]);
const refusals = failures("OllamaError", 400, 401, 403, 404, 413, 429, 500, 502, 503, 504);

const DETAILS = shape({
  parent_model: TEXT,
  format: TEXT,
  family: TEXT,
  families: listOf(TEXT),
  parameter_size: TEXT,
  quantization_level: TEXT,
});
const NAMED = { name: TEXT, model: TEXT, size: COUNT, digest: TEXT, details: DETAILS };
const DURATIONS = {
  "total_duration?": COUNT,
  "load_duration?": COUNT,
  "prompt_eval_count?": COUNT,
  "prompt_eval_duration?": COUNT,
  "eval_count?": COUNT,
  "eval_duration?": COUNT,
};
const SHOWN = shape({
  modelfile: TEXT,
  parameters: TEXT,
  template: TEXT,
  details: DETAILS,
  model_info: { type: "object" },
  capabilities: listOf(TEXT),
  modified_at: TEXT,
});
const answered = (piece: Readonly<Record<string, Schema>>): Schema =>
  shape({ model: TEXT, created_at: TEXT, ...piece, done: FLAG, "done_reason?": TEXT, ...DURATIONS });
const FILLED: Schema = { type: "string", minLength: 1 };
const SHOW_BODY: Schema = {
  ...schemaOf(SHOW),
  anyOf: ["model", "name"].map((name) => shape({ [name]: FILLED })),
};
const MESSAGE = shape({
  role: { const: "assistant" },
  content: TEXT,
  "thinking?": TEXT,
  "tool_calls?": listOf(shape({
    id: TEXT,
    function: shape({ index: COUNT, name: TEXT, arguments: { type: "object" } }),
  })),
});

const get = (summary: string, answered: Schema): Part => ({
  get: operation({
    tag: "ollama",
    summary,
    answers: {
      200: jsonAnswer("As Ollama tells it.", answered),
      ...failures("OllamaError", 401, 403, 429, 500),
    },
  }),
});
const post = (summary: string, body: Schema, answers: Readonly<Record<number, Part>>): Part => ({
  post: operation({ tag: "ollama", summary, body, answers: { ...answers, ...refusals } }),
});
const made = (summary: string, body: Schema, piece: Readonly<Record<string, Schema>>): Part =>
  post(summary, body, {
    200: answer("Lines of JSON, or one object where `stream` is false.", {
      "application/json": answered(piece),
      "application/x-ndjson": STREAM,
    }),
  });

/** What would change the models at hand: refused. */
const refused = (change: string): Part => {
  const refused = operation({
    tag: "ollama",
    summary: `Refused: the owner of the node does this (${change}).`,
    answers: refusals,
  });
  return { post: refused, delete: refused };
};

/** By path. */
export const OLLAMA_PATHS: Readonly<Record<string, Part>> = {
  "/api/version": get("The version whose routes these are.", shape({ version: TEXT, kwaainet: TEXT })),
  "/api/tags": get("The models at hand.", shape({ models: listOf(shape({ ...NAMED, modified_at: TEXT })) })),
  "/api/ps": get(
    "The models that are loaded.",
    shape({
      models: listOf(shape({ ...NAMED, expires_at: TEXT, size_vram: COUNT, context_length: COUNT })),
    }),
  ),
  "/api/show": post("One model.", SHOW_BODY, {
    200: jsonAnswer("The model.", SHOWN),
  }),
  "/api/chat": made("Answers a conversation.", schemaOf(CHAT, NO_IMAGES), { message: MESSAGE }),
  "/api/generate": made("Answers a prompt.", schemaOf(GENERATE, NO_IMAGES), {
    response: TEXT,
    "thinking?": TEXT,
    "context?": listOf(COUNT),
  }),
  "/api/embed": post("Embeds texts.", schemaOf(EMBED), {
    200: jsonAnswer(
      "The vectors.",
      shape({
        model: TEXT,
        embeddings: listOf(listOf(NUMBER)),
        total_duration: COUNT,
        load_duration: COUNT,
        prompt_eval_count: COUNT,
      }),
    ),
  }),
  "/api/embeddings": post("Embeds one text.", schemaOf(EMBEDDINGS), {
    200: jsonAnswer("The vector.", shape({ embedding: listOf(NUMBER) })),
  }),
  ...Object.fromEntries(CHANGES.map((change) => [`/api/${change}`, refused(change)])),
};
