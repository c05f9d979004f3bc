/**
 * The tokens of a tokenizer as it stores them, for programs that have to know the bytes behind each id.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { isJsonObject } from "./json_file.ts";
import type { TokenizerFiles } from "./source.ts";

/** Tokens by id, and how their letters stand for bytes. */
export interface RawVocabulary {
  /**
   * `byte_level`: each letter is a byte, by GPT-2's table. `byte_fallback`: letters are themselves, a space is U+2581,
   * and `<0x0A>` is a byte.
   */
  readonly kind: "byte_level" | "byte_fallback";
  /** Stored tokens in the order of their ids; "" for control tokens and for ids that stand for nothing. */
  readonly tokens: readonly string[];
}

/** Ids are small numbers; a file that names a larger one is damaged. */
const MAX_ID = 1 << 22;

/** The vocabulary that `files` describe. Throws `NodeError` `unsupported` for kinds whose bytes are not known. */
export function rawVocabulary({ tokenizer }: TokenizerFiles): RawVocabulary {
  const kind = kindOf(tokenizer);
  const tokens: string[] = [];
  const put = (id: unknown, token: string) => {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || id > MAX_ID) return;
    while (tokens.length < id) tokens.push("");
    tokens[id] = token;
  };
  for (const [token, id] of storedTokens(tokenizer["model"])) put(id, token);
  const added = tokenizer["added_tokens"];
  for (const token of Array.isArray(added) ? added.filter(isJsonObject) : []) {
    const { id, content, special } = token;
    if (typeof content !== "string") continue;
    // added tokens stand in plain letters, whatever the others are written in
    const stored = kind === "byte_level" ? letters(content) : content;
    put(id, special === true ? "" : stored);
  }
  return { kind, tokens };
}

function kindOf({ model, pre_tokenizer: cutter, decoder }: Record<string, unknown>): RawVocabulary["kind"] {
  const type = isJsonObject(model) ? model["type"] : undefined;
  if (type === "BPE" && /"ByteLevel"/.test(JSON.stringify([cutter, decoder]))) return "byte_level";
  if (type === "BPE" || type === "Unigram") return "byte_fallback";
  throw new NodeError(
    "unsupported",
    `Cannot tell the bytes of tokens: the tokenizer is of kind "${String(type)}", wanted BPE or Unigram`,
  );
}

/** Token and id: a table of BPE, or a list of Unigram. */
function* storedTokens(model: unknown): Generator<readonly [string, unknown]> {
  const table = isJsonObject(model) ? model["vocab"] : undefined;
  if (Array.isArray(table)) {
    for (const [id, entry] of table.entries()) {
      const token = Array.isArray(entry) ? entry[0] : undefined;
      if (typeof token === "string") yield [token, id];
    }
  } else if (isJsonObject(table)) yield* Object.entries(table);
}

/** Text in GPT-2's letters for bytes: printable ones stand for themselves, the others move above 255. */
function letters(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => BYTE_LETTERS[byte]!).join("");
}

const BYTE_LETTERS = byteLetters();

function byteLetters(): string[] {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(isPrintable ? byte : 256 + moved++);
  });
}
