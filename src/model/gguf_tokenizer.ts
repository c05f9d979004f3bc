/**
 * The tokenizer tables of a GGUF file as the `tokenizer.json` a Hugging Face tokenizer is built from.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { GgufArray, GgufValue } from "./gguf_header.ts";
import { byteLevelSteps, GPT2_PRE_TOKENIZERS } from "./pre_tokenizers.ts";
import { sentencePieceMerges } from "./sentence_piece.ts";
import type { TokenizerFiles } from "./source.ts";

/** Reads the elements of a list of the file. */
export type ReadList = (array: GgufArray) => Promise<(number | boolean | string)[]>;

/** `tokenizer.ggml.token_type` (llama.h, `llama_token_type`). */
const CONTROL = 3, USER_DEFINED = 4;

/**
 * Tokens that llama.cpp takes for the end of a turn whatever the metadata say (llama-vocab.cpp, `special_eog_ids`). Those
 * from `<|fim_pad|>` on part files and fill gaps: Qwen 2.5, SmolLM2 and Granite write them where another file would begin.
 */
const END_TOKENS = new Set([
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|end_of_text|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|eom_id|>",
  "<EOT>",
  "_<EOT>",
  "<|fim_pad|>",
  "<fim-pad>",
  "<fim_pad>",
  "<|fim_repo|>",
  "<|repo_name|>",
  "<fim-repo>",
  "<reponame>",
  "<|file_sep|>",
]);
/** Keys of metadata that name such a token. */
const END_KEYS = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"];

interface Tables {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly number: (key: string) => number | undefined;
  readonly flag: (key: string, fallback: boolean) => boolean;
  readonly list: (key: string) => Promise<(number | boolean | string)[]>;
}

/**
 * The tokenizer that `metadata` describe, `undefined` for files without one. Throws `NodeError` `unsupported` with the
 * name of a kind that is not known (a guess would change every text without a word), `corrupt` for broken tables.
 */
export async function ggufTokenizer(
  metadata: ReadonlyMap<string, GgufValue>,
  readList: ReadList,
  path: string,
): Promise<TokenizerFiles | undefined> {
  const kind = metadata.get("tokenizer.ggml.model");
  if (kind === undefined || kind === "none" || kind === "no_vocab") return undefined;
  if (kind !== "gpt2" && kind !== "llama") {
    throw new NodeError(
      "unsupported",
      `Cannot read the tokenizer of "${path}": its kind is "${String(kind)}", wanted "gpt2" or "llama"`,
    );
  }
  const tables = await readTables(metadata, readList, path);
  const pre = metadata.get("tokenizer.ggml.pre") ?? "default";
  const tokenizer = kind === "gpt2"
    ? await byteLevelTokenizer(tables, String(pre), path)
    : await sentencePieceTokenizer(tables);
  return {
    tokenizer,
    config: tokenizerConfig(tables, metadata),
    generation: { eos_token_id: endIds(tables) },
  };
}

async function readTables(
  metadata: ReadonlyMap<string, GgufValue>,
  readList: ReadList,
  path: string,
): Promise<Tables> {
  const corrupt = (key: string) =>
    new NodeError(
      "corrupt",
      `Cannot read the tokenizer of "${path}": its table "${key}" is missing or broken`,
    );
  const list = async (key: string) => {
    const value = metadata.get(`tokenizer.ggml.${key}`);
    if (typeof value !== "object") throw corrupt(key);
    return await readList(value);
  };
  const tokens = await list("tokens");
  if (!tokens.every((token) => typeof token === "string")) throw corrupt("tokens");
  const types = metadata.has("tokenizer.ggml.token_type") ? await list("token_type") : tokens.map(() => 1);
  if (types.length !== tokens.length || !types.every((type) => typeof type === "number")) {
    throw corrupt("token_type");
  }
  return {
    tokens,
    types,
    list,
    number: (key) => {
      const value = metadata.get(`tokenizer.ggml.${key}`);
      return typeof value === "number" && value in tokens ? value : undefined;
    },
    flag: (key, fallback) => {
      const value = metadata.get(`tokenizer.ggml.${key}`);
      return typeof value === "boolean" ? value : fallback;
    },
  };
}

