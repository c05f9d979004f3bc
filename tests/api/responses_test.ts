/** What responses take from clients that are agents: answers to go on from, tools in namespaces, tools that run elsewhere. */
import { assertEquals } from "@std/assert";
import { KeptResponses } from "../../src/api/openai/kept_responses.ts";
import type { TextEvent } from "../../src/text/types.ts";
import { TOY_CARD, ToyModels, usageOf } from "../text/toy_model.ts";
import { asker } from "./support.ts";

const model = TOY_CARD.id;
const answer = "Hello there friend.";

// deno-lint-ignore no-explicit-any
type Any = any;
type Ask = ReturnType<typeof asker>;

const respond = async (ask: Ask, body: object): Promise<Any> =>
  await (await ask("/v1/responses", { json: { model, ...body } })).json();
const promptOf = (text: ToyModels): Any => text.requests.at(-1)!.prompt;
const messagesOf = (text: ToyModels) => promptOf(text).messages;

const toyCalling = (name: string): ToyModels => {
  const text = new ToyModels();
  const script: TextEvent[] = [
    { kind: "text", text: "Let me see.", ids: [1], tokens: [] },
    { kind: "tool_calls", calls: [{ id: "call_1", name, arguments: "{}" }] },
    { kind: "end", reason: "tool_calls", usage: usageOf(5, 4) },
  ];
  text.script = () => script;
  return text;
};
const functionOf = (name: string) => ({ type: "function", name, parameters: { type: "object" } });

Deno.test("a response goes on from an earlier one, whole or streamed, with other instructions", async () => {
  const text = new ToyModels();
  const ask = asker({ text });
  const first = await respond(ask, { input: "hi", instructions: "Be brief." });
  assertEquals([first.store, first.previous_response_id], [true, null]);
  const streamed = await ask("/v1/responses", {
    json: { model, input: "again", previous_response_id: first.id, stream: true },
  });
  const [last, done] = (await streamed.text()).trimEnd().split("\n\n").slice(-2);
  assertEquals(done, "data: [DONE]");
  const second = JSON.parse(last!.split("\ndata: ")[1]!).response;
  assertEquals(second.previous_response_id, first.id);
  await respond(ask, { input: [{ role: "user", content: "more" }], previous_response_id: second.id });
  assertEquals(messagesOf(text), [
    { role: "user", content: "hi" },
    { role: "assistant", content: answer },
    { role: "user", content: "again" },
    { role: "assistant", content: answer },
    { role: "user", content: "more" },
  ]);
});

Deno.test("a response has every field of the Open Responses specification", async () => {
  const ask = asker({ text: new ToyModels() });
  const tools = [{ type: "function", name: "f" }];
  const reply = await respond(ask, { input: "x", tools, prompt_cache_key: "k", presence_penalty: 1 });
  const [tool] = reply.tools;
  assertEquals(tool, { type: "function", name: "f", description: null, parameters: null, strict: null });
  const { id, created_at, completed_at, output, usage, kwaai: _, user: _user, ...rest } = reply;
  assertEquals([typeof id, completed_at >= created_at, output.length], ["string", true, 1]);
  assertEquals(usage.total_tokens, usage.input_tokens + usage.output_tokens);
  assertEquals(rest, {
    object: "response",
    model,
    status: "completed",
    background: false,
    error: null,
    frequency_penalty: 0,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    metadata: {},
    parallel_tool_calls: true,
    presence_penalty: 1,
    previous_response_id: null,
    prompt_cache_key: "k",
    reasoning: { effort: null, summary: null },
    safety_identifier: null,
    service_tier: "default",
    store: true,
    temperature: 1,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [tool],
    top_logprobs: 0,
    top_p: 1,
    truncation: "disabled",
  });
});

Deno.test("an item of an earlier response may be named in place of being told again", async () => {
  const text = new ToyModels();
  const ask = asker({ text });
  const { output: [{ id }] } = await respond(ask, { input: "hi" });
  await respond(ask, {
    input: [{ role: "user", content: "hi" }, { type: "item_reference", id }, {
      role: "user",
      content: "go on",
    }],
  });
  assertEquals(messagesOf(text), [
    { role: "user", content: "hi" },
    { role: "assistant", content: answer },
    { role: "user", content: "go on" },
  ]);
});

Deno.test("what is not to be kept, or is not known, is refused by its field", async () => {
  const ask = asker({ text: new ToyModels() });
  const { id, store, output: [item] } = await respond(ask, { input: "hi", store: false });
  assertEquals(store, false);
  const refused: readonly (readonly [object, string])[] = [
    [{ input: "x", previous_response_id: id }, "previous_response_id"],
    [{ input: [{ type: "item_reference", id: item.id }] }, "input.0.id"],
    [{ input: [{ type: "item_reference" }] }, "input.0.id"],
    [{ input: "x", conversation: "conv_1" }, "conversation"],
    [{ input: "x", background: true }, "background"],
  ];
  for (const [body, param] of refused) {
    const reply = await ask("/v1/responses", { json: { model, ...body } });
    assertEquals([reply.status, ((await reply.json()) as Any).error.param], [400, param]);
  }
});

