/**
 * Answers in the words of Ollama: lines of JSON, or one object.
 *
 * @module
 */
import type { Log } from "../../base/world.ts";
import type { ScoredToken, TextEvent, TextUsage, ToolCall } from "../../text/types.ts";
import { failureOf } from "../http_error.ts";
import { streamedAnswer, type StreamForm } from "../streamed_answer.ts";
import { argumentsOf, wholeAnswer } from "../whole_answer.ts";
import { timeOf } from "./models.ts";

/** How one route writes its answers. */
export interface OllamaForm {
  /** As the client named it. */
  readonly model: string;
  readonly now: () => number;
  readonly log: Log;
  /** What a piece of the answer stands in: `message` of chats, `response` of prompts. */
  readonly piece: (text: string, calls: readonly ToolCall[], thought?: string) => object;
  /** What the last line has beside that, from the ids of the answer. */
  readonly last: (ids: readonly number[]) => object;
}

type Answer = (signal: AbortSignal) => AsyncGenerator<TextEvent, void, void>;

const NDJSON: Omit<StreamForm, "log"> = {
  contentType: "application/x-ndjson",
  failed: (error) => lineOf({ error: failureOf(error).message }),
};

/** An answer line by line, as it comes. */
export const streamOf = (form: OllamaForm, answer: Answer, signal: AbortSignal): Promise<Response> =>
  streamedAnswer({ ...NDJSON, log: form.log }, (signal) => lines(form, answer(signal)), signal);

async function* lines(
  form: OllamaForm,
  events: AsyncIterable<TextEvent>,
): AsyncGenerator<string, void, void> {
  const ids: number[] = [];
  for await (const event of events) {
    switch (event.kind) {
      case "prompt":
        yield "";
        break;
      case "thought":
        yield lineOf({ ...head(form), ...form.piece("", [], event.text), done: false });
        break;
      case "text":
        ids.push(...event.ids);
        if (event.text === "" && event.tokens.length === 0) break;
        yield lineOf({ ...head(form), ...form.piece(event.text, []), done: false, ...scores(event.tokens) });
        break;
      case "tool_calls":
        yield lineOf({ ...head(form), ...form.piece("", event.calls), done: false });
        break;
      case "end":
        yield lineOf({
          ...head(form),
          ...form.piece("", []),
          ...endOf(event),
          ...form.last(event.ids ?? ids),
        });
    }
  }
}

/** An answer in one object, when it is whole. */
export async function objectOf(form: OllamaForm, answer: Answer, signal: AbortSignal): Promise<Response> {
  const { thought, text, ids, tokens, calls, end } = await wholeAnswer(answer(signal));
  return Response.json({
    ...head(form),
    ...form.piece(text, calls, thought),
    ...endOf(end),
    ...scores(tokens),
    ...form.last(end.ids ?? ids),
  });
}

/** The answer to a question that asks nothing: the model is at hand. */
export function loadedAnswer(form: OllamaForm, isUnloaded: boolean, streamed: boolean): Response {
  const document = {
    ...head(form),
    ...form.piece("", []),
    done: true,
    done_reason: isUnloaded ? "unload" : "load",
  };
  return streamed
    ? new Response(lineOf(document), { headers: { "content-type": NDJSON.contentType } })
    : Response.json(document);
}

/** A message of the model. */
export const messageOf = (content: string, calls: readonly ToolCall[], thought = ""): object => ({
  message: {
    role: "assistant",
    content,
    ...thinkingOf(thought),
    ...(calls.length === 0 ? {} : {
      tool_calls: calls.map((call, index) => ({
        id: call.id,
        function: { index, name: call.name, arguments: argumentsOf(call) },
      })),
    }),
  },
});

/** What it thought before, where it did. */
export const thinkingOf = (thought: string): object => thought === "" ? {} : { thinking: thought };

const head = ({ model, now }: OllamaForm): object => ({ model, created_at: timeOf(now()) });
const lineOf = (document: object): string => `${JSON.stringify(document)}\n`;

const endOf = ({ reason, usage }: TextEvent & { readonly kind: "end" }): object => ({
  done: true,
  done_reason: reason === "length" ? "length" : "stop",
  ...durationsOf(usage),
});

function durationsOf({ seconds, firstTokenSeconds, promptTokens, newTokens }: TextUsage): object {
  const promptSeconds = Math.min(firstTokenSeconds, seconds);
  return {
    total_duration: nanoseconds(seconds),
    load_duration: 0,
    prompt_eval_count: promptTokens,
    prompt_eval_duration: nanoseconds(promptSeconds),
    eval_count: newTokens,
    eval_duration: nanoseconds(seconds - promptSeconds),
  };
}

/** Seconds in Ollama's unit. */
export const nanoseconds = (seconds: number): number => Math.round(seconds * 1e9);

function scores(tokens: readonly ScoredToken[]): object {
  if (tokens.length === 0) return {};
  const scoreOf = ({ text, logprob }: Pick<ScoredToken, "text" | "logprob">) => ({
    token: text,
    logprob,
    bytes: [...new TextEncoder().encode(text)],
  });
  return { logprobs: tokens.map((token) => ({ ...scoreOf(token), top_logprobs: token.top.map(scoreOf) })) };
}
