import { assert, assertEquals } from "@std/assert";
import { openChatTemplate } from "../../../src/model/chat_template.ts";
import { openTokenizer } from "../../../src/model/tokenizer.ts";
import { tellAnswer } from "../../../src/text/answer.ts";
import { CALL_MARKS, FLAG, markAt, markIds, spelt, unmarked } from "../../../src/text/tools/call_marks.ts";
import { Picker } from "../../../src/text/pick.ts";
import { seededDraw } from "../../../src/text/sample.ts";
import { DEEPSEEK } from "../../../src/text/tools/call_style.ts";
import { toolPlan } from "../../../src/text/tools/tools.ts";
import type { AnswerForm, TextEvent, ToolChoice } from "../../../src/text/types.ts";
import { TINY_END_ID, tinyTokenizerFiles } from "../../support/tiny_tokenizer.ts";
import { FakeClock, fakeWorld } from "../../support/world.ts";
import { accepts, formModel, walk } from "../forms/form_walk.ts";
import { clock, parser, weather } from "./read_calls.ts";
import { scoresFor, ToySequence } from "../toy_sequence.ts";

const SIZE = 320;
const FIRST = 290;
const never = new AbortController().signal;

/** The tiny tokenizer with `names` as tokens, control tokens or not. */
function filesWith(names: readonly string[], special = true) {
  const files = tinyTokenizerFiles(SIZE);
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special };
  const { vocab } = files.tokenizer.model;
  for (const [i, content] of names.entries()) {
    const id = FIRST + i;
    delete vocab[`<|unused_${id}|>`];
    vocab[content] = id;
    files.tokenizer.added_tokens.push({ id, content, ...flags });
  }
  return files;
}

const MISTRAL = ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"];
const tokenizer = openTokenizer(filesWith(MISTRAL));

/** What is told of an answer of these ids. */
async function told(ids: readonly number[], options: { stop?: readonly string[]; isCalling?: boolean } = {}) {
  const { stop = [], isCalling = true } = options;
  const prompt = [5];
  const sequence = new ToySequence((all) => scoresFor(ids[all.length - 1] ?? TINY_END_ID, SIZE));
  const run = {
    clock: new FakeClock(),
    tokens: {
      sequence,
      picker: new Picker({ sampling: { temperature: 0 }, draw: seededDraw(1), prompt }),
      prompt,
      held: 0,
      maxTokens: 200,
      endIds: tokenizer.endIds,
    },
    words: tokenizer.stream(prompt),
    textOf: (id: number) => tokenizer.textOf(id),
    stop,
    topLogprobs: undefined,
    calls: isCalling ? parser() : undefined,
    marks: markIds(tokenizer),
    startedAtMs: 0,
    made: [],
  };
  const events: TextEvent[] = [];
  for await (const event of tellAnswer(run, never)) events.push(event);
  const text = events.flatMap((event) => event.kind === "text" ? [event.text] : []).join("");
  const calls = events.flatMap((event) => event.kind === "tool_calls" ? event.calls : []);
  const [end] = events.flatMap((event) => event.kind === "end" ? [event.reason] : []);
  return { text, calls: calls.map(({ name, arguments: given }) => name + given), end };
}

const ids = (text: string) => tokenizer.encode(text, { special: false });

Deno.test("markIds are the control tokens of calls; what has a text of its own is none", () => {
  assertEquals([...markIds(tokenizer)], [[290, "[TOOL_CALLS]"], [292, "[CALL_ID]"], [291, "[ARGS]"]]);
  assertEquals(markIds(openTokenizer(filesWith(MISTRAL, false))).size, 0);
  assertEquals(markIds(openTokenizer(tinyTokenizerFiles(SIZE))).size, 0);
});

Deno.test("a flag before a control token's name is told from every letter of a text", () => {
  for (const name of CALL_MARKS) {
    assertEquals(markAt(`a${FLAG}${name}`, 1), name);
    assertEquals(unmarked(`a${FLAG}${name}b`), "ab");
    assertEquals(spelt(`a${FLAG}${name}b`), `a${name}b`);
    const lettered = `\u{10000}${name}`; // begins with the same half letter
    assertEquals([markAt(lettered, 0), unmarked(lettered), spelt(lettered)], ["", lettered, lettered]);
  }
});

Deno.test("calls between control tokens are found, and no control token is told", async () => {
  assertEquals(ids("[TOOL_CALLS]weather[ARGS]")[0], 290);
  const call = '[TOOL_CALLS]weather[ARGS]{"city":"Rome"}';
  const answers = [
    [call, "", ['weather{"city":"Rome"}'], "tool_calls"],
    [`Hi. ${call}[TOOL_CALLS]clock[CALL_ID]123456789[ARGS]{}`, "Hi.", [
      'weather{"city":"Rome"}',
      "clock{}",
    ], "tool_calls"],
    ['[TOOL_CALLS][{"name":"clock","arguments":{}}]', "", ["clock{}"], "tool_calls"],
    ["[TOOL_CALLS]nothing", "nothing", [], "end"],
    ['[TOOL_CALLS]other[ARGS]{"a":1} x', 'other{"a":1} x', [], "end"],
    ["a[ARGS]b[TOOL_CALLS]", "ab", [], "end"],
    ['[ARGS]{"name":"clock","arguments":{}}', "", ["clock{}"], "tool_calls"],
  ] as const;
  for (const [answer, text, calls, end] of answers) {
    assertEquals(await told(ids(answer)), { text, calls: [...calls], end }, answer);
  }
  assertEquals(await told(ids(call), { isCalling: false }), {
    text: 'weather{"city":"Rome"}',
    calls: [],
    end: "end",
  });
});

