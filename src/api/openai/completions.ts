/**
 * `/v1/completions`.
 *
 * @module
 */
import * as v from "valibot";
import type { Prompt, ScoredToken, TextEvent, TextModel, TextRequest, TextUsage } from "../../text/types.ts";
import type { RequestFacts } from "../access.ts";
import type { TextRouteParts } from "../route_parts.ts";
import { maybe, missingField, readBody, wholeIn } from "../request_body.ts";
import { streamedAnswer } from "../streamed_answer.ts";
import { fieldError } from "../wrong_field.ts";
import { MAX_ANSWERS } from "./chat_request.ts";
import {
  MODEL_FIELD,
  nthRequest,
  SAMPLING_FIELDS,
  samplingOf,
  stops,
  STREAM_FIELDS,
  text,
} from "./fields.ts";
import {
  dataOf,
  DONE,
  eventStream,
  finishReason,
  kwaaiOf,
  newId,
  openStopwatch,
  promptComment,
  secondsNow,
  usageOf,
} from "./parts.ts";
import { askAll, askerBy } from "./refusals.ts";

/** New tokens where nobody says how many; OpenAI's own default. */
const USUAL_TOKENS = 16;
/** Prompts of one request. */
const MAX_PROMPTS = 128;

const ids = v.array(wholeIn(0, 2 ** 31), "a list of token ids");
const PROMPT = v.union(
  [text, ids, v.array(v.union([text, v.pipe(ids, v.minLength(1))]))],
  "text, token ids, or a list of one of them",
);

/** Body of `/v1/completions`. */
export const COMPLETIONS = v.object({
  ...MODEL_FIELD,
  ...SAMPLING_FIELDS,
  ...STREAM_FIELDS,
  prompt: maybe(PROMPT),
  max_tokens: maybe(wholeIn(0, 2 ** 31)),
  stop: maybe(stops),
  n: maybe(wholeIn(1, MAX_ANSWERS)),
  best_of: maybe(wholeIn(1, MAX_ANSWERS)),
  echo: maybe(v.boolean("true or false")),
  logprobs: maybe(wholeIn(0, 20)),
  suffix: maybe(text),
}, "an object");
type Body = v.InferOutput<typeof COMPLETIONS>;

/** One text to continue. */
interface Question {
  readonly request: TextRequest;
  /** The prompt as text, which `echo` repeats. */
  readonly text: string;
}

/** Continues texts, whole or in parts. */
export async function answerCompletions(
  { models, world }: TextRouteParts,
  httpRequest: Request,
  facts: RequestFacts,
): Promise<Response> {
  const body = await readBody(httpRequest, COMPLETIONS);
  checkBody(body);
  const model = await models.open(body.model, facts.signal);
  const questions = promptsOf(body).flatMap((prompt) => questionsOf(body, prompt, model));
  const requests = questions.map(({ request }) => request);
  const watch = openStopwatch(world.clock);
  const head = {
    id: newId(world, "cmpl-"),
    object: "text_completion",
    created: secondsNow(world),
    model: model.card.id,
  };
  if (body.stream === true) {
    const open = (signal: AbortSignal) => chunks({ head, body, questions, model, watch }, signal);
    return await streamedAnswer(eventStream(facts, world), open, facts.signal);
  }
  const told = questions.map((question) => new Choice(body, question));
  const usages: TextUsage[] = [];
  for await (const { index, event } of askAll(askModel, model, requests, facts.signal)) {
    told[index]!.add(event);
    if (event.kind === "end") usages[index] = event.usage;
  }
  const choices = told.map((choice, index) => choice.take(index));
  return Response.json({ ...head, choices, usage: totalUsage(usages, body), ...kwaaiOf(usages, watch()) });
}

function checkBody({ n = 1, best_of: best = n, suffix = "", prompt }: Body): void {
  if (prompt === undefined) throw missingField("prompt");
  if (best !== n) throw fieldError("best_of", `is ${best}, wanted the same as n (${n})`);
  if (suffix !== "") throw fieldError("suffix", "is given and the model does not insert, wanted none");
  if (Array.isArray(prompt) && prompt.length > MAX_PROMPTS && typeof prompt[0] !== "number") {
    throw fieldError("prompt", `holds ${prompt.length} texts, wanted at most ${MAX_PROMPTS}`);
  }
  if (Array.isArray(prompt) && prompt.length === 0) throw fieldError("prompt", "is empty, wanted a text");
}

function promptsOf({ prompt = "" }: Body): readonly Prompt[] {
  if (typeof prompt === "string") return [{ kind: "text", text: prompt }];
  const [first] = prompt;
  if (typeof first === "number") return [{ kind: "tokens", ids: prompt as number[] }];
  return (prompt as (string | number[])[]).map((one) =>
    typeof one === "string" ? { kind: "text", text: one } : { kind: "tokens", ids: one }
  );
}

