import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { openModel } from "../../src/model/open_model.ts";
import type { TokenizerFiles } from "../../src/model/source.ts";
import { openTokenizer, type Tokenizer } from "../../src/model/tokenizer.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint, writeTinyGguf } from "../support/tiny_model.ts";
import { TINY_END_ID, TINY_START_ID, tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";
import { filesOfTables, type TokenCase, type TokenTables, tokenVectors } from "../support/token_vectors.ts";

const signal = AbortSignal.timeout(60_000);
const kindOf = (tables: TokenTables) => tables.pre ?? "SentencePiece";
const tablesOf = (kind: string) => tokenVectors.tokenizers.find((tables) => kindOf(tables) === kind)!;
const tiny = () => openTokenizer(tinyTokenizerFiles(320));

function assertCases(tokenizer: Tokenizer, cases: readonly TokenCase[]): void {
  for (const [text, ids, decoded] of cases) {
    assertEquals(tokenizer.encode(text, { special: false }), ids, JSON.stringify(text));
    assertEquals(tokenizer.decode(ids), decoded, JSON.stringify(text));
  }
}

/** The text of `ids` as a stream gives it. */
function streamed(tokenizer: Tokenizer, ids: readonly number[], context: readonly number[] = []): string {
  const stream = tokenizer.stream(context);
  return ids.map((id) => stream.push(id)).join("") + stream.finish();
}

for (const tables of tokenVectors.tokenizers) {
  Deno.test(`openTokenizer gives the ids of the Python packages for GGUF tables of ${kindOf(tables)}`, async () => {
    assertCases(openTokenizer(await filesOfTables(tables)), tables.cases);
  });

  Deno.test(`a stream of ${kindOf(tables)} gives the text of all ids, and no half letters`, async () => {
    const tokenizer = openTokenizer(await filesOfTables(tables));
    for (const [text, ids, decoded] of tables.cases) {
      assertEquals(streamed(tokenizer, ids), decoded, JSON.stringify(text));
      const stream = tokenizer.stream();
      const parts = ids.map((id) => stream.push(id));
      if (!decoded.includes("\uFFFD")) {
        assert(!parts.some((part) => part.includes("\uFFFD")), JSON.stringify(text));
      }
    }
  });
}

Deno.test("a stream behind a prompt keeps the space of a first word", async () => {
  const tokenizer = openTokenizer(await filesOfTables(tablesOf("SentencePiece")));
  const prompt = tokenizer.encode("The capital", { special: false });
  const rest = tokenizer.encode("The capital of Italy", { special: false }).slice(prompt.length);
  assertEquals(tokenizer.decode(rest), "of Italy");
  assertEquals(streamed(tokenizer, rest, prompt), " of Italy");
});

Deno.test("a stream leaves control tokens out and goes on behind them", () => {
  const tokenizer = tiny();
  const ids = [...tokenizer.encode("one"), TINY_END_ID, TINY_START_ID, ...tokenizer.encode(" two")];
  assertEquals(streamed(tokenizer, ids), "one two");
});

Deno.test("a stream holds damaged bytes back for a bounded time and ends with what they are", () => {
  const tokenizer = tiny();
  const start = tokenizer.encode("Ã".normalize("NFD")).length; // letters of several bytes exist
  assert(start > 1);
  const firstByte = tokenizer.encode("€")[0]!;
  const stream = tokenizer.stream();
  const parts = Array.from({ length: 20 }, () => stream.push(firstByte));
  assert(parts.join("").length > 0);
  assertEquals((parts.join("") + stream.finish()).replaceAll("\uFFFD", ""), "");
  const cut = tokenizer.stream();
  assertEquals([cut.push(firstByte), cut.finish(), cut.finish()], ["", "\uFFFD", ""]);
});

Deno.test("openTokenizer decodes nothing for no ids and for ids outside the vocabulary", () => {
  const tokenizer = tiny();
  assertEquals([tokenizer.decode([]), tokenizer.decode([99999]), tokenizer.decode([-1])], ["", "", ""]);
  assertEquals(tokenizer.decode([...tokenizer.encode("ab"), 99999]), "ab");
});

Deno.test("openTokenizer puts the opening token before a text only where the model was trained so", async () => {
  const tables = tablesOf("llama-bpe");
  const begun = openTokenizer(await filesOfTables(tables, { "tokenizer.ggml.bos_token_id": 1 }));
  assertEquals([begun.bosId, begun.encode("a")[0], begun.encode("a", { special: false }).length], [1, 1, 1]);
  const told = openTokenizer(
    await filesOfTables(tables, { "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.add_bos_token": false }),
  );
  assertEquals(told.encode("a").length, 1);
  const smol = openTokenizer(await filesOfTables(tablesOf("smollm"), { "tokenizer.ggml.bos_token_id": 1 }));
  assertEquals(smol.encode("a").length, 1);
  const piece = openTokenizer(
    await filesOfTables(tablesOf("SentencePiece"), { "tokenizer.ggml.bos_token_id": 1 }),
  );
  assertEquals(piece.encode("a")[0], 1);
});

Deno.test("openTokenizer knows all ends of a text: stated ones, and those of chat models by name", async () => {
  const files = await filesOfTables(tablesOf("smollm"), { "tokenizer.ggml.eos_token_id": 2 });
  assertEquals(openTokenizer(files).endIds, new Set([2, 0]));
  const eot = await filesOfTables(tablesOf("SentencePiece"), {
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.eot_token_id": 300,
  });
  assertEquals(openTokenizer(eot).endIds, new Set([2, 300]));
});

Deno.test("a Qwen ends where another file would begin, and shows what it thinks and calls", async () => {
  const tables = tablesOf("qwen2");
  const ends = ["<|im_end|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"];
  const shown = ["<think>", "</think>", "<tool_call>"];
  const added = ["<|im_start|>", ...ends, ...shown];
  const first = tables.tokens.length;
  const tokenizer = openTokenizer(
    await filesOfTables({
      ...tables,
      tokens: [...tables.tokens, ...added],
      types: [...tables.types, ...added.map((token) => shown.includes(token) ? 4 : 3)],
    }, { "tokenizer.ggml.eos_token_id": first + 1, "tokenizer.ggml.fim_sep_token_id": first + 4 }),
  );
  for (const end of ends) assert(tokenizer.endIds.has(tokenizer.idOf(end)!), end);
  for (const token of ["<|im_start|>", ...shown]) {
    assert(!tokenizer.endIds.has(tokenizer.idOf(token)!), token);
  }
  const words = "<think>\nWhy?\n</think>\n\n<tool_call>";
  assertEquals(tokenizer.decode(tokenizer.encode(`<|im_start|>${words}<|im_end|>`)), words);
});

Deno.test("an unknown kind of tokenizer is an error that names it, never a guess", async () => {
  const tables = tablesOf("smollm");
  const pre = await assertRejects(
    () => filesOfTables({ ...tables, pre: "mystery-9" }),
    NodeError,
    `"mystery-9"`,
  );
  assertEquals(pre.code, "unsupported");
  const more = { "tokenizer.ggml.model": "t5" };
  assertEquals(
    (await assertRejects(() => filesOfTables(tables, more), NodeError, `"t5"`)).code,
    "unsupported",
  );
  const files: TokenizerFiles = { tokenizer: { model: { type: "Mystery", vocab: {} } }, config: {} };
  assertEquals(assertThrows(() => openTokenizer(files), NodeError).code, "unsupported");
});

Deno.test("tables that do not fit together are corrupt", async () => {
  const tables = tablesOf("smollm");
  const short = await assertRejects(() => filesOfTables({ ...tables, types: [1] }), NodeError, "token_type");
  assertEquals(short.code, "corrupt");
  const { merges: _, ...without } = tables;
  assertEquals((await assertRejects(() => filesOfTables(without), NodeError, "merges")).code, "corrupt");
});

Deno.test("a GGUF file and a Hugging Face folder of one tiny model have one tokenizer", async () => {
  await using folder = await temporaryFolder();
  await writeTinyGguf(`${folder.path}/tiny.gguf`);
  await writeTinyCheckpoint(`${folder.path}/tiny`);
  await using file = await openModel(`${folder.path}/tiny.gguf`, signal);
  await using checkpoint = await openModel(`${folder.path}/tiny`, signal);
  const a = openTokenizer((await file.tokenizer(signal))!);
  const b = openTokenizer((await checkpoint.tokenizer(signal))!);
  for (const text of ["The other one and all", "1234 ä 日本 🙂", "<|im_start|>user\nHi<|im_end|>"]) {
    assertEquals(a.encode(text), b.encode(text));
    assertEquals(a.decode(a.encode(text)), b.decode(b.encode(text)));
  }
  assertEquals([a.endIds.has(TINY_END_ID), b.endIds.has(TINY_END_ID)], [true, true]);
  assertEquals([a.bosId, b.bosId], [TINY_START_ID, TINY_START_ID]);
});

Deno.test("a model without tables has no tokenizer", async () => {
  await using folder = await temporaryFolder();
  await writeTinyGguf(`${folder.path}/a.gguf`, { vocab: 64 });
  await using model = await openModel(`${folder.path}/a.gguf`, signal);
  assertEquals(await model.tokenizer(signal), undefined);
});

const smollm2 = Deno.env.get("KWAAI_SMOLLM2");
Deno.test({
  name: `SmolLM2's own tables give the ids of its tokenizer${
    smollm2
      ? ""
      : " (skipped: KWAAI_SMOLLM2 does not name its GGUF file; sh scripts/demo_model.sh fetches it)"
  }`,
  ignore: smollm2 === undefined,
  fn: async () => {
    await using model = await openModel(smollm2!, signal);
    const tokenizer = openTokenizer((await model.tokenizer(signal))!);
    assertCases(tokenizer, tokenVectors.smollm2);
    for (const [, ids, decoded] of tokenVectors.smollm2) assertEquals(streamed(tokenizer, ids), decoded);
    assertEquals(tokenizer.endIds.has(tokenizer.idOf("<|im_end|>")!), true);
  },
});
