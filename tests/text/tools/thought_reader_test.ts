import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { openTokenizer } from "../../../src/model/tokenizer.ts";
import { type ChatTemplate, openChatTemplate } from "../../../src/model/chat_template.ts";
import { textModel, type TextModelParts } from "../../../src/text/text_model.ts";
import { opensThoughts, thinksAloud, ThoughtReader } from "../../../src/text/tools/thought_reader.ts";
import { toolPlan } from "../../../src/text/tools/tools.ts";
import type { Prompt, TextRequest, ToolDefinition } from "../../../src/text/types.ts";
import { TINY_END_ID, tinyTokenizerFiles } from "../../support/tiny_tokenizer.ts";
import { fakeWorld } from "../../support/world.ts";
import { TOY_CARD } from "../toy_model.ts";
import { scoresFor, ToySequence } from "../toy_sequence.ts";

const never = new AbortController().signal;

/** Reads an answer in these parts. */
function read(parts: readonly string[], isOpen = false) {
  const reader = new ThoughtReader(isOpen);
  const told = [...parts.map((part) => reader.push(part)), reader.finish()];
  return [told.map(({ thought }) => thought).join(""), told.map(({ text }) => text).join("")];
}

/** An answer, whether the prompt has opened its thoughts, its thoughts and its text. */
const CASES: readonly (readonly [answer: string, isOpen: boolean, thought: string, text: string])[] = [
  ["<think>\nA sum.\n</think>\n\nFour.", false, "A sum.", "Four."],
  [" \n<think>a\n\nb</think> x <think>y</think>", false, "a\n\nb", "x <think>y</think>"],
  ["<think>\n\n</think>\n\nFour.", false, "", "Four."],
  ["<think>so far \n", false, "so far", ""],
  ["<think>a </thin", false, "a </thin", ""],
  ["<think>a < b <</think>c", false, "a < b <", "c"],
  ["<think>a</</think>c", false, "a</", "c"],
  ["A sum.\n</think>\n\nFour.", true, "A sum.", "Four."],
  ["<think>\nA sum.</think>Four.", true, "A sum.", "Four."],
  ["</think>Four.", true, "", "Four."],
  ["<thin</think>Four.", true, "<thin", "Four."],
  // what thinks nothing aloud
  ["Four.", false, "", "Four."],
  ["  Four. <think>a</think>", false, "", "  Four. <think>a</think>"],
  ["</think>Four.", false, "", "</think>Four."],
  ["<<think>a", false, "", "<<think>a"],
  ["<thinker>", false, "", "<thinker>"],
  [" <thi", false, "", " <thi"],
  ["\n", false, "", "\n"],
  [" ".repeat(300) + "<think>a", false, "", " ".repeat(300) + "<think>a"],
];

Deno.test("ThoughtReader tells thoughts from text, however the answer is cut", () => {
  for (const [answer, isOpen, thought, text] of CASES) {
    for (const size of [1, 2, 3, 7, 1000]) {
      const parts = answer.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
      assertEquals(read(parts, isOpen), [thought, text], `${JSON.stringify(answer)} in parts of ${size}`);
    }
  }
});

Deno.test("ThoughtReader reads the same in whatever parts, and loses no letter but spaces and tags", () => {
  const piece = fc.constantFrom(
    "<think>",
    "</think>",
    "<",
    "</",
    "think",
    ">",
    " ",
    "\n",
    "a",
    "é",
    "\u{1F600}",
  );
  fc.assert(fc.property(
    fc.array(piece, { maxLength: 20 }),
    fc.array(fc.nat(5), { maxLength: 30 }),
    fc.boolean(),
    (pieces, cuts, isOpen) => {
      const answer = pieces.join("");
      const parts: string[] = [];
      let at = 0;
      for (const length of cuts) {
        parts.push(answer.slice(at, at + length));
        at += length;
      }
      const whole = read([answer], isOpen);
      assertEquals(read([...parts, answer.slice(at)], isOpen), whole);
      const bare = (text: string) => text.replaceAll(/<\/?think>|\s/g, "");
      // a tag that stands within another one's letters leaves one
      assertEquals(bare(bare(whole.join("<think>"))), bare(bare(answer)));
    },
  ));
});

Deno.test("ThoughtReader holds back only what may be a tag, and spaces beside one", () => {
  const reader = new ThoughtReader(false);
  assertEquals(reader.push(" <thi"), { thought: "", text: "" });
  assertEquals(reader.push("s"), { thought: "", text: " <this" });
  assertEquals([reader.isOver, reader.push("<think> ").text], [true, "<think> "]);
  const thinking = new ThoughtReader(true);
  assertEquals(thinking.push("a </b"), { thought: "a </b", text: "" });
  assertEquals([thinking.push(" </think").thought, thinking.push(">").thought], ["", ""]);
  assertEquals([thinking.isThinking, thinking.push("\nx").text, thinking.isThinking], [true, "x", false]);
});

Deno.test("ThoughtReader takes tags as control tokens, which have no text", () => {
  const reader = new ThoughtReader(false);
  assertEquals(reader.mark("<think>"), { thought: "", text: "" });
  assertEquals(reader.push("a").thought, "a");
  assertEquals(reader.mark("<tool_call>"), { thought: "", text: "" });
  assertEquals([reader.mark("</think>").thought, reader.push("\nb").text], ["", "b"]);
  const other = new ThoughtReader(false);
  other.push(" ");
  assertEquals([other.mark("<tool_call>").text, other.isOver], [" ", true]);
});

Deno.test("only a template that speaks of the tags has thoughts, and only its last words open them", () => {
  assertEquals(
    ["{{ '<think>' }}", "{% if '</think>' in a %}", "{{ a }}"].map((source) => thinksAloud({ source })),
    [
      true,
      true,
      false,
    ],
  );
  assertEquals(["<|a|><think>\n", "<think>\n\n</think>\n\n", "<|a|>"].map(opensThoughts), [
    true,
    false,
    false,
  ]);
});

