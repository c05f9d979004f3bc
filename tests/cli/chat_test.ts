import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { Chat, type ChatOptions, talk } from "../../src/cli/chat_text.ts";
import { Output, type Sink } from "../../src/cli/output.ts";
import { openInterrupts } from "../../src/cli/signals.ts";
import { ToyModels, usageOf } from "../text/toy_model.ts";
import { fakeWorld } from "../support/world.ts";

const never = new AbortController().signal;

function sink(isTerminal = false): Sink & { text: string } {
  const decoder = new TextDecoder();
  return {
    text: "",
    writeSync(bytes) {
      this.text += decoder.decode(bytes, { stream: true });
      return bytes.length;
    },
    isTerminal: () => isTerminal,
  };
}

async function scene(more: Partial<ChatOptions> & { isTerminal?: boolean } = {}) {
  const stdout = sink(more.isTerminal);
  const stderr = sink();
  const models = new ToyModels();
  const all = new AbortController();
  const interrupts = openInterrupts(all);
  const output = new Output(stdout, stderr);
  const chat = new Chat({
    world: fakeWorld(),
    model: await models.open(undefined),
    options: { sampling: { temperature: 0 }, maxTokens: 9 },
    output,
    json: false,
    interrupts,
    system: undefined,
    ...more,
  });
  return { chat, models, stdout, stderr, output, interrupts, all };
}

const linesOf = (...lines: string[]) => ({ next: () => Promise.resolve(lines.shift()) });
const asked = (models: ToyModels) =>
  models.requests.map(({ prompt }) => prompt.kind === "chat" ? prompt.messages.map((m) => m.content) : []);

Deno.test("chat keeps the turns, /new forgets them, /exit ends", async () => {
  const { chat, models, stdout, output } = await scene({ system: "Be brief." });
  const lines = linesOf("hi", "", "again", "/new", "fresh \\", "start", "/exit", "never");
  assertEquals(await talk(chat, { lines, output, json: false }, never), 0);
  const answer = "Hello there friend.";
  assertEquals(asked(models), [
    ["Be brief.", "hi"],
    ["Be brief.", "hi", answer, "again"],
    ["Be brief.", "fresh \nstart"],
  ]);
  assertEquals(stdout.text, `${answer}\n`.repeat(3));
});

Deno.test("chat shows a prompt on a terminal only, and answers in JSON where asked", async () => {
  const person = await scene({ isTerminal: true });
  await talk(person.chat, { lines: linesOf("hi"), output: person.output, json: false }, never);
  assertEquals(person.stdout.text.split("\n").slice(1), ["> Hello there friend.", "> ", ""]);
  const program = await scene({ json: true });
  await talk(program.chat, { lines: linesOf("hi"), output: program.output, json: true }, never);
  const { schema, event, text, newTokens } = JSON.parse(program.stdout.text);
  assertEquals([schema, event, text, newTokens], [1, "answered", "Hello there friend.", 3]);
});

Deno.test("chat shows thoughts faint on a terminal, in JSON as a field, and nowhere else", async () => {
  const shown = async (more: { isTerminal?: boolean; json?: boolean }) => {
    const { chat, models, stdout } = await scene(more);
    models.script = () => [
      { kind: "thought", text: "A " },
      { kind: "thought", text: "sum." },
      { kind: "text", text: "Four.", ids: [7], tokens: [] },
      { kind: "end", reason: "end", usage: usageOf(4, 5) },
    ];
    await chat.turn("2+2?", never, "alone");
    assertEquals(chat.messages.at(-1), { role: "assistant", content: "Four.", reasoning_content: "A sum." });
    return stdout.text;
  };
  assertEquals(await shown({ isTerminal: true }), "\x1b[2mA sum.\x1b[22m\n\nFour.\n");
  assertEquals(await shown({}), "Four.\n");
  const { text, thought } = JSON.parse(await shown({ isTerminal: true, json: true }));
  assertEquals([text, thought], ["Four.", "A sum."]);
});

Deno.test("an interrupt ends the answer, what was said stays, and the next one ends everything", async () => {
  const { chat, models, interrupts, all, stdout } = await scene();
  let events = 0;
  models.pause = () => {
    if (++events === 3) assertEquals(interrupts.take("SIGINT"), "taken");
    return Promise.resolve();
  };
  await chat.turn("hi", all.signal, "among others");
  assertEquals(stdout.text, "Hello \n");
  assertEquals(chat.messages.map(({ content }) => content), ["hi", "Hello "]);
  assertEquals([models.left, all.signal.aborted], [1, false]);
  assertEquals([interrupts.take("SIGINT"), all.signal.aborted], ["all", true]);
});

Deno.test("SIGTERM ends everything, also in the middle of an answer", async () => {
  const { chat, models, interrupts, all } = await scene();
  models.pause = () => Promise.resolve(void interrupts.take("SIGTERM"));
  await assertRejects(() => chat.turn("hi", all.signal, "among others"), NodeError, "SIGTERM");
});

Deno.test("a turn that fails is told and forgotten; alone it is the end", async () => {
  const { chat, models, stderr } = await scene();
  models.script = () => [new NodeError("unreachable", "Cannot generate: blocks are served by nobody")];
  await chat.turn("hi", never, "among others");
  assertEquals([stderr.text, chat.messages], [
    "kwaainet: Cannot generate: blocks are served by nobody\n",
    [],
  ]);
  await assertRejects(() => chat.turn("hi", never, "alone"), NodeError, "nobody");
});

Deno.test("chat --json tells of an answer what generate --json tells, in as many digits", async () => {
  const usage = { ...usageOf(7, 3), seconds: 1.23456789 };
  const { chat, models, stdout } = await scene({ json: true });
  models.script = () => [
    { kind: "text", text: "Hi", ids: [5, 6, 7], tokens: [] },
    { kind: "end", reason: "end", usage, ids: [5, 6, 7] },
  ];
  await chat.turn("Hello", never, "alone");
  const { at: _, ...told } = JSON.parse(stdout.text);
  assertEquals(told, {
    schema: 1,
    event: "answered",
    text: "Hi",
    tokens: [5, 6, 7],
    promptTokens: 7,
    newTokens: 3,
    seconds: 1.235,
    tokensPerSecond: 2.43,
    joules: 1.5,
    method: "measured board",
    hops: [{ peerId: "12D3KooWToy", blocks: [0, 2] }],
  });
});
