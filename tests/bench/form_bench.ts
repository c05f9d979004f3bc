/**
 * What forms cost with a model's own tokens: preparing one, and finding what may come next. `form_bench.ts`; needs
 * `KWAAI_SMOLLM2`. In this thread, while a node keeps forms in one of their own.
 */
import { openModel } from "../../src/model/open_model.ts";
import { rawVocabulary } from "../../src/model/raw_vocabulary.ts";
import { openTokenizer } from "../../src/model/tokenizer.ts";
import { FormServer } from "../../src/text/forms/form_server.ts";
import { grammarOf } from "../../src/text/forms/grammar.ts";
import { grammarText } from "../../src/text/forms/grammar_text.ts";
import type { AnswerForm } from "../../src/text/types.ts";
import { GOLDEN } from "../text/forms/golden_schemas.ts";
import { median, MODEL, say, table } from "./text_bench_help.ts";

/** A form in the library's words, and a text that begins as it wants. */
interface Subject {
  readonly what: string;
  readonly words: () => string;
  readonly text: string;
}

const PROSE =
  "The river was found three days later by a gardener near the old bridge, and he told everybody. ";
const wordsOf = (form: AnswerForm) => () => grammarText(grammarOf(form));
const schema = (what: string, schema: Readonly<Record<string, unknown>>, text: string): Subject => ({
  what,
  words: wordsOf({ kind: "schema", schema }),
  text,
});
const string = (what: string, more: object, text: string) =>
  schema(what, { type: "string", ...more }, JSON.stringify(text));
const named = (names: readonly string[]) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  additionalProperties: { type: "string" },
});
const golden = (name: string) =>
  schema(`${name} (tests/text/forms/golden_schemas.ts)`, GOLDEN[name]!.schema, "{");

const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const SUBJECTS: readonly Subject[] = [
  {
    what: "any JSON object",
    words: wordsOf({ kind: "json" }),
    text: JSON.stringify({ text: PROSE.repeat(4) }),
  },
  schema(
    "50 names, further ones let in",
    named(Array.from({ length: 50 }, (_, i) => `name${i}`)),
    `{"name0":${JSON.stringify(PROSE)}`,
  ),
  ...[20, 50, 255, 1000, 5000].map((most) =>
    string(`at most ${most} letters`, { maxLength: most }, PROSE.repeat(60).slice(0, most))
  ),
  {
    what: "at most 500 letters, each in a place of its own",
    words: () =>
      [
        `root ::= "\\"" l500`,
        `l0 ::= "\\""`,
        ...Array.from({ length: 500 }, (_, i) => `l${i + 1} ::= "\\"" | [^"\\\\] l${i}`),
      ].join("\n") + "\n",
    text: JSON.stringify(PROSE.repeat(3)),
  },
  {
    what: "at most 500 letters, the library's repetition",
    words: () => `root ::= "\\"" [^"\\\\]{0,500} "\\""\n`,
    text: JSON.stringify(PROSE.slice(0, 30)),
  },
  string("pattern ^[A-Za-z0-9_-]{1,64}$", { pattern: "^[A-Za-z0-9_-]{1,64}$" }, "a-name_of-some-letters"),
  string("format date-time", { format: "date-time" }, "2026-11-27T18:00:00Z"),
  string("format email", { format: "email" }, "somebody@example.org"),
  string("format hostname", { format: "hostname" }, "node.example.org"),
  ...Object.keys(GOLDEN).map(golden),
  {
    what: "a call with a tag for each argument",
    words: wordsOf({
      kind: "tag_calls",
      tools: [{ name: "weather", parameters: CITY, offered: CITY }],
      hasMarks: true,
    }),
    text: "<tool_call>\n<function=weather>\n<parameter=city>\nRome",
  },
  {
    what: "a list of calls as Python writes them",
    words: wordsOf({ kind: "python_calls", tools: [{ name: "weather", parameters: CITY }], most: 4 }),
    text: '[weather(city="Rome")]',
  },
];

const signal = new AbortController().signal;
await using model = await openModel(MODEL, signal);
const files = (await model.tokenizer(signal))!;
const tokenizer = openTokenizer(files);
const { endIds } = tokenizer;
const { vocabularySize } = model.architecture;
const server = new FormServer();
await server.answer({
  kind: "tokens",
  tokens: { vocabulary: rawVocabulary(files), endIds, vocabularySize, marks: new Map() },
});
/** The library itself is loaded with the first form. */
await prepare({ what: "", words: () => 'root ::= "a"\n', text: "" }, 0);

const rows = [["", "to prepare, with the first mask, ms", "a mask, ms: median", "worst"]];
for (const [i, subject] of SUBJECTS.entries()) rows.push(await measure(subject, i + 1));
say(`\nforms with ${vocabularySize} tokens`);
table(rows);
Deno.exit(0);

async function prepare({ words }: Subject, text: number): Promise<number> {
  const place = { text, words: words(), hasMarks: false, ids: [] };
  const began = performance.now();
  const reply = await server.answer({ kind: "open", place });
  if (reply.kind === "failed") throw new Error(reply.message);
  return performance.now() - began;
}

async function measure(subject: Subject, text: number): Promise<string[]> {
  const preparing = await prepare(subject, text);
  const masks: number[] = [];
  for (const id of tokenizer.encode(subject.text, { special: false })) {
    const began = performance.now();
    const reply = await server.answer({ kind: "accept", text, id });
    if (reply.kind !== "next") break; // where the text and the form part
    masks.push(performance.now() - began);
  }
  await server.answer({ kind: "close", text });
  return [subject.what, preparing.toFixed(0), median(masks).toFixed(2), Math.max(0, ...masks).toFixed(1)];
}