function questionsOf(body: Body, prompt: Prompt, model: TextModel): Question[] {
  const { max_tokens: most = USUAL_TOKENS, stop, logprobs, echo, n = 1 } = body;
  const request: TextRequest = {
    prompt,
    ...samplingOf(body),
    // none wanted: the prompt alone is scored, and one token is made that nobody sees
    maxTokens: Math.max(1, most),
    ...(stop === undefined ? {} : { stop }),
    ...(logprobs === undefined ? {} : { topLogprobs: logprobs }),
    ...(echo === true && logprobs !== undefined ? { scorePrompt: true } : {}),
  };
  const text = prompt.kind === "text"
    ? prompt.text
    : prompt.kind === "tokens"
    ? model.detokenize(prompt.ids)
    : "";
  return Array.from({ length: n }, (_, index) => ({ request: nthRequest(request, index), text }));
}

/** One choice while it is made: text and scores since the last part was taken. */
class Choice {
  readonly #body: Body;
  #text: string;
  #tokens: ScoredToken[] = [];
  #finish: string | null = null;
  /** Where the next token begins in the text of the choice. */
  #offset = 0;

  constructor(body: Body, { text }: Question) {
    this.#body = body;
    this.#text = body.echo === true ? text : "";
  }

  /** Whether there is something to tell. */
  get hasNews(): boolean {
    return this.#text !== "" || this.#tokens.length > 0 || this.#finish !== null;
  }

  add(event: TextEvent): void {
    const wantsText = this.#body.max_tokens !== 0;
    if (event.kind === "prompt_scores") this.#tokens.push(...event.tokens);
    if (event.kind === "text" && wantsText) {
      this.#text += event.text;
      this.#tokens.push(...event.tokens);
    }
    if (event.kind === "end") this.#finish = finishReason(event.reason);
  }

  take(index: number): object {
    const choice = {
      text: this.#text,
      index,
      logprobs: this.#body.logprobs === undefined ? null : this.#scores(),
      finish_reason: this.#finish,
    };
    this.#text = "";
    this.#tokens = [];
    return choice;
  }

  #scores(): object {
    const textOffset = this.#tokens.map(({ text }) => {
      const at = this.#offset;
      this.#offset += text.length;
      return at;
    });
    return {
      tokens: this.#tokens.map(({ text }) => text),
      token_logprobs: this.#tokens.map(({ logprob }) => logprob),
      top_logprobs: this.#tokens.map(({ top, logprob }) => logprob === null ? null : bestByText(top)),
      text_offset: textOffset,
    };
  }
}

/** Rivals by text. Tokens may share one, as parts of letters do: the likeliest of them, which come first, stands for it. */
const bestByText = (top: ScoredToken["top"]): object =>
  Object.fromEntries(top.toReversed().map(({ text, logprob }) => [text, logprob]));

const askModel = askerBy({ prompt: "prompt", stop: "stop", bias: "logit_bias" });

interface Asked {
  readonly head: object;
  readonly body: Body;
  readonly questions: readonly Question[];
  readonly model: TextModel;
  readonly watch: () => number;
}

async function* chunks(
  { head, body, questions, model, watch }: Asked,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const wantsUsage = body.stream_options?.include_usage === true;
  const chunk = (choices: readonly object[], more: object = wantsUsage ? { usage: null } : {}) =>
    dataOf({ ...head, choices, ...more });
  const told = questions.map((question) => new Choice(body, question));
  const requests = questions.map(({ request }) => request);
  const usages: TextUsage[] = [];
  for await (const { index, event } of askAll(askModel, model, requests, signal)) {
    if (event.kind === "prompt") {
      yield promptComment(event);
      continue;
    }
    const choice = told[index]!;
    choice.add(event);
    if (event.kind === "end") usages[index] = event.usage;
    if (choice.hasNews) yield chunk([choice.take(index)]);
  }
  if (wantsUsage) yield chunk([], { usage: totalUsage(usages, body), ...kwaaiOf(usages, watch()) });
  yield DONE;
}

/** Each prompt counts once, however many answers it has. */
function totalUsage(usages: readonly TextUsage[], { n = 1, max_tokens: most }: Body): object {
  let promptTokens = 0;
  let newTokens = 0;
  let cached = 0;
  usages.forEach((usage, index) => {
    if (most !== 0) newTokens += usage.newTokens;
    if (index % n !== 0) return;
    promptTokens += usage.promptTokens;
    cached += usage.cachedTokens;
  });
  return {
    ...usageOf([]),
    prompt_tokens: promptTokens,
    completion_tokens: newTokens,
    total_tokens: promptTokens + newTokens,
    prompt_tokens_details: { cached_tokens: cached },
  };
}
