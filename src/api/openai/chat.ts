/**
 * `/v1/chat/completions`.
 *
 * @module
 */
import type { ScoredToken, TextModel, TextRequest, TextUsage, ToolCall } from "../../text/types.ts";
import type { RequestFacts } from "../access.ts";
import type { TextRouteParts } from "../lazy_routes.ts";
import { readBody } from "../request_body.ts";
import { streamedAnswer } from "../streamed_answer.ts";
import { wholeAnswer } from "../whole_answer.ts";
import { CHAT, type ChatBody, chatRequest } from "./chat_request.ts";
import { nthRequest } from "./fields.ts";
import { askerBy } from "./refusals.ts";
import {
  dataOf,
  DONE,
  eventStream,
  finishReason,
  kwaaiOf,
  logprobOf,
  newId,
  promptComment,
  secondsNow,
  usageOf,
} from "./parts.ts";

/** Answers one question, whole or in parts. */
export async function answerChat(
  { models, world }: TextRouteParts,
  httpRequest: Request,
  facts: RequestFacts,
): Promise<Response> {
  const body = await readBody(httpRequest, CHAT);
  const request = chatRequest(body);
  const model = await models.open(body.model, facts.signal);
  const head = { id: newId(world, "chatcmpl-"), created: secondsNow(world), model: model.card.id };
  if (body.stream === true) {
    const open = (signal: AbortSignal) => chunks({ head, body, request, model }, signal);
    return await streamedAnswer(eventStream(facts, world), open, facts.signal);
  }
  const choices: object[] = [];
  const usages: TextUsage[] = [];
  for (let index = 0; index < (body.n ?? 1); index++) {
    const answer = await wholeAnswer(askModel(model, nthRequest(request, index), facts.signal));
    const { text, calls, tokens, end } = answer;
    usages.push(end.usage);
    choices.push({
      index,
      message: {
        role: "assistant",
        content: text === "" && calls.length > 0 ? null : text,
        refusal: null,
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(callOf) }),
      },
      logprobs: scoresOf(body, tokens),
      finish_reason: finishReason(end.reason),
    });
  }
  return Response.json({
    ...head,
    object: "chat.completion",
    choices,
    usage: usageOf(usages),
    ...kwaaiOf(usages),
  });
}

interface Asked {
  readonly head: object;
  readonly body: ChatBody;
  readonly request: TextRequest;
  readonly model: TextModel;
}

async function* chunks(
  { head, body, request, model }: Asked,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const wantsUsage = body.stream_options?.include_usage === true;
  const chunk = (choices: readonly object[], more: object = wantsUsage ? { usage: null } : {}) =>
    dataOf({ ...head, object: "chat.completion.chunk", choices, ...more });
  const usages: TextUsage[] = [];
  for (let index = 0; index < (body.n ?? 1); index++) {
    const choice = (delta: object, tokens: readonly ScoredToken[] = [], finish: string | null = null) =>
      chunk([{ index, delta, logprobs: scoresOf(body, tokens), finish_reason: finish }]);
    let opened = false;
    for await (const event of askModel(model, nthRequest(request, index), signal)) {
      if (event.kind === "prompt") yield promptComment(event);
      if (!opened && event.kind !== "prompt") {
        opened = true;
        yield choice({ role: "assistant", content: "" });
      }
      if (event.kind === "text") yield choice({ content: event.text }, event.tokens);
      if (event.kind === "tool_calls") yield choice({ tool_calls: event.calls.map(deltaOf) });
      if (event.kind === "end") {
        usages.push(event.usage);
        yield choice({}, [], finishReason(event.reason));
      }
    }
  }
  if (wantsUsage) yield chunk([], { usage: usageOf(usages), ...kwaaiOf(usages) });
  yield DONE;
}

/** What is refused is told by the names that fields have here. */
const askModel = askerBy({ prompt: "messages", tools: "tools", form: "response_format", stop: "stop" });

const callOf = ({ id, name, arguments: given }: ToolCall): object => ({
  id,
  type: "function",
  function: { name, arguments: given },
});
const deltaOf = (call: ToolCall, index: number): object => ({ index, ...callOf(call) });

const scoresOf = ({ logprobs }: ChatBody, tokens: readonly ScoredToken[]): object | null =>
  logprobs === true ? { content: tokens.map(logprobOf), refusal: null } : null;
