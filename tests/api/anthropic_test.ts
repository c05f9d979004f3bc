import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { apiHandler } from "../../src/api/handler.ts";
import { openApiServer } from "../../src/api/server.ts";
import { NodeError } from "../../src/base/errors.ts";
import type { TextEvent } from "../../src/text/types.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { TOY_CARD, ToyModels, usageOf } from "../text/toy_model.ts";
import { apiOptions, asker } from "./support.ts";

const model = TOY_CARD.id;
const user = [{ role: "user", content: "Say hello" }];
const plain = { model, max_tokens: 50, messages: user };

const toyWith = (...script: (TextEvent | Error)[]): ToyModels => {
  const text = new ToyModels();
  if (script.length > 0) text.script = () => script;
  return text;
};
const end = (reason: "end" | "stop" | "length" | "tool_calls", more: object = {}): TextEvent => ({
  kind: "end",
  reason,
  ...more,
  usage: usageOf(7, 3),
});
const word = (text: string): TextEvent => ({ kind: "text", text, ids: [1], tokens: [] });

/** Events of a stream; each names its type twice. */
async function eventsOf(answer: Response): Promise<Record<string, unknown>[]> {
  const text = await answer.text();
  assertEquals(text.endsWith("\n\n"), true);
  return text.slice(0, -2).split("\n\n").map((event) => {
    const [, type, data] = event.match(/^event: (\w+)\ndata: (.*)$/)!;
    const document = JSON.parse(data!);
    assertEquals(document.type, type);
    return document;
  });
}

Deno.test("POST /v1/messages answers whole with Anthropic's defaults", async () => {
  const text = toyWith();
  const answer = await asker({ text })("/v1/messages", { json: { ...plain, metadata: { user_id: "u" } } });
  const { id, ...message } = await answer.json();
  assertMatch(id, /^msg_[0-9a-f]{24}$/);
  assertEquals(message, {
    type: "message",
    role: "assistant",
    model,
    content: [{ type: "text", text: "Hello there friend." }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 2, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 3 },
  });
  assertEquals(answer.headers.get("request-id"), answer.headers.get("x-request-id"));
  assertEquals(text.requests, [{
    prompt: { kind: "chat", messages: user },
    maxTokens: 50,
    sampling: { temperature: 1 },
  }]);
  assertEquals(text.left, 0);
});

Deno.test("POST /v1/messages streams the events that clients put together again", async () => {
  const answer = await asker({ text: toyWith() })("/v1/messages", { json: { ...plain, stream: true } });
  assertEquals(answer.headers.get("content-type"), "text/event-stream");
  const [start, ...rest] = await eventsOf(answer);
  const { message } = start as { message: { content: unknown; usage: { input_tokens: number } } };
  assertEquals([start!["type"], message.content, message.usage.input_tokens], ["message_start", [], 2]);
  const delta = (text: string) => ({
    type: "content_block_delta",
    index: 0,
    delta: { type: "text_delta", text },
  });
  assertEquals(rest, [
    { type: "ping" },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    delta("Hello "),
    delta("there "),
    delta("friend."),
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: {
        input_tokens: 2,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        output_tokens: 3,
      },
    },
    { type: "message_stop" },
  ]);
});

Deno.test("POST /v1/messages tells why the answer ended", async () => {
  for (
    const [given, stop_reason, stop_sequence] of [
      [end("stop", { stop: "END" }), "stop_sequence", "END"],
      [end("length"), "max_tokens", null],
      [end("end"), "end_turn", null],
    ] as const
  ) {
    const text = toyWith(word("Hi"), given);
    const ask = asker({ text });
    const json = { ...plain, stop_sequences: ["END", ""], temperature: 0.5, top_p: 0.9, top_k: 5 };
    const whole = await (await ask("/v1/messages", { json })).json();
    assertEquals([whole.stop_reason, whole.stop_sequence], [stop_reason, stop_sequence]);
    const events = await eventsOf(await ask("/v1/messages", { json: { ...json, stream: true } }));
    assertEquals(events.at(-2)!["delta"], { stop_reason, stop_sequence });
    const { stop, sampling } = text.requests[1]!;
    assertEquals([stop, sampling], [["END"], { temperature: 0.5, topK: 5, topP: 0.9 }]);
  }
});