const SIZE = 320;

/** A model that says `answer`; its template ends in `opening`. */
function model(answer: string, { opening = "", special = true, speaks = true } = {}) {
  const files = tinyTokenizerFiles(SIZE);
  const names = ["<think>", "</think>", "<tool_call>", "</tool_call>"];
  for (const [i, content] of names.entries()) {
    const id = 290 + i;
    delete files.tokenizer.model.vocab[`<|unused_${id}|>`];
    files.tokenizer.model.vocab[content] = id;
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special };
    files.tokenizer.added_tokens.push({ id, content, ...flags });
  }
  const source = `${speaks ? "{# <think> #}" : ""}{% if tools %}{{ tools | tojson }}{% endif %}` +
    `{{ messages[0].content }}{{ '${opening}' }}`;
  const tokenizer = openTokenizer(files);
  const said = [...tokenizer.encode(answer, { special: false }), TINY_END_ID];
  const world = fakeWorld();
  const parts = {
    card: TOY_CARD,
    vocabularySize: SIZE,
    tokenizer,
    template: openChatTemplate({ tokenizer: {}, config: { chat_template: source } }),
    sequences: {
      lend(ids: readonly number[]) {
        const sequence = new ToySequence((all) =>
          scoresFor(said[all.length - ids.length] ?? TINY_END_ID, SIZE)
        );
        return Promise.resolve({ sequence, held: 0, release: () => Promise.resolve() });
      },
    },
    gate: { free: 1, enter: () => Promise.resolve({ [Symbol.dispose]: () => {} }) },
    isFar: () => false,
    planChat: (template: ChatTemplate, prompt: Prompt & { readonly kind: "chat" }) => {
      const { messages, tools, form, calls } = toolPlan(world, template, prompt);
      return { text: template.render(messages, { tools }), form, calls };
    },
    constrain: () =>
      Promise.resolve({ mask: () => {}, accept: () => {}, done: false, [Symbol.dispose]() {} }),
  } as unknown as TextModelParts;
  return textModel(world, parts);
}

const chat = (tools?: readonly ToolDefinition[]): TextRequest => ({
  prompt: { kind: "chat", messages: [{ role: "user", content: "2+2?" }], ...(tools && { tools }) },
  sampling: { temperature: 0 },
});

/** What is told of the answer: thoughts, text, and more. */
async function told(asked: ReturnType<typeof model>, request: TextRequest = chat()) {
  const all = {
    thought: "",
    text: "",
    tokens: "",
    ids: 0,
    thoughtTokens: 0,
    newTokens: 0,
    calls: [""],
    end: "",
  };
  all.calls = [];
  for await (const event of asked.answer(request, never)) {
    if (event.kind === "thought") all.thought += event.text;
    if (event.kind === "text") {
      all.text += event.text;
      all.ids += event.ids.length;
      all.tokens += event.tokens.map(({ text }) => text).join("");
    }
    if (event.kind === "tool_calls") all.calls.push(...event.calls.map(({ name }) => name));
    if (event.kind === "end") {
      const { thoughtTokens = 0, newTokens } = event.usage;
      Object.assign(all, { end: event.reason, thoughtTokens, newTokens });
    }
  }
  return all;
}

Deno.test("an answer tells thoughts apart, as text or between control tokens, and counts their tokens", async () => {
  for (const special of [true, false]) {
    const all = await told(model("<think>\na b\n</think>\n\ncd", { special }), { ...chat(), topLogprobs: 0 });
    assertEquals([all.thought, all.text, all.tokens, all.end], ["a b", "cd", "cd", "end"]);
    assertEquals([all.ids, all.thoughtTokens, all.newTokens], [2, 9, 11]);
  }
});

Deno.test("an answer begins in thoughts that its prompt has opened, also a prompt of ids", async () => {
  const opened = model("a</think>b", { opening: "<think>\\n" });
  assertEquals([(await told(opened)).thought, (await told(opened)).text], ["a", "b"]);
  const prompt = { kind: "tokens", ids: opened.tokenize("x<think>\n") } as const;
  const apart = await told(opened, { ...chat(), prompt, thoughts: "apart" });
  assertEquals([apart.thought, apart.text], ["a", "b"]);
});

Deno.test("calls and stops are looked for behind the thoughts", async () => {
  const call = '<tool_call>{"name":"clock","arguments":{}}</tool_call>';
  const thinking = model(`<think>END ${call}</think>yes ${call}`);
  const all = await told(thinking, { ...chat([{ name: "clock" }]), stop: ["END"] });
  assertEquals([all.thought, all.text, all.calls, all.end], [
    'END {"name":"clock","arguments":{}}',
    "yes",
    ["clock"],
    "tool_calls",
  ]);
  const stopped = await told(model("<think>END</think>yes END no"), { ...chat(), stop: ["END"] });
  assertEquals([stopped.thought, stopped.text, stopped.end], ["END", "yes ", "stop"]);
});

Deno.test("thoughts stay in the text of a prompt, of a form, where asked, and where the template knows none", async () => {
  const answer = "<think>a</think>b";
  const asked: readonly (readonly [Partial<TextRequest>, boolean])[] = [
    [{ prompt: { kind: "text", text: "x" } }, true],
    [{ thoughts: "in text" }, true],
    [{ form: { kind: "json" } }, true],
    [{}, false],
  ];
  for (const [more, speaks] of asked) {
    const all = await told(model(answer, { special: false, speaks }), { ...chat(), ...more });
    assertEquals([all.thought, all.text, all.thoughtTokens], ["", answer, 0]);
  }
});
