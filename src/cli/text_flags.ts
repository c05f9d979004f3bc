/**
 * Flags of the verbs that ask for text, and what they mean.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { Sampling } from "../text/sample.ts";
import type { TextRequest } from "../text/types.ts";
import { BACKEND_DIR_FLAG, CONFIG_FLAGS, DEFAULT_MAX_TOKENS, JSON_FLAG, settingFlag } from "./flags.ts";
import type { Flag, Invocation } from "./verb.ts";

const number = (name: string, value: string, sentence: string): Flag => ({
  name,
  kind: "text",
  value,
  sentence,
});

/** Model, swarm, sampling; `maxTokens` says what goes without the flag. */
export const TEXT_FLAGS: readonly Flag[] = [
  settingFlag("model", "SOURCE"),
  settingFlag("initial_peers", "MADDR[,MADDR…]"),
  settingFlag("network", "kwaai|petals|private"),
  settingFlag("dht_prefix", "P"),
  settingFlag("engine", "auto|ggml|onnx|reference"),
  BACKEND_DIR_FLAG,
  number("max-tokens", "N", `Most new tokens; ${DEFAULT_MAX_TOKENS} for generate, 1024 for chat without it.`),
  number("temperature", "T", "0, the default, takes the likeliest token each time."),
  number("top-k", "K", "Only the K likeliest tokens."),
  number("top-p", "P", "Only the likeliest tokens that together have this probability."),
  number("min-p", "P", "Only tokens at least P times as likely as the likeliest."),
  number("repeat-penalty", "R", "Scores of tokens that came before are divided by it; 1 is off."),
  number("seed", "S", "Same seed, same servers, same text."),
  { name: "stop", kind: "list", value: "TEXT", sentence: "Text that ends the answer; may be repeated." },
  ...CONFIG_FLAGS,
  JSON_FLAG,
];

/** Everything of a request but its prompt. Throws `NodeError` `usage` that names the flag. */
export function requestOfFlags(
  { flags }: Pick<Invocation, "flags">,
  usualMaxTokens: number,
): Omit<TextRequest, "prompt"> {
  const positive = (n: number) => Number.isSafeInteger(n) && n >= 1;
  const seed = numberOf(
    flags,
    "seed",
    "a whole number, 0 or above",
    (n) => Number.isSafeInteger(n) && n >= 0,
  );
  const stop = flags.get("stop") as readonly string[] | undefined;
  return {
    maxTokens: numberOf(flags, "max-tokens", "1 or more", positive) ?? usualMaxTokens,
    sampling: {
      temperature: numberOf(flags, "temperature", "0 or above", (n) => n >= 0) ?? 0,
      ...given<Sampling>("topK", numberOf(flags, "top-k", "1 or more", positive)),
      ...given<Sampling>("topP", numberOf(flags, "top-p", "above 0, at most 1", (n) => n > 0 && n <= 1)),
      ...given<Sampling>("minP", numberOf(flags, "min-p", "0 to 1", (n) => n >= 0 && n <= 1)),
      ...given<Sampling>("repetitionPenalty", numberOf(flags, "repeat-penalty", "above 0", (n) => n > 0)),
    },
    ...given<TextRequest>("seed", seed),
    ...(stop === undefined ? {} : { stop }),
  };
}

const given = <T>(name: keyof T, value: number | undefined): Partial<T> =>
  value === undefined ? {} : { [name]: value } as Partial<T>;

function numberOf(
  flags: Invocation["flags"],
  name: string,
  wanted: string,
  fits: (value: number) => boolean,
): number | undefined {
  const text = flags.get(name) as string | undefined;
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\s*$/.test(text) || !Number.isFinite(value) || !fits(value)) {
    throw new NodeError("usage", `Cannot use --${name}: it is ${JSON.stringify(text)}, wanted ${wanted}`);
  }
  return value;
}
