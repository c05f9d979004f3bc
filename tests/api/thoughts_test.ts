import { assertEquals, assertMatch } from "@std/assert";
import { continuedPrompt } from "../../src/api/rendered_prompt.ts";
import type { TextEvent } from "../../src/text/types.ts";
import { TOY_CARD, ToyModels, usageOf } from "../text/toy_model.ts";
import { asker } from "./support.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

const model = TOY_CARD.id;
const user = [{ role: "user", content: "2+2?" }];
const usage = { ...usageOf(4, 5), thoughtTokens: 3 };
const call = { id: "call_1", name: "clock", arguments: "{}" };
const score = { id: 7, text: "Four.", logprob: -0.5, top: [] };
const thoughts: readonly TextEvent[] = [
  { kind: "prompt", done: 4, total: 4 },
  { kind: "thought", text: "A " },
  { kind: "thought", text: "sum." },
];
const answered: readonly TextEvent[] = [
  ...thoughts,
  { kind: "text", text: "Four.", ids: [7], tokens: [score] },
  { kind: "end", reason: "end", usage },
];
const called: readonly TextEvent[] = [
  ...thoughts,
  { kind: "tool_calls", calls: [call] },
  { kind: "end", reason: "tool_calls", usage },
];
const cut: readonly TextEvent[] = [...thoughts, { kind: "end", reason: "length", usage }];

function scene(script: readonly TextEvent[] = answered) {
  const text = new ToyModels([{ ...TOY_CARD, thinks: true }]);
  text.script = () => script;
  return { text, ask: asker({ text }) };
}

const eventsOf = async (answer: Response): Promise<Any[]> =>
  (await answer.text()).split("\n").filter((line) => line.startsWith("data: {")).map((line) =>
    JSON.parse(line.slice(6))
  );

Deno.test("a chat tells thoughts as reasoning_content, apart from content and its probabilities", async () => {
  const { ask } = scene();
  const json = { model, messages: user, logprobs: true, stream_options: { include_usage: true } };
  const whole: Any = await (await ask("/v1/chat/completions", { json })).json();
  const [{ message, logprobs }] = whole.choices;
  assertEquals([message.reasoning_content, message.content], ["A sum.", "Four."]);
  assertEquals(logprobs.content.map(({ token }: Any) => token), ["Four."]);
  assertEquals([whole.usage.completion_tokens, whole.usage.completion_tokens_details], [5, {
    reasoning_tokens: 3,
  }]);
  const chunks = await eventsOf(await ask("/v1/chat/completions", { json: { ...json, stream: true } }));
  assertEquals(chunks.flatMap(({ choices }) => choices.map(({ delta }: Any) => delta)), [
    { role: "assistant", content: "" },
    { reasoning_content: "A " },
    { reasoning_content: "sum." },
    { content: "Four." },
    {},
  ]);
  assertEquals(chunks.at(-1).usage.completion_tokens_details, { reasoning_tokens: 3 });
});

Deno.test("a chat gives thoughts of earlier answers back to the template", async () => {
  const { text, ask } = scene();
  const said = { role: "assistant", content: "Four.", reasoning_content: "A sum." };
  await ask("/v1/chat/completions", { json: { model, messages: [...user, said, ...user] } });
  assertEquals((text.requests[0]!.prompt as Any).messages, [...user, said, ...user]);
  const { reasoning_content: reasoning, ...words } = said;
  await ask("/v1/chat/completions", {
    json: { model, messages: [...user, { ...words, reasoning }, ...user] },
  });
  assertEquals((text.requests.pop()!.prompt as Any).messages, [...user, said, ...user]);
  const { thinking, ...rest } = { ...said, thinking: "A sum.", reasoning_content: undefined };
  await ask("/api/chat", { json: { model, messages: [...user, { ...rest, thinking }, ...user] } });
  assertEquals((text.requests[1]!.prompt as Any).messages, [...user, said, ...user]);
});

Deno.test("an answer that goes on where the caller's last message ends is behind its thoughts", async () => {
  const { card, ...toy } = await new ToyModels().open(undefined);
  const texts: string[] = [];
  const opening = {
    card,
    ...toy,
    render: () => "<|user|>2+2?<|model|><think>\n",
    tokenize: (text: string) => (texts.push(text), []),
  };
  const said = { role: "assistant", content: "It is" };
  continuedPrompt(opening, { kind: "chat", messages: [...user, said] });
  assertEquals(texts[0], "<|user|>2+2?<|model|><think>\n\n</think>\n\nIt is");
});

