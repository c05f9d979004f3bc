/**
 * `/v1/chat/completions`.
 *
 * @module
 */
import type { ScoredToken, TextModel, TextRequest, TextUsage, ToolCall } from "../../text/types.ts";
import type { RequestFacts } from "../access.ts";
import type { TextRouteParts } from "../route_parts.ts";
import { continuedPrompt } from "../rendered_prompt.ts";
import { readBody } from "../request_body.ts";
import { streamedAnswer } from "../streamed_answer.ts";
import { AnswerSum } from "../whole_answer.ts";
import { CHAT, type ChatBody, chatRequest, goesOn } from "./chat_request.ts";
import { nthRequest } from "./fields.ts";
import { askAll, askerBy } from "./refusals.ts";
import {
  dataOf,
  DONE,
  eventStream,
  finishReason,
  kwaaiOf,
  logprobOf,
  newId,
  openStopwatch,
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
  const asked = chatRequest(body);
  const isContinued = goesOn(body);
  const model = await models.open(body.model, facts.signal);
  const request = isContinued ? { ...asked, prompt: continuedPrompt(model, asked.prompt) } : asked;
  const watch = openStopwatch(world.clock);
  const head = { id: newId(world, "chatcmpl-"), created: secondsNow(world), model: model.card.id };
  if (body.stream === true) {
    const open = (signal: AbortSignal) => chunks({ head, body, request, model, watch }, signal);
    return await streamedAnswer(eventStream(facts, world), open, facts.signal);
  }
  const requests = requestsOf(body, request);
  const sums = requests.map(() => new AnswerSum());
  for await (const { index, event } of askAll(askModel, model, requests, facts.signal)) {
    sums[index]!.add(event);
  }
  const answers = sums.map(({ whole }) => whole);
  const usages = answers.map(({ end }) => end.usage);
  return Response.json({
    ...head,
    object: "chat.completion",
    choices: answers.map(({ thought, text, calls, tokens, end }, index) => ({
      index,
      message: {
        role: "assistant",
        content: text === "" && calls.length > 0 ? null : text,
        refusal: null,
        ...(thought === "" ? {} : { reasoning_content: thought }),
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(callOf) }),
      },
      logprobs: scoresOf(body, tokens),
      finish_reason: finishReason(end.reason),
    })),
    usage: usageOf(usages),
    ...kwaaiOf(usages, watch()),
  });
}

/** A request for each answer that is wanted. */
const requestsOf = ({ n = 1 }: ChatBody, request: TextRequest): readonly TextRequest[] =>
  Array.from({ length: n }, (_, index) => nthRequest(request, index));

interface Asked {
  readonly head: object;
  readonly body: ChatBody;
  readonly request: TextRequest;
  readonly model: TextModel;
  readonly watch: () => number;
}

async function* chunks(
  { head, body, request, model, watch }: Asked,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const wantsUsage = body.stream_options?.include_usage === true;
  const chunk = (choices: readonly object[], more: object = wantsUsage ? { usage: null } : {}) =>
    dataOf({ ...head, object: "chat.completion.chunk", choices, ...more });
  const requests = requestsOf(body, request);
  const usages: TextUsage[] = [];
  const opened = new Set<number>();
  for await (const { index, event } of askAll(askModel, model, requests, signal)) {
    const choice = (delta: object, tokens: readonly ScoredToken[] = [], finish: string | null = null) =>
      chunk([{ index, delta, logprobs: scoresOf(body, tokens), finish_reason: finish }]);
    if (event.kind === "prompt") {
      yield promptComment(event);
      continue;
    }
    if (!opened.has(index)) {
      opened.add(index);
      yield choice({ role: "assistant", content: "" });
    }
    if (event.kind === "thought") yield choice({ reasoning_content: event.text });
    if (event.kind === "text") yield choice({ content: event.text }, event.tokens);
    if (event.kind === "tool_calls") yield choice({ tool_calls: event.calls.map(deltaOf) });
    if (event.kind === "end") {
      usages[index] = event.usage;
      yield choice({}, [], finishReason(event.reason));
    }
  }
  if (wantsUsage) yield chunk([], { usage: usageOf(usages), ...kwaaiOf(usages, watch()) });
  yield DONE;
}

/** What is refused is told by the names that fields have here. */
const askModel = askerBy({
  prompt: "messages",
  tools: "tools",
  form: "response_format",
  stop: "stop",
  bias: "logit_bias",
});

const callOf = ({ id, name, arguments: given }: ToolCall): object => ({
  id,
  type: "function",
  function: { name, arguments: given },
});
const deltaOf = (call: ToolCall, index: number): object => ({ index, ...callOf(call) });

const scoresOf = ({ logprobs }: ChatBody, tokens: readonly ScoredToken[]): object | null =>
  logprobs === true ? { content: tokens.map(logprobOf), refusal: null } : null;
