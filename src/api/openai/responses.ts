/**
 * `/v1/responses`.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { EndReason, ScoredToken, TextEvent, TextModel, TextUsage, ToolCall } from "../../text/types.ts";
import type { RequestFacts } from "../access.ts";
import { failureOf } from "../http_error.ts";
import type { TextRouteParts } from "../route_parts.ts";
import { readBody } from "../request_body.ts";
import { streamedAnswer, type StreamForm } from "../streamed_answer.ts";
import { wholeAnswer } from "../whole_answer.ts";
import { DONE, kwaaiOf, logprobOf, newId, promptComment, secondsNow, WAITING } from "./parts.ts";
import type { Item, KeptResponses } from "./kept_responses.ts";
import { askerBy } from "./refusals.ts";
import { conversationOf } from "./responses_items.ts";
import { RESPONSES, type ResponsesBody, responsesRequest } from "./responses_request.ts";
import { type FunctionName, ResponseTools } from "./responses_tools.ts";

/** What the route has at hand: answers that it kept, beside what all routes have. */
export interface ResponsesParts extends TextRouteParts {
  readonly kept: KeptResponses;
}

/** Answers, whole or in events. The answer is kept for later requests, unless `store` is false. */
export async function answerResponses(
  { models, world, kept }: ResponsesParts,
  httpRequest: Request,
  facts: RequestFacts,
): Promise<Response> {
  const body = await readBody(httpRequest, RESPONSES);
  const tools = new ResponseTools(body);
  const conversation = conversationOf(body, kept);
  const request = responsesRequest(body, conversation, tools);
  const model = await models.open(body.model, facts.signal);
  const writer = new ResponseWriter(world, body, {
    model,
    known: (told) => tools.known(told),
    keep: (id, output) => kept.keep(id, conversation, output),
  });
  const answer = (signal: AbortSignal) => askModel(model, request, signal);
  if (body.stream === true) {
    const form: StreamForm = {
      contentType: "text/event-stream; charset=utf-8",
      failed: (error) => writer.failed(error),
      log: world.log,
      quiet: { clock: world.clock, part: WAITING },
    };
    return await streamedAnswer(form, (signal) => writer.events(answer(signal)), facts.signal);
  }
  const { thought, text, tokens, calls, end } = await wholeAnswer(answer(facts.signal));
  const thoughtStatus = statusOf(text === "" ? end.reason : "end");
  const output = [
    ...(thought === "" ? [] : [reasoningItem(writer.reasoningId, thought, thoughtStatus)]),
    ...(text === "" && calls.length > 0 ? [] : [writer.message(text, tokens, statusOf(end.reason))]),
    ...calls.map((call) => writer.call(call)),
  ];
  return Response.json(writer.end(output, end));
}

const askModel = askerBy({ prompt: "input", tools: "tools", form: "text.format" });

type End = TextEvent & { readonly kind: "end" };
type Status = "in_progress" | "completed" | "incomplete" | "failed";

const statusOf = (reason: EndReason): Status => reason === "length" ? "incomplete" : "completed";

/** What a response is written with. */
interface WriterParts {
  readonly model: TextModel;
  /** The function that the model calls by a name. */
  readonly known: (told: string) => FunctionName;
  /** Keeps what was answered under the id of the response. */
  readonly keep: (id: string, output: readonly Item[]) => void;
}

/** Writes one response: its objects, and the events that build them up. */
class ResponseWriter {
  readonly #body: ResponsesBody;
  readonly #parts: WriterParts;
  readonly #id: string;
  readonly #messageId: string;
  /** Of what the model thinks. */
  readonly reasoningId: string;
  readonly #head: object;
  readonly #now: () => number;
  #sequence = 0;

