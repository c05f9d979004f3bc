/**
 * The API of Ollama, for the clients that speak it: `/api/chat`, `/api/generate`, `/api/embed` and what tells of models.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { NodeError } from "../../base/errors.ts";
import type { TextModel, TextRequest } from "../../text/types.ts";
import type { RouteEnvironment, TextRouteParts } from "../route_parts.ts";
import { continuedPrompt, withoutEnd } from "../rendered_prompt.ts";
import { maybe, missingField, readBody } from "../request_body.ts";
import {
  loadedAnswer,
  messageOf,
  nanoseconds,
  objectOf,
  type OllamaForm,
  streamOf,
  thinkingOf,
} from "./answer.ts";
import { EMBED, EMBEDDINGS, embedTexts, vectorOf } from "./embed.ts";
import { runningOf, shownOf, tagOf } from "./models.ts";
import { chatPrompt, generatePrompt } from "./prompts.ts";
import { type AnswerBody, answerSettings, CHAT, GENERATE, MODEL_FIELD } from "./request.ts";

/** The version of Ollama whose routes these are: clients compare it before they call. */
const OLLAMA_VERSION = "0.12.11";
/** Routes that would change the models at hand. */
export const CHANGES = ["pull", "push", "create", "copy", "delete"] as const;
/** Body of `/api/show`, which once went by `name`. */
export const SHOW = v.object(
  { model: maybe(MODEL_FIELD.model), name: maybe(MODEL_FIELD.model) },
  "an object",
);

type Call = Context<RouteEnvironment>;

/** All routes, with their whole paths. */
export function ollamaRoutes(parts: TextRouteParts): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>({ strict: false });
  const { models } = parts;
  app.get("/api/version", (call) => call.json({ version: OLLAMA_VERSION, kwaainet: parts.version() }));
  app.get("/api/tags", async (call) => call.json({ models: (await models.list()).map(tagOf) }));
  app.get("/api/ps", async (call) => call.json({ models: (await models.list()).map(runningOf) }));
  app.post("/api/show", async (call) => {
    const { name, model = name } = await readBody(call.req.raw, SHOW);
    if (model === undefined) throw missingField("model");
    const { card } = await models.open(model, call.env.signal);
    return call.json(shownOf(card));
  });
  app.post("/api/chat", (call) => converse(parts, call));
  app.post("/api/generate", (call) => generate(parts, call));
  app.post("/api/embed", (call) => embed(parts, call));
  app.post("/api/embeddings", (call) => embeddings(parts, call));
  for (const change of CHANGES) {
    app.on(["POST", "DELETE"], `/api/${change}`, () => {
      throw new NodeError(
        "denied",
        `Cannot ${change} models: this API only asks them, wanted kwaainet models (add, remove) on the node's machine`,
      );
    });
  }
  return app;
}

async function converse({ models, world }: TextRouteParts, call: Call): Promise<Response> {
  const body = await readBody(call.req.raw, CHAT);
  const chat = chatPrompt(body);
  const model = await models.open(body.model, call.env.signal);
  const { clock: { now }, log } = world;
  const form: OllamaForm = { model: body.model, now, log, piece: messageOf, last: () => ({}) };
  if (chat.messages.length === 0) return loaded(form, body);
  const prompt = continuedPrompt(model, chat);
  return await answerWith(form, model, { prompt, ...answerSettings(body) }, call, body);
}

async function generate({ models, world }: TextRouteParts, call: Call): Promise<Response> {
  const body = await readBody(call.req.raw, GENERATE);
  const model = await models.open(body.model, call.env.signal);
  const { prompt, ids } = generatePrompt(body, model);
  const form: OllamaForm = {
    model: body.model,
    now: world.clock.now,
    log: world.log,
    piece: (response, _calls, thought = "") => ({ response, ...thinkingOf(thought) }),
    last: (answered) => ids === undefined ? {} : { context: [...ids(), ...withoutEnd(model, answered)] },
  };
  if ((body.prompt ?? "") === "") return loaded(form, body);
  // a turn after the tokens of earlier ones is a turn like any other
  const settings = { ...(prompt.kind === "tokens" ? APART : {}), ...answerSettings(body) };
  return await answerWith(form, model, { prompt, ...settings }, call, body);
}

const APART = { thoughts: "apart" } as const;

function answerWith(
  form: OllamaForm,
  model: TextModel,
  request: TextRequest,
  call: Call,
  { stream = true }: AnswerBody,
): Promise<Response> {
  const write = stream ? streamOf : objectOf;
  return write(form, (signal) => model.answer(request, signal), call.env.signal);
}

/** Nothing is asked: clients load and unload models so. */
const loaded = (form: OllamaForm, { stream = true, keep_alive: keepAlive }: AnswerBody): Response =>
  loadedAnswer(form, /^0+[a-z]*$/.test(`${keepAlive}`), stream);

async function embed({ models, world }: TextRouteParts, call: Call): Promise<Response> {
  const startedMs = world.clock.monotonic();
  const { model: name, input, truncate, dimensions } = await readBody(call.req.raw, EMBED);
  const model = await models.open(name, call.env.signal);
  const found = await embedTexts(model, input, { truncate }, call.env.signal);
  return call.json({
    model: name,
    embeddings: found.map((one) => vectorOf(one, dimensions)),
    total_duration: nanoseconds((world.clock.monotonic() - startedMs) / 1000),
    load_duration: 0,
    prompt_eval_count: found.reduce((sum, { tokens }) => sum + tokens, 0),
  });
}

async function embeddings({ models }: TextRouteParts, call: Call): Promise<Response> {
  const { model: name, prompt } = await readBody(call.req.raw, EMBEDDINGS);
  if (prompt === "") return call.json({ embedding: [] });
  const model = await models.open(name, call.env.signal);
  const [found] = await embedTexts(model, [prompt], {}, call.env.signal);
  return call.json({ embedding: vectorOf(found!) });
}
