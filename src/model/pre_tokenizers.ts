/**
 * How families of byte-level BPE cut a text into words, by the names of `tokenizer.ggml.pre`.
 *
 * @module
 */

/** One family. */
export interface ByteLevelKind {
  /** Applied to the text before all else. */
  readonly normalizer?: "NFC";
  /** Expressions that cut one after another; without any, GPT-2's own expression cuts. */
  readonly splits: readonly string[];
  /** A word that is in the vocabulary is one token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Whether a text begins with the token for it, where the file does not say. */
  readonly startsText: boolean;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const LINES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/** Llama 3 and Qwen 2 differ in how many digits make a word. */
const cl100k = (digits: string) =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${LINES}`;
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const TEKKEN = `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*|\\p{N}|` +
  ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${LINES}`;

const plain = { ignoreMerges: false, startsText: false };
const LLAMA3: ByteLevelKind = { splits: [cl100k("\\p{N}{1,3}")], ignoreMerges: true, startsText: true };
const QWEN2: ByteLevelKind = { splits: [cl100k("\\p{N}")], normalizer: "NFC", ...plain };

const SMOLLM: ByteLevelKind = { splits: ["\\p{N}", GPT2], ...plain };
const DEFAULT: ByteLevelKind = {
  splits: ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"],
  ...plain,
};
const DEEPSEEK_CODER: ByteLevelKind = {
  splits: ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-\\uD7FF]+", "\\p{N}"],
  ...plain,
};

/**
 * Families by name, with the names that llama.cpp takes for the same (llama-vocab.cpp). `default` is what it does for
 * files that name none.
 */
export const GPT2_PRE_TOKENIZERS: ReadonlyMap<string, ByteLevelKind> = new Map([
  ["default", DEFAULT],
  ["gpt-2", { splits: [], ...plain }],
  ["smollm", SMOLLM],
  ["starcoder", SMOLLM],
  ["refact", SMOLLM],
  ["command-r", SMOLLM],
  ["codeshell", SMOLLM],
  ["exaone", SMOLLM],
  ["llama-bpe", LLAMA3],
  ["llama3", LLAMA3],
  ["llama-v3", LLAMA3],
  ["falcon3", LLAMA3],
  ["pixtral", LLAMA3],
  ["qwen2", QWEN2],
  ["deepseek-r1-qwen", QWEN2],
  ["tekken", { splits: [TEKKEN], ignoreMerges: true, startsText: true }],
  ["deepseek-coder", DEEPSEEK_CODER],
]);

/** The `pretokenizers` of a `tokenizer.json`. */
export function byteLevelSteps(kind: ByteLevelKind): Record<string, unknown>[] {
  const cuts = kind.splits.map((expression) => (
    { type: "Split", pattern: { Regex: expression }, behavior: "Isolated", invert: false }
  ));
  const letters = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: kind.splits.length === 0,
  };
  return [...cuts, letters];
}
