/**
 * The messages of Anthropic, for the clients that speak them: `/v1/messages` and `/v1/messages/count_tokens`.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { toHex } from "../../base/bytes.ts";
import type { TextEvent } from "../../text/types.ts";
import { failureBody, failureOf } from "../http_error.ts";
import type { RouteEnvironment, TextRouteParts } from "../route_parts.ts";
import { continuedPrompt, promptIds } from "../rendered_prompt.ts";
import { readBody } from "../request_body.ts";
import { streamedAnswer } from "../streamed_answer.ts";
import { wholeAnswer } from "../whole_answer.ts";
import { formOf, messageOf } from "./answer.ts";
import { chatPrompt } from "./prompt.ts";
import { answerSettings, COUNT, MESSAGES, refuseThread } from "./request.ts";
import { eventOf, MessageStream } from "./stream.ts";

type Call = Context<RouteEnvironment>;

/** All routes, with their whole paths. */
export function anthropicRoutes(parts: TextRouteParts): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>({ strict: false });
  app.post("/v1/messages", (call) => messages(parts, call));
  app.post("/v1/messages/count_tokens", (call) => countTokens(parts, call));
  return app;
}

async function messages({ models, world }: TextRouteParts, call: Call): Promise<Response> {
  const body = await readBody(call.req.raw, MESSAGES);
  refuseThread(body);
  const chat = chatPrompt(body);
  const { signal } = call.env;
  const model = await models.open(body.model, signal);
  const request = { prompt: continuedPrompt(model, chat), ...answerSettings(body) };
  const name = { id: `msg_${toHex(world.random(12))}`, model: body.model };
  const form = formOf(body);
  if (body.stream !== true) {
    return call.json(messageOf(name, await wholeAnswer(model.answer(request, signal)), form));
  }
  const failed = (error: unknown) => eventOf("error", failureBody(failureOf(error), call.env));
  return await streamedAnswer(
    {
      contentType: "text/event-stream",
      failed,
      log: world.log,
      quiet: { clock: world.clock, part: eventOf("ping", {}) },
    },
    (signal) => told(new MessageStream(name, form), model.answer(request, signal)),
    signal,
  );
}

async function* told(
  stream: MessageStream,
  events: AsyncIterable<TextEvent>,
): AsyncGenerator<string, void, void> {
  for await (const event of events) yield stream.tell(event);
}

async function countTokens({ models }: TextRouteParts, call: Call): Promise<Response> {
  const body = await readBody(call.req.raw, COUNT);
  const chat = chatPrompt(body);
  const model = await models.open(body.model, call.env.signal);
  const prompt = continuedPrompt(model, chat);
  const ids = prompt.kind === "tokens" ? prompt.ids : promptIds(model, chat);
  return call.json({ input_tokens: ids.length });
}