  constructor(world: Pick<World, "clock" | "random">, body: ResponsesBody, parts: WriterParts) {
    this.#body = body;
    this.#parts = parts;
    this.#now = () => secondsNow(world);
    this.#id = newId(world, "resp_");
    this.#messageId = newId(world, "msg_");
    this.reasoningId = newId(world, "rs_");
    this.#head = {
      id: this.#id,
      object: "response",
      created_at: secondsNow(world),
      model: parts.model.card.id,
    };
  }

  /** The response when it is complete; it is kept. */
  end(output: readonly Item[], end: End): object {
    if (this.#body.store !== false) this.#parts.keep(this.#id, output);
    return this.response(output, end);
  }

  /** The response as it stands; `end` completes it. */
  response(output: readonly Item[], end?: End, error: object | null = null): object {
    const { instructions, max_output_tokens: most, temperature, top_p: topP, tools, text } = this.#body;
    const { tool_choice: choice, parallel_tool_calls: parallel, metadata, store } = this.#body;
    const { top_logprobs: topLogprobs, safety_identifier: caller, prompt_cache_key: cacheKey } = this.#body;
    const { presence_penalty: presence, frequency_penalty: frequency } = this.#body;
    const status: Status = error !== null
      ? "failed"
      : end === undefined
      ? "in_progress"
      : statusOf(end.reason);
    return {
      ...this.#head,
      status,
      completed_at: status === "completed" ? this.#now() : null,
      background: false,
      error,
      incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
      instructions: instructions ?? null,
      frequency_penalty: frequency ?? 0,
      max_output_tokens: most ?? null,
      max_tool_calls: null,
      output,
      parallel_tool_calls: parallel ?? true,
      previous_response_id: this.#body.previous_response_id ?? null,
      presence_penalty: presence ?? 0,
      prompt_cache_key: cacheKey ?? null,
      reasoning: { effort: null, summary: null },
      safety_identifier: caller ?? null,
      service_tier: "default",
      store: store ?? true,
      temperature: temperature ?? 1,
      text: { ...text, format: text?.format ?? { type: "text" } },
      tool_choice: choice ?? "auto",
      tools: (tools ?? []).map(toolTold),
      top_logprobs: topLogprobs ?? 0,
      top_p: topP ?? 1,
      truncation: "disabled",
      usage: end === undefined ? null : usageOf(end.usage),
      user: null,
      metadata: metadata ?? {},
      ...(end === undefined ? {} : kwaaiOf([end.usage], end.usage.seconds)),
    };
  }

  message(text: string, tokens: readonly ScoredToken[], status: Status): Item {
    return {
      id: this.#messageId,
      type: "message",
      role: "assistant",
      status,
      content: status === "in_progress" ? [] : [textPart(text, tokens)],
    };
  }

  call({ id, name, arguments: given }: ToolCall, status: Status = "completed"): Item {
    const itemId = `fc_${id.replace(/^call_/, "")}`;
    const known = this.#parts.known(name);
    return { id: itemId, type: "function_call", call_id: id, ...known, arguments: given, status };
  }

  /** Events in the order that clients expect, each with its number. */
  async *events(answer: AsyncIterable<TextEvent>): AsyncGenerator<string, void, void> {
    const output: Item[] = [];
    const message = new MessageEvents(this, this.#messageId);
    let thought: ReasoningEvents | undefined;
    let opened = false;
    let hasCalls = false;
    for await (const event of answer) {
      if (event.kind === "prompt") yield promptComment(event);
      if (!opened) {
        opened = true;
        yield this.event("response.created", { response: this.response([]) });
        yield this.event("response.in_progress", { response: this.response([]) });
      }
      if (event.kind === "thought") {
        thought ??= new ReasoningEvents(this);
        yield* thought.add(event.text);
        continue;
      }
      if (thought !== undefined && event.kind !== "prompt") {
        output.push(yield* thought.close(event.kind === "end" ? statusOf(event.reason) : "completed"));
        message.index = output.length;
        thought = undefined;
      }
      if (event.kind === "text") yield* message.add(event.text, event.tokens);
      if (event.kind === "tool_calls") {
        hasCalls = true;
        if (message.isOpen) output.push(yield* message.close("completed"));
        for (const call of event.calls) output.push(yield* this.#callEvents(call, output.length));
      }
      if (event.kind === "end") {
        const status = statusOf(event.reason);
        if (message.isOpen || !hasCalls) output.push(yield* message.close(status));
        const name = status === "incomplete" ? "response.incomplete" : "response.completed";
        yield this.event(name, { response: this.end(output, event) });
        // OpenAI sends none; the Open Responses specification wants one, and async-openai 0.30 asks again without it
        yield DONE;
      }
    }
  }

  /** The last event of an answer that failed. */
  failed(error: unknown): string {
    const { code, reason, message } = failureOf(error);
    const told = { code: reason ?? code, message };
    return this.event("response.failed", { response: this.response([], undefined, told) }) + DONE;
  }

  event(type: string, fields: object): string {
    const document = { type, sequence_number: this.#sequence++, ...fields };
    return `event: ${type}\ndata: ${JSON.stringify(document)}\n\n`;
  }

  *#callEvents(call: ToolCall, index: number): Generator<string, Item> {
    const item = this.call(call);
    const place = { item_id: item["id"], output_index: index };
    const begun = { ...this.call(call, "in_progress"), arguments: "" };
    yield this.event("response.output_item.added", { output_index: index, item: begun });
    yield this.event("response.function_call_arguments.delta", { ...place, delta: call.arguments });
    yield this.event("response.function_call_arguments.done", {
      ...place,
      name: item["name"],
      arguments: call.arguments,
    });
    yield this.event("response.output_item.done", { output_index: index, item });
    return item;
  }
}

/** The events of what the model thinks, which is the first item of a response where there is any. */
class ReasoningEvents {
  readonly #writer: ResponseWriter;
  readonly #place: object;
  #text = "";

  constructor(writer: ResponseWriter) {
    this.#writer = writer;
    this.#place = { item_id: writer.reasoningId, output_index: 0, content_index: 0 };
  }

  *add(text: string): Generator<string> {
    if (this.#text === "") {
      const item = reasoningItem(this.#writer.reasoningId, "", "in_progress");
      yield this.#writer.event("response.output_item.added", { output_index: 0, item });
      yield this.#writer.event("response.content_part.added", { ...this.#place, part: reasoningPart("") });
    }
    this.#text += text;
    yield this.#writer.event("response.reasoning_text.delta", { ...this.#place, delta: text });
  }

  *close(status: Status): Generator<string, ReturnType<typeof reasoningItem>> {
    const part = reasoningPart(this.#text);
    yield this.#writer.event("response.reasoning_text.done", { ...this.#place, text: this.#text });
    yield this.#writer.event("response.content_part.done", { ...this.#place, part });
    const item = reasoningItem(this.#writer.reasoningId, this.#text, status);
    yield this.#writer.event("response.output_item.done", { output_index: 0, item });
    return item;
  }
}

/** The events of the message of a response. */
class MessageEvents {
  readonly #writer: ResponseWriter;
  readonly #id: string;
  /** Its place among the items. */
  index = 0;
  #text = "";
  readonly #tokens: ScoredToken[] = [];
  isOpen = false;

  constructor(writer: ResponseWriter, id: string) {
    this.#writer = writer;
    this.#id = id;
  }

  get #place(): object {
    return { item_id: this.#id, output_index: this.index, content_index: 0 };
  }

  *add(text: string, tokens: readonly ScoredToken[]): Generator<string> {
    yield* this.#open();
    this.#text += text;
    this.#tokens.push(...tokens);
    const logprobs = tokens.map(logprobOf);
    yield this.#writer.event("response.output_text.delta", { ...this.#place, delta: text, logprobs });
  }

  *close(status: Status): Generator<string, Item> {
    yield* this.#open();
    this.isOpen = false;
    const logprobs = this.#tokens.map(logprobOf);
    const part = textPart(this.#text, this.#tokens);
    yield this.#writer.event("response.output_text.done", { ...this.#place, text: this.#text, logprobs });
    yield this.#writer.event("response.content_part.done", { ...this.#place, part });
    const item = this.#writer.message(this.#text, this.#tokens, status);
    yield this.#writer.event("response.output_item.done", { output_index: this.index, item });
    return item;
  }

  *#open(): Generator<string> {
    if (this.isOpen) return;
    this.isOpen = true;
    const item = this.#writer.message("", [], "in_progress");
    yield this.#writer.event("response.output_item.added", { output_index: this.index, item });
    yield this.#writer.event("response.content_part.added", { ...this.#place, part: textPart("", []) });
  }
}

/** A tool as it was offered; a function tells what it has not, too. */
const toolTold = (tool: unknown): object =>
  (tool as Item)["type"] === "function"
    ? { description: null, parameters: null, strict: null, ...tool as Item }
    : tool as Item;

const textPart = (text: string, tokens: readonly ScoredToken[]): object => ({
  type: "output_text",
  text,
  annotations: [],
  logprobs: tokens.map(logprobOf),
});

/** What the model thought, as it thought it: there is no summary of it. */
const reasoningItem = (id: string, text: string, status: Status) => ({
  id,
  type: "reasoning",
  summary: [],
  content: status === "in_progress" ? [] : [reasoningPart(text)],
  status,
});

const reasoningPart = (text: string): object => ({ type: "reasoning_text", text });

const usageOf = ({ promptTokens, cachedTokens, newTokens, thoughtTokens = 0 }: TextUsage): object => ({
  input_tokens: promptTokens,
  input_tokens_details: { cached_tokens: cachedTokens },
  output_tokens: newTokens,
  output_tokens_details: { reasoning_tokens: thoughtTokens },
  total_tokens: promptTokens + newTokens,
});