Deno.test("responses have thoughts as a reasoning item before the others", async () => {
  const itemsOf = async (script: readonly TextEvent[]) => {
    const { ask } = scene(script);
    const whole: Any = await (await ask("/v1/responses", { json: { model, input: "2+2?" } })).json();
    const events = await eventsOf(
      await ask("/v1/responses", { json: { model, input: "2+2?", stream: true } }),
    );
    const told = events.at(-1).response;
    const bare = (items: Any[]) => items.map(({ id: _, ...item }) => item);
    assertEquals(bare(told.output), bare(whole.output));
    assertEquals(whole.usage.output_tokens_details, { reasoning_tokens: 3 });
    for (const [index, item] of told.output.entries()) {
      const own = events.filter(({ output_index: at }) => at === index);
      assertEquals([own[0].item.id, own.at(-1).item], [item.id, item]);
    }
    return {
      events,
      items: whole.output.map(({ type, status }: Any) => [type, status]),
      output: whole.output,
    };
  };
  const { events, items, output } = await itemsOf(answered);
  assertEquals(items, [["reasoning", "completed"], ["message", "completed"]]);
  assertEquals(output[0].content, [{ type: "reasoning_text", text: "A sum." }]);
  assertEquals(output[1].content[0].text, "Four.");
  assertEquals(events.map(({ type, output_index: at }) => [type.replace("response.", ""), at]), [
    ["created", undefined],
    ["in_progress", undefined],
    ["output_item.added", 0],
    ["content_part.added", 0],
    ["reasoning_text.delta", 0],
    ["reasoning_text.delta", 0],
    ["reasoning_text.done", 0],
    ["content_part.done", 0],
    ["output_item.done", 0],
    ["output_item.added", 1],
    ["content_part.added", 1],
    ["output_text.delta", 1],
    ["output_text.done", 1],
    ["content_part.done", 1],
    ["output_item.done", 1],
    ["completed", undefined],
  ]);
  assertEquals((await itemsOf(called)).items, [["reasoning", "completed"], ["function_call", "completed"]]);
  assertEquals((await itemsOf(cut)).items, [["reasoning", "incomplete"], ["message", "incomplete"]]);
});

Deno.test("Ollama's chats and prompts tell thoughts as thinking, which models say that they can", async () => {
  const { text, ask } = scene();
  const pieceOf = ({ message, response, thinking }: Any) => message ?? { thinking, content: response };
  for (
    const [path, asked] of [["/api/chat", { messages: user }], ["/api/generate", { prompt: "2+2?" }]] as const
  ) {
    const whole: Any = await (await ask(path, { json: { model, ...asked, stream: false } })).json();
    const { thinking, content } = pieceOf(whole);
    assertEquals([thinking, content, whole.eval_count], ["A sum.", "Four.", 5], path);
    const lines = (await (await ask(path, { json: { model, ...asked, think: true } })).text()).trim().split(
      "\n",
    );
    assertEquals(
      lines.map((line) => pieceOf(JSON.parse(line))).map(({ thinking, content }) => [thinking, content]),
      [["A ", ""], ["sum.", ""], [undefined, "Four."], [undefined, ""]],
      path,
    );
    await ask(path, { json: { model, ...asked, think: false } });
    assertEquals(text.requests.map(({ thoughts }) => thoughts), [undefined, undefined, "in text"], path);
    text.requests.length = 0;
  }
  await ask("/api/generate", { json: { model, prompt: "And now?", context: [1, 2] } });
  assertEquals(text.requests[0]!.thoughts, "apart");
  const shown: Any = await (await ask("/api/show", { json: { model } })).json();
  assertEquals(shown.capabilities, ["completion", "tools", "thinking"]);
});

Deno.test("Anthropic's messages have thoughts as signed blocks where they are asked for, else not at all", async () => {
  const json = { model, messages: user, max_tokens: 9 };
  const thinking = { type: "enabled", budget_tokens: 1024 };
  const contentOf = async (script: readonly TextEvent[], more: object) => {
    const { ask } = scene(script);
    const whole: Any = await (await ask("/v1/messages", { json: { ...json, ...more } })).json();
    const blocks: Any[] = [];
    for (
      const event of await eventsOf(await ask("/v1/messages", { json: { ...json, ...more, stream: true } }))
    ) {
      if (event.type === "content_block_start") blocks.push({ ...event.content_block });
      const { type, index, delta } = event;
      if (type !== "content_block_delta") continue;
      assertEquals(index, blocks.length - 1);
      const block = blocks[index];
      if (delta.type === "thinking_delta") block.thinking += delta.thinking;
      if (delta.type === "signature_delta") block.signature = delta.signature;
      if (delta.type === "text_delta") block.text += delta.text;
    }
    assertEquals(blocks, whole.content);
    return blocks;
  };
  const [thought, text] = await contentOf(answered, { thinking });
  assertEquals([thought.type, thought.thinking, text], ["thinking", "A sum.", {
    type: "text",
    text: "Four.",
  }]);
  assertMatch(thought.signature, /^[A-Za-z0-9+/]{43}=$/);
  const types = async (script: readonly TextEvent[], more: object) =>
    (await contentOf(script, more)).map(({ type }: Any) => type);
  assertEquals(await types(called, { thinking }), ["thinking", "tool_use"]);
  assertEquals(await types(cut, { thinking }), ["thinking"]);
  assertEquals(await types(answered, {}), ["text"]);
  assertEquals(await types(answered, { thinking: { type: "disabled" } }), ["text"]);
});
