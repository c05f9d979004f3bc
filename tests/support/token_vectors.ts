/** Golden token ids (tests/vectors/make_tokens.py). */
import { ggufTokenizer } from "../../src/model/gguf_tokenizer.ts";
import type { GgufArray, GgufValue } from "../../src/model/gguf_header.ts";
import type { TokenizerFiles } from "../../src/model/source.ts";

/** Text, ids, text of the ids without control tokens. */
export type TokenCase = readonly [text: string, ids: readonly number[], decoded: string];

/** Tables of a small trained tokenizer as a GGUF file holds them. */
export interface TokenTables {
  readonly model: "gpt2" | "llama";
  readonly pre?: string;
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly merges?: readonly string[];
  readonly scores?: readonly number[];
  readonly cases: readonly TokenCase[];
}

interface TokenVectors {
  readonly tokenizers: readonly TokenTables[];
  readonly smollm2: readonly TokenCase[];
}

export const tokenVectors: TokenVectors = JSON.parse(
  Deno.readTextFileSync(new URL("../vectors/tokens.json", import.meta.url)),
);

/** The tokenizer of `tables`, through the reader of GGUF files; `more` is added to the metadata. */
export async function filesOfTables(
  tables: TokenTables,
  more: Readonly<Record<string, GgufValue>> = {},
): Promise<TokenizerFiles> {
  const lists: (readonly (number | string)[])[] = [];
  const list = (values: readonly (number | string)[]): GgufArray => {
    lists.push(values);
    return { element: "string", count: values.length, start: lists.length - 1, end: lists.length };
  };
  const metadata = new Map<string, GgufValue>(Object.entries({
    "tokenizer.ggml.model": tables.model,
    ...(tables.pre === undefined ? {} : { "tokenizer.ggml.pre": tables.pre }),
    "tokenizer.ggml.tokens": list(tables.tokens),
    "tokenizer.ggml.token_type": list(tables.types),
    ...(tables.merges === undefined ? {} : { "tokenizer.ggml.merges": list(tables.merges) }),
    ...(tables.scores === undefined ? {} : { "tokenizer.ggml.scores": list(tables.scores) }),
    ...more,
  }));
  const files = await ggufTokenizer(
    metadata,
    (array) => Promise.resolve([...lists[array.start]!]),
    "tables.gguf",
  );
  if (files === undefined) throw new Error("The tables make no tokenizer");
  return files;
}