Deno.test("stops are looked for in text, not in the names of control tokens, nor across them", async () => {
  const call = '[TOOL_CALLS]weather[ARGS]{"city":"Rome"}';
  assertEquals(await told(ids(`Well E${call}`), { stop: ["TOOL", "[", "END"] }), {
    text: "Well E",
    calls: ['weather{"city":"Rome"}'],
    end: "tool_calls",
  });
  assertEquals(await told(ids(`x${call} END ${call}`), { stop: ["END"] }), {
    text: "x",
    calls: ['weather{"city":"Rome"}'],
    end: "tool_calls",
  });
});

Deno.test("a letter whose bytes a control token interrupts does not swallow it", async () => {
  const half = ids("€").slice(0, 1);
  const { text, calls } = await told([...half, ...ids("[TOOL_CALLS]clock[ARGS]{}")]);
  assertEquals([text, calls], ["\uFFFD", ["clock{}"]]);
});

const planned = (marks: string, toolChoice: ToolChoice) => {
  const source = `{% if tools %}{{ tools | tojson }}{% endif %}{# ${marks} #}{{ messages | tojson }}`;
  const template = openChatTemplate({ tokenizer: {}, config: { chat_template: source } })!;
  const messages = [{ role: "user", content: "Hi" }];
  return toolPlan(fakeWorld(), template, { kind: "chat", messages, tools: [weather, clock], toolChoice });
};

Deno.test("a forced call is written with the vocabulary's control tokens, and read back", async () => {
  const model = formModel(filesWith([...MISTRAL, "<tool_call>", ...Object.values(DEEPSEEK)]), SIZE);
  const marks = markIds(model.tokenizer);
  const families = [
    ["[TOOL_CALLS][ARGS]", [290, 291]],
    ["[TOOL_CALLS][ARGS][CALL_ID]", [290, 292, 291]],
    ["[TOOL_CALLS]", [290]],
    ["<tool_call>", [293]],
    ["<｜tool▁calls▁begin｜>", [294, 295, 296, 297, 298]],
    ["<｜tool▁calls▁begin｜>\n```json", [294, 295, 296, 297, 298]],
  ] as const;
  for (const [words, wanted] of families) {
    for (let seed = 0; seed < 4; seed++) {
      const { form, calls } = planned(words, { name: "weather" });
      const { ids, isWhole } = await walk(model, form!, { draw: seededDraw(seed), soon: 90 });
      assert(isWhole);
      // and nowhere in the texts of arguments
      assertEquals(ids.filter((id) => marks.has(id)), [...wanted]);
      const stream = model.tokenizer.stream();
      const read = ids.map((id) =>
        marks.has(id) ? calls!.mark(marks.get(id)!) : calls!.push(stream.push(id))
      );
      assertEquals(read.map(({ text }) => text).join("") + calls!.finish().text, "");
      const names = read.flatMap(({ calls }) => calls.map(({ name }) => name));
      assert(names.length > 0 && names.every((name) => name === "weather"), words);
    }
  }
});

Deno.test("a control token may come where a longer name of another tool could go on", async () => {
  const model = formModel(filesWith(MISTRAL), SIZE);
  const source =
    "{# [TOOL_CALLS][ARGS] #}{% if tools %}{{ tools | tojson }}{% endif %}{{ messages | tojson }}";
  const template = openChatTemplate({ tokenizer: {}, config: { chat_template: source } })!;
  const tools = [{ name: "add" }, { name: "add_all" }];
  const messages = [{ role: "user", content: "Hi" }];
  const plan = { kind: "chat" as const, messages, tools, toolChoice: "required" as const };
  const { form } = toolPlan(fakeWorld(), template, plan);
  for (const [text, wanted] of [["[TOOL_CALLS]add", true], ["[TOOL_CALLS]ad", false]] as const) {
    using constraint = await model.forms.constrain(form!, never);
    for (const id of ids(text)) await constraint.accept(id);
    const scores = new Float32Array(SIZE);
    constraint.mask(scores);
    assertEquals([scores[291] === 0, scores[290] === 0], [wanted, false], text);
  }
});

Deno.test("a form of the caller's never gets a control token", async () => {
  const model = formModel(filesWith(MISTRAL), SIZE);
  const form: AnswerForm = { kind: "regex", pattern: "\\[ARGS\\]a" };
  const { text, ids } = await walk(model, form, { draw: seededDraw(1) });
  assertEquals([text, ids.includes(291)], ["[ARGS]a", false]);
  const tagged: AnswerForm = { kind: "schema", schema: { const: 1 }, before: "[ARGS]" };
  assertEquals((await walk(model, tagged, { draw: seededDraw(1) })).text, "[ARGS]1");
  assert(!await accepts(model, tagged, "[ARGS]1"));
  assert(await accepts(model, { ...tagged, hasMarks: true }, "[ARGS]1"));
});