Deno.test("POST /v1/messages gives calls of tools as blocks, whole and streamed", async () => {
  const calls = [{ id: "call_a", name: "weather", arguments: '{"city":"Oslo"}' }, {
    id: "call_b",
    name: "time",
    arguments: "{}",
  }];
  const text = toyWith(word("Let me see."), { kind: "tool_calls", calls }, end("tool_calls"));
  const ask = asker({ text });
  const input_schema = { type: "object", properties: { city: { type: "string" } } };
  const tools = [
    { name: "weather", description: "Tells it", input_schema, strict: true },
    { name: "time", input_schema },
  ];
  const whole = await (await ask("/v1/messages", { json: { ...plain, tools } })).json();
  const { prompt } = text.requests[0]!;
  assertEquals(prompt.kind === "chat" && prompt.tools, [
    { name: "weather", description: "Tells it", parameters: input_schema, strict: true },
    { name: "time", parameters: input_schema },
  ]);
  assertEquals([whole.stop_reason, whole.content], ["tool_use", [
    { type: "text", text: "Let me see." },
    { type: "tool_use", id: "call_a", name: "weather", input: { city: "Oslo" } },
    { type: "tool_use", id: "call_b", name: "time", input: {} },
  ]]);
  const events = await eventsOf(await ask("/v1/messages", { json: { ...plain, tools, stream: true } }));
  assertEquals(events.slice(2, -2), [
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Let me see." } },
    { type: "content_block_stop", index: 0 },
    ...calls.flatMap(({ id, name, arguments: partial_json }, i) => [
      {
        type: "content_block_start",
        index: i + 1,
        content_block: { type: "tool_use", id, name, input: {} },
      },
      { type: "content_block_delta", index: i + 1, delta: { type: "input_json_delta", partial_json } },
      { type: "content_block_stop", index: i + 1 },
    ]),
  ]);
});

Deno.test("POST /v1/messages takes systems, blocks, calls and results as a conversation", async () => {
  const text = toyWith();
  const json = {
    ...plain,
    system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }, {
      type: "text",
      text: "Be kind.",
    }],
    messages: [
      { role: "user", content: [{ type: "text", text: "Weather?" }] },
      { role: "user", content: "In Oslo." },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "s" },
          { type: "text", text: "I look." },
          { type: "tool_use", id: "t1", name: "weather", input: { city: "Oslo" } },
        ],
      },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "t1",
            content: [{ type: "text", text: "cold" }],
            is_error: false,
          },
          { type: "text", text: "So?" },
        ],
      },
    ],
  };
  assertEquals((await asker({ text })("/v1/messages", { json })).status, 200);
  assertEquals(text.requests[0]!.prompt, {
    kind: "chat",
    messages: [
      { role: "system", content: "Be brief.\nBe kind." },
      { role: "user", content: "Weather?\nIn Oslo." },
      {
        role: "assistant",
        content: "I look.",
        reasoning_content: "hm",
        tool_calls: [{
          id: "t1",
          type: "function",
          function: { name: "weather", arguments: '{"city":"Oslo"}' },
        }],
      },
      { role: "tool", content: "cold", tool_call_id: "t1", name: "weather" },
      { role: "user", content: "So?" },
    ],
  });
});

Deno.test("POST /v1/messages goes on where a message of the model ends", async () => {
  const text = toyWith();
  const json = { ...plain, messages: [...user, { role: "assistant", content: "Sure: it is" }] };
  await asker({ text })("/v1/messages", { json });
  // "<|user|>Say helloSure: it is" is four words to the toy
  assertEquals(text.requests[0]!.prompt, { kind: "tokens", ids: [0, 1, 2, 3] });
});

Deno.test("POST /v1/messages passes on which tools must be called, and the form of the answer", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const schema = { type: "object" };
  const tools = [{ name: "weather", input_schema: schema }];
  const chosen = async (tool_choice: object, more: object = {}) => {
    await ask("/v1/messages", { json: { ...plain, tools, tool_choice, ...more } });
    const prompt = text.requests.at(-1)!.prompt as Record<string, unknown>;
    return [prompt["toolChoice"], prompt["parallelToolCalls"]];
  };
  assertEquals(await chosen({ type: "any" }), ["required", undefined]);
  assertEquals(await chosen({ type: "auto", disable_parallel_tool_use: true }), ["auto", false]);
  assertEquals(await chosen({ type: "none" }), ["none", undefined]);
  assertEquals(await chosen({ type: "tool", name: "weather" }), [{ name: "weather" }, undefined]);
  assertEquals(await chosen({ type: "none" }, { tools: [] }), [undefined, undefined]);
  const format = { type: "json_schema", schema };
  for (const more of [{ output_format: format }, { output_config: { format, effort: "low" } }]) {
    await ask("/v1/messages", { json: { ...plain, ...more } });
    assertEquals(text.requests.at(-1)!.form, { kind: "schema", schema });
  }
});

