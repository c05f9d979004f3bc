/**
 * Text, one token after another.
 *
 * @module
 */
import { viewOf } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { TextHead } from "../compute/backend.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Chain, Hop } from "../petals/client/chain.ts";
import { checkSampling, sampleToken, type Sampling, seededDraw } from "./sample.ts";

/** What generation needs of a model's tokenizer. */
export type TextCodec = Pick<Tokenizer, "encode" | "endIds" | "bosId" | "stream">;

/** What generation works with. */
export interface GenerateParts {
  readonly head: TextHead;
  readonly tokenizer: TextCodec;
  /** Positions the model was made for. */
  readonly contextLength: number;
  /** Opens all blocks for a session of that many positions: `openSwarmChain` or `openLocalChain`. */
  readonly openChain: (maxLength: number, signal: AbortSignal) => Promise<Chain>;
}

/** What is asked for. */
export interface GenerateRequest extends Sampling {
  /** Text, continued as it stands; or token ids, taken as they are. */
  readonly prompt: string | readonly number[];
  /** Most new tokens, 1 or more. Fewer when an end token comes or the context is full. */
  readonly maxTokens: number;
  /** Same seed, same servers, same text; unset = by chance. */
  readonly seed?: number;
}

/** A new token, when it is there. `text` is what it adds: nothing while a character is incomplete, and for end tokens. */
export interface GeneratedToken {
  readonly kind: "token";
  readonly id: number;
  readonly text: string;
}

/** The last event. */
export interface GenerationEnd {
  readonly kind: "end";
  /** `end_token`: the model ended. `length`: maxTokens, or the context, are used up. */
  readonly reason: "end_token" | "length";
  readonly text: string;
  /** Ids of the new tokens, the end token included. */
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly newTokens: number;
  /** From the request to the last token, connecting included. */
  readonly seconds: number;
  /** Who computed at the end. */
  readonly hops: readonly Hop[];
}

/** What generation tells, in order: tokens, then one end. */
export type GenerationEvent = GeneratedToken | GenerationEnd;

/**
 * Continues a prompt. Leaving the iteration ends the session. Throws `NodeError` `usage` for a request that cannot be met,
 * and whatever chain and head throw.
 */
export async function* generate(
  world: World,
  parts: GenerateParts,
  request: GenerateRequest,
  signal: AbortSignal,
): AsyncGenerator<GenerationEvent, void, void> {
  const { head, tokenizer } = parts;
  checkSampling(request);
  const draw = seededDraw(request.seed ?? viewOf(world.random(4)).getUint32(0));
  const prompt = promptIds(tokenizer, request.prompt);
  const maxTokens = newTokensWithin(parts.contextLength, prompt.length, request.maxTokens);
  const startedAtMs = world.clock.monotonic();
  const tokens: number[] = [];
  let text = "";
  const words = tokenizer.stream(prompt);
  await using chain = await parts.openChain(prompt.length + maxTokens, signal);
  let ended = false;
  for (let feed = prompt; !ended && tokens.length < maxTokens; feed = tokens.slice(-1)) {
    const scores = await nextScores(head, chain, feed, signal);
    const id = sampleToken(scores, request, draw);
    tokens.push(id);
    ended = tokenizer.endIds.has(id);
    const last = ended || tokens.length === maxTokens;
    const added = (ended ? "" : words.push(id)) + (last ? words.finish() : "");
    text += added;
    yield { kind: "token", id, text: added };
  }
  yield {
    kind: "end",
    reason: ended ? "end_token" : "length",
    text,
    tokens,
    promptTokens: prompt.length,
    newTokens: tokens.length,
    seconds: (world.clock.monotonic() - startedAtMs) / 1000,
    hops: chain.hops,
  };
}

/** Scores of the token after `feed`: `[vocabulary]`. */
async function nextScores(
  head: TextHead,
  chain: Chain,
  feed: readonly number[],
  signal: AbortSignal,
): Promise<Float32Array> {
  const hidden = head.hiddenSize;
  const data = await head.embed(feed, signal);
  const output = await chain.step({ batch: 1, tokens: feed.length, hidden, data }, signal);
  return await head.logits(output.data.slice(-hidden), 1, signal);
}

function promptIds(tokenizer: TextCodec, prompt: string | readonly number[]): readonly number[] {
  const ids = typeof prompt === "string" ? tokenizer.encode(prompt) : prompt;
  if (ids.length > 0) return ids;
  if (tokenizer.bosId !== undefined) return [tokenizer.bosId];
  throw new NodeError("usage", "Cannot generate: the prompt is empty, wanted at least one token");
}

function newTokensWithin(contextLength: number, promptTokens: number, maxTokens: number): number {
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
    throw new NodeError("usage", `Cannot generate: maxTokens is ${maxTokens}, wanted 1 or more`);
  }
  if (promptTokens >= contextLength) {
    throw new NodeError(
      "usage",
      `Cannot generate: the prompt has ${promptTokens} tokens, wanted less than the model's ${contextLength}`,
    );
  }
  return Math.min(maxTokens, contextLength - promptTokens);
}
