/**
 * The API of OpenAI below `/v1`.
 *
 * @module
 */
import { Hono } from "hono";
import type { TextModelCard } from "../../text/types.ts";
import type { RouteEnvironment, TextRouteParts } from "../route_parts.ts";
import { answerChat } from "./chat.ts";
import { answerCompletions } from "./completions.ts";
import { answerEmbeddings } from "./embeddings.ts";
import { KeptResponses } from "./kept_responses.ts";
import { answerResponses } from "./responses.ts";

/** All routes, with their whole paths. */
export function openaiRoutes(parts: TextRouteParts): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>({ strict: false });
  const { models } = parts;
  app.get("/v1/models", async (call) => {
    const data = (await models.list()).map(modelOf);
    return call.json({
      object: "list",
      data,
      has_more: false,
      first_id: data.at(0)?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
    });
  });
  app.get("/v1/models/:id{.+}", async (call) => {
    const { card } = await models.open(call.req.param("id"), call.env.signal);
    return call.json(modelOf(card));
  });
  app.post("/v1/chat/completions", (call) => answerChat(parts, call.req.raw, call.env));
  app.post("/v1/completions", (call) => answerCompletions(parts, call.req.raw, call.env));
  const kept = new KeptResponses();
  app.post("/v1/responses", (call) => answerResponses({ ...parts, kept }, call.req.raw, call.env));
  app.post("/v1/embeddings", (call) => answerEmbeddings(parts, call.req.raw, call.env));
  return app;
}

/** A model as OpenAI's clients know it, and beside that as Anthropic's do, which ask the same route. */
const modelOf = ({ id, createdAtSeconds, contextLength, runs }: TextModelCard) => ({
  id,
  object: "model",
  created: createdAtSeconds,
  owned_by: "kwaainet",
  type: "model",
  display_name: id,
  created_at: new Date(createdAtSeconds * 1000).toISOString(),
  max_input_tokens: contextLength,
  max_model_len: contextLength,
  runs,
});