Deno.test("POST /v1/messages/count_tokens counts the conversation and asks nothing", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const answer = await ask("/v1/messages/count_tokens", {
    json: { model, messages: user, system: "Be brief" },
  });
  // "<|system|>Be brief\n<|user|>Say hello"
  assertEquals([await answer.json(), text.requests], [{ input_tokens: 3 }, []]);
});

Deno.test("POST /v1/messages refuses to keep a conversation in the words that make clients send all of it", async () => {
  const ask = asker({ text: toyWith() });
  for (const thread of [{ type: "create" }, { type: "continue", previous_message_id: "msg_1" }]) {
    const answer = await ask("/v1/messages", { json: { ...plain, thread } });
    const { error } = await answer.json();
    assertEquals([answer.status, error.type], [400, "invalid_request_error"]);
    assertEquals(error.details, { error_code: "thread_unsupported_request" });
  }
  assertEquals((await ask("/v1/messages", { json: { ...plain, thread: null } })).status, 200);
});

Deno.test("POST /v1/messages refuses wrong fields by name and unknown models in Anthropic's shape", async () => {
  const ask = asker({ text: toyWith() });
  const content = (...blocks: object[]) => ({ ...plain, messages: [{ role: "user", content: blocks }] });
  for (
    const [json, status, type, words] of [
      [{ model, messages: user }, 400, "invalid_request_error", /max_tokens is missing/],
      [{ ...plain, max_tokens: 0 }, 400, "invalid_request_error", /max_tokens is 0, wanted 1 or more/],
      [{ ...plain, temperature: 1.5 }, 400, "invalid_request_error", /temperature is 1.5, wanted 1 or less/],
      [{ ...plain, messages: [] }, 400, "invalid_request_error", /messages/],
      [
        content({ type: "image", source: {} }),
        400,
        "invalid_request_error",
        /messages\.0\.content\.0\.type is "image"/,
      ],
      [
        content({
          type: "tool_result",
          tool_use_id: "t",
          content: [{ type: "text", text: "a" }, { type: "image" }],
        }),
        400,
        "invalid_request_error",
        /messages\.0\.content\.0\.content\.1\.type is "image", wanted text/,
      ],
      [{ ...plain, system: [{ type: "image" }] }, 400, "invalid_request_error", /system\.0\.type is "image"/],
      [content({ type: "text" }), 400, "invalid_request_error", /messages\.0\.content\.0\.text is missing/],
      [
        { ...plain, tools: [{ type: "web_search_20250305", name: "w" }] },
        400,
        "invalid_request_error",
        /tools\.0/,
      ],
      [{ ...plain, tool_choice: { type: "any" } }, 400, "invalid_request_error", /tool_choice/],
      [{ ...plain, model: "claude" }, 404, "not_found_error", /"claude"/],
    ] as const
  ) {
    const answer = await ask("/v1/messages", { json });
    const { type: outer, error, request_id } = await answer.json();
    assertEquals([answer.status, outer, error.type], [status, "error", type], error.message);
    assertMatch(error.message, words);
    assertEquals(request_id, answer.headers.get("request-id"));
  }
});

Deno.test("POST /v1/messages tells by status what fails before the answer, and in an event what fails within", async () => {
  const missing = new NodeError("unreachable", "Cannot answer: blocks 0:2 are served by nobody, wanted all");
  const ask = asker({ text: toyWith(missing) });
  const failed = await ask("/v1/messages", { json: { ...plain, stream: true } });
  assertEquals([failed.status, failed.headers.get("retry-after")], [503, "5"]);
  assertEquals((await failed.json()).error, { type: "overloaded_error", message: missing.message });
  const within = asker({ text: toyWith(word("Hel"), missing) });
  const headers = { "x-request-id": "me-1" };
  const events = await eventsOf(
    await within("/v1/messages", { json: { ...plain, stream: true }, headers }),
  );
  assertEquals(events.at(-1), {
    type: "error",
    error: { type: "overloaded_error", message: missing.message },
    request_id: "me-1",
  });
});

Deno.test("a stream of messages ends the answer when its reader leaves", async () => {
  const text = toyWith();
  const reached = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let count = 0;
  text.pause = (signal) => {
    if (count++ < 2) return Promise.resolve();
    reached.resolve();
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => {
        ended.resolve();
        reject(signal.reason);
      })
    );
  };
  await using server = openApiServer(fakeWorld(), "127.0.0.1:0", apiHandler(apiOptions({ text })));
  const leave = new AbortController();
  const asked = fetch(`${server.url}/v1/messages`, {
    method: "POST",
    body: JSON.stringify({ ...plain, stream: true }),
    signal: leave.signal,
  }).then((answer) => answer.text());
  await reached.promise;
  leave.abort();
  await assertRejects(() => asked);
  await ended.promise;
  await settle();
  assertEquals(text.left, 1);
});