Deno.test("KeptResponses forgets the oldest where there are many, or long ones", () => {
  const kept = new KeptResponses();
  const say = (id: string, text: string) => kept.keep(id, [{ text }], [{ id: `item of ${id}` }]);
  for (let i = 0; i < 257; i++) say(`${i}`, "short");
  assertEquals(kept.conversation("0"), undefined);
  assertEquals(kept.item("item of 0"), undefined);
  assertEquals(kept.conversation("1"), [{ text: "short" }, { id: "item of 1" }]);
  say("long", "x".repeat(5 * 2 ** 20));
  assertEquals(kept.item("item of 256"), { id: "item of 256" });
  say("longer", "x".repeat(6 * 2 ** 20));
  assertEquals([kept.conversation("256"), kept.conversation("long")], [undefined, undefined]);
  assertEquals(kept.item("item of longer"), { id: "item of longer" });
  say("too long", "x".repeat(9 * 2 ** 20));
  assertEquals([kept.conversation("longer"), kept.conversation("too long")], [undefined, undefined]);
});

Deno.test("words and calls of one turn stay together, and a refusal is what was said", async () => {
  const text = new ToyModels();
  await respond(asker({ text }), {
    input: [
      { role: "user", content: "weather?" },
      { type: "message", role: "assistant", content: [{ type: "refusal", refusal: "Let me see." }] },
      { type: "function_call", call_id: "c1", name: "weather", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: [{ type: "input_text", text: "sunny" }] },
    ],
  });
  assertEquals(messagesOf(text), [
    { role: "user", content: "weather?" },
    {
      role: "assistant",
      content: "Let me see.",
      tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: "{}" } }],
    },
    { role: "tool", content: "sunny", tool_call_id: "c1" },
  ]);
});

Deno.test("tools that run elsewhere are not offered, and nothing is wrong with them while none must be called", async () => {
  const text = new ToyModels();
  const ask = asker({ text });
  const elsewhere = [
    { type: "web_search", external_web_access: false },
    { type: "custom", name: "apply_patch" },
    { type: "mcp", server_label: "x" },
  ];
  const { tools } = await respond(ask, { input: "x", tools: [...elsewhere, functionOf("weather")] });
  assertEquals(tools.length, 4);
  assertEquals(promptOf(text).tools.map(({ name }: Any) => name), ["weather"]);
  await respond(ask, { input: "x", tools: elsewhere, tool_choice: "auto" });
  assertEquals(promptOf(text).tools, undefined);
  for (const tool_choice of ["required", { type: "function", name: "apply_patch" }]) {
    const { error } = await respond(ask, { input: "x", tools: elsewhere, tool_choice });
    assertEquals(error.param, "tool_choice");
  }
  const odd: readonly (readonly [unknown, string])[] = [
    [{ name: "weather" }, "tools.0.type"],
    [{ type: "function", name: "" }, "tools.0.name"],
    [{ type: "namespace", name: "a", tools: [{}] }, "tools.0.tools.0.type"],
  ];
  for (const [tool, param] of odd) {
    assertEquals((await respond(ask, { input: "x", tools: [tool] })).error.param, param);
  }
});

Deno.test("functions of a namespace are called by their own names, or by both where two share one", async () => {
  const spaced = (name: string, ...names: string[]) => ({
    type: "namespace",
    name,
    tools: [...names.map(functionOf), { type: "custom", name: "free" }],
  });
  const tools = [functionOf("run"), spaced("agents", "run", "wait"), spaced("jobs", "wait", "list")];
  const names = ["run", "agents__run", "agents__wait", "jobs__wait", "list"];
  const known = [["agents__wait", "agents", "wait"], ["list", "jobs", "list"], [
    "run",
    undefined,
    "run",
  ]] as const;
  for (const [told, namespace, name] of known) {
    const text = toyCalling(told);
    const ask = asker({ text });
    const { id, output } = await respond(ask, { input: "x", tools });
    assertEquals(promptOf(text).tools.map(({ name }: Any) => name), names);
    assertEquals(output.map(({ type, namespace, name }: Any) => [type, namespace, name]), [
      ["message", undefined, undefined],
      ["function_call", namespace, name],
    ]);
    await respond(ask, {
      previous_response_id: id,
      input: [{ type: "function_call_output", call_id: "call_1", output: "done" }],
      tools,
      tool_choice: { type: "function", name: "wait", namespace: "jobs" },
    });
    assertEquals(promptOf(text).toolChoice, { name: "jobs__wait" });
    assertEquals(messagesOf(text)[1], {
      role: "assistant",
      content: "Let me see.",
      tool_calls: [{ id: "call_1", type: "function", function: { name: told, arguments: "{}" } }],
    });
  }
});

Deno.test("only the allowed tools are offered, to responses and to chats", async () => {
  const text = new ToyModels();
  const ask = asker({ text });
  const named = (name: string) => ({ type: "function", name });
  const nested = (name: string) => ({ type: "function", function: { name } });
  const responses = (...names: string[]) =>
    ask("/v1/responses", {
      json: {
        model,
        input: "x",
        tools: [functionOf("a"), functionOf("b")],
        tool_choice: { type: "allowed_tools", mode: "required", tools: names.map(named) },
      },
    });
  const chat = (...names: string[]) =>
    ask("/v1/chat/completions", {
      json: {
        model,
        messages: [{ role: "user", content: "x" }],
        tools: [nested("a"), nested("b")],
        tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: names.map(nested) } },
      },
    });
  for (const route of [responses, chat]) {
    assertEquals((await route("b", "b")).status, 200);
    const { tools, toolChoice } = promptOf(text);
    assertEquals([tools.map(({ name }: Any) => name), toolChoice], [["b"], "required"]);
    for (const names of [["c"], []]) assertEquals((await route(...names)).status, 400);
  }
});