async function byteLevelTokenizer(
  tables: Tables,
  pre: string,
  path: string,
): Promise<Record<string, unknown>> {
  const kind = GPT2_PRE_TOKENIZERS.get(pre);
  if (kind === undefined) {
    const known = [...GPT2_PRE_TOKENIZERS.keys()].join(", ");
    throw new NodeError(
      "unsupported",
      `Cannot read the tokenizer of "${path}": its pre-tokenizer is "${pre}", wanted one of ${known}`,
    );
  }
  return {
    version: "1.0",
    added_tokens: addedTokens(tables),
    normalizer: kind.normalizer === undefined ? null : { type: kind.normalizer },
    pre_tokenizer: { type: "Sequence", pretokenizers: byteLevelSteps(kind) },
    post_processor: postProcessor(tables, kind.startsText),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: null,
      byte_fallback: false,
      ignore_merges: kind.ignoreMerges,
      vocab: vocabularyOf(tables),
      merges: await tables.list("merges"),
    },
  };
}

/** SentencePiece as Hugging Face converts it: BPE over characters, spaces as U+2581, bytes where a letter is unknown. */
async function sentencePieceTokenizer(tables: Tables): Promise<Record<string, unknown>> {
  const prefix = tables.flag("add_space_prefix", true);
  const spaces = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const unknown = tables.number("unknown_token_id") ?? 0;
  return {
    version: "1.0",
    added_tokens: addedTokens(tables),
    normalizer: {
      type: "Sequence",
      normalizers: prefix ? [{ type: "Prepend", prepend: "▁" }, spaces] : [spaces],
    },
    pre_tokenizer: null,
    post_processor: postProcessor(tables, true),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      unk_token: tables.tokens[unknown] ?? null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabularyOf(tables),
      merges: sentencePieceMerges(tables.tokens, await tables.list("scores")),
    },
  };
}

const vocabularyOf = ({ tokens }: Tables) => Object.fromEntries(tokens.map((token, id) => [token, id]));

function addedTokens({ tokens, types }: Tables) {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return tokens.flatMap((content, id) => {
    const type = types[id];
    if (content === "" || (type !== CONTROL && type !== USER_DEFINED)) return [];
    return [{ id, content, ...flags, special: type === CONTROL }];
  });
}

/** Puts the token that begins a text before it, where the model was trained so. */
function postProcessor(tables: Tables, byDefault: boolean) {
  const id = tables.number("bos_token_id");
  if (id === undefined || !tables.flag("add_bos_token", byDefault)) return null;
  const token = tables.tokens[id]!;
  return {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }, {
      Sequence: { id: "B", type_id: 0 },
    }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

function tokenizerConfig(tables: Tables, metadata: ReadonlyMap<string, GgufValue>): Record<string, unknown> {
  const config: Record<string, unknown> = { clean_up_tokenization_spaces: false };
  const named = { bos: "bos_token", eos: "eos_token", unknown: "unk_token", padding: "pad_token" };
  for (const [key, name] of Object.entries(named)) {
    const id = tables.number(`${key}_token_id`);
    if (id !== undefined) config[name] = tables.tokens[id];
  }
  const template = metadata.get("tokenizer.chat_template");
  if (typeof template === "string") config["chat_template"] = template;
  return config;
}

function endIds(tables: Tables): number[] {
  const stated = END_KEYS.flatMap((key) => tables.number(`${key}_token_id`) ?? []);
  const byText = tables.tokens.flatMap((token, id) =>
    tables.types[id] === CONTROL && END_TOKENS.has(token) ? [id] : []
  );
  return [...new Set([...stated, ...byText])];
}
