import { assert, assertEquals, assertMatch } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { TextEvent } from "../../src/text/types.ts";
import { TOY_CARD, ToyModels, usageOf } from "../text/toy_model.ts";
import { asker } from "./support.ts";

const model = TOY_CARD.id;
const user = [{ role: "user", content: "Say hello" }];
const answer = "Hello there friend.";

const toyWith = (...script: (TextEvent | Error)[]): ToyModels => {
  const text = new ToyModels();
  if (script.length > 0) text.script = () => script;
  return text;
};
const CALLS: TextEvent[] = [
  { kind: "text", text: "Let me see.", ids: [1], tokens: [] },
  { kind: "tool_calls", calls: [{ id: "call_1", name: "weather", arguments: '{"city":"Rome"}' }] },
  { kind: "end", reason: "tool_calls", usage: usageOf(5, 4) },
];
const TOOL = {
  type: "function",
  function: { name: "weather", parameters: { type: "object" }, strict: true },
};

/** Data of server-sent events; `[DONE]` stays text. */
async function dataOf(response: Response): Promise<unknown[]> {
  assertEquals(response.status, 200);
  assertMatch(response.headers.get("content-type")!, /^text\/event-stream/);
  return (await response.text()).split("\n\n").flatMap((event) => {
    const data = event.match(/^data: (.*)$/m)?.[1];
    return data === undefined ? [] : [data === "[DONE]" ? data : JSON.parse(data)];
  });
}

// deno-lint-ignore no-explicit-any
type Any = any;

Deno.test("models are listed and found by id, also with :latest and with slashes", async () => {
  const slashed = { ...TOY_CARD, id: "org/name" };
  const ask = asker({ text: new ToyModels([TOY_CARD, slashed]) });
  const list: Any = await (await ask("/v1/models")).json();
  assertEquals([list.object, list.data.map(({ id }: Any) => id)], ["list", [model, "org/name"]]);
  // Anthropic's clients ask the same route, and turn pages
  assertEquals([list.has_more, list.first_id, list.last_id], [false, model, "org/name"]);
  const { type, display_name, created_at } = list.data[0];
  assertEquals([type, display_name, created_at], ["model", model, "2026-09-21T14:13:20.000Z"]);
  for (const id of [model, `${model}:latest`, "org/name"]) {
    const found: Any = await (await ask(`/v1/models/${id}`)).json();
    assertEquals([found.object, found.id], ["model", id.replace(":latest", "")]);
  }
  const missing = await ask("/v1/models/gpt-5");
  const { error }: Any = await missing.json();
  assertEquals([missing.status, error.code, error.param], [404, "not_found", null]);
});

Deno.test("a chat is answered whole, with usage and who computed", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const reply: Any = await (await ask("/v1/chat/completions", { json: { model, messages: user } })).json();
  assertMatch(reply.id, /^chatcmpl-[0-9a-f]{24}$/);
  assertEquals([reply.object, reply.model], ["chat.completion", model]);
  assertEquals(reply.choices, [{
    index: 0,
    message: { role: "assistant", content: answer, refusal: null },
    logprobs: null,
    finish_reason: "stop",
  }]);
  assertEquals(reply.usage, {
    prompt_tokens: 2,
    completion_tokens: 3,
    total_tokens: 5,
    prompt_tokens_details: { cached_tokens: 0 },
  });
  assertEquals(reply.kwaai.hops, [{ peer: "12D3KooWToy", blocks: [0, 2] }]);
  assertEquals(reply.kwaai.joules, 1.5);
  assertEquals(text.requests[0], { prompt: { kind: "chat", messages: user }, sampling: { temperature: 1 } });
});

Deno.test("a chat streams chunks and [DONE]; usage comes only where it is asked for", async () => {
  const ask = asker({ text: toyWith() });
  const chunks: Any[] = await dataOf(
    await ask("/v1/chat/completions", { json: { model, messages: user, stream: true } }),
  );
  assertEquals(chunks.pop(), "[DONE]");
  assertEquals(chunks.map(({ choices: [choice] }) => [choice.delta, choice.finish_reason]), [
    [{ role: "assistant", content: "" }, null],
    [{ content: "Hello " }, null],
    [{ content: "there " }, null],
    [{ content: "friend." }, null],
    [{}, "stop"],
  ]);
  assertEquals(new Set(chunks.map(({ id }) => id)).size, 1);
  assert(chunks.every((chunk) => !("usage" in chunk)));
  const counted: Any[] = await dataOf(
    await ask("/v1/chat/completions", {
      json: { model, messages: user, stream: true, stream_options: { include_usage: true } },
    }),
  );
  const last = counted.at(-2);
  assertEquals([last.choices, last.usage.total_tokens], [[], 5]);
  assert(counted.slice(0, -2).every(({ usage }) => usage === null));
});

Deno.test("every setting of a chat reaches the model", async () => {
  const text = toyWith();
  const ask = asker({ text });
  await ask("/v1/chat/completions", {
    json: {
      model,
      messages: [
        { role: "developer", content: [{ type: "text", text: "Be " }, { type: "text", text: "brief." }] },
        { role: "user", content: "hi", name: "Ann" },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: "c", content: "42" },
      ],
      temperature: 0,
      top_p: 0.5,
      top_k: 7,
      min_p: 0.1,
      repetition_penalty: 1.2,
      frequency_penalty: 1,
      presence_penalty: -1,
      logit_bias: { "5": -100 },
      seed: -1,
      stop: "END",
      max_completion_tokens: 9,
      max_tokens: 3,
      logprobs: true,
      top_logprobs: 2,
      response_format: {
        type: "json_schema",
        json_schema: { name: "x", strict: true, schema: { type: "object" } },
      },
      tools: [TOOL],
      tool_choice: { type: "function", function: { name: "weather" } },
      parallel_tool_calls: false,
      chat_template_kwargs: { enable_thinking: false },
      user: "ann",
      store: true,
      reasoning_effort: "low",
    },
  });
  assertEquals(text.requests[0], {
    prompt: {
      kind: "chat",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hi", name: "Ann" },
        {
          role: "assistant",
          content: "",
          tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "tool", content: "42", tool_call_id: "c" },
      ],
      variables: { enable_thinking: false },
      tools: [{ name: "weather", parameters: { type: "object" }, strict: true }],
      toolChoice: { name: "weather" },
      parallelToolCalls: false,
    },
    sampling: {
      temperature: 0,
      topK: 7,
      topP: 0.5,
      minP: 0.1,
      repetitionPenalty: 1.2,
      frequencyPenalty: 1,
      presencePenalty: -1,
      bias: new Map([[5, -100]]),
    },
    seed: 2 ** 53 - 1,
    stop: ["END"],
    maxTokens: 9,
    topLogprobs: 2,
    form: { kind: "schema", schema: { type: "object" } },
  });
});

Deno.test("calls of tools are told whole and in chunks", async () => {
  const json = { model, messages: user, tools: [TOOL] };
  const ask = asker({ text: toyWith(...CALLS) });
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "weather", arguments: '{"city":"Rome"}' },
  };
  const { choices: [choice] }: Any = await (await ask("/v1/chat/completions", { json })).json();
  assertEquals([choice.message.tool_calls, choice.finish_reason], [[call], "tool_calls"]);
  assertEquals(choice.message.content, "Let me see.");
  const chunks: Any[] = await dataOf(await ask("/v1/chat/completions", { json: { ...json, stream: true } }));
  const deltas = chunks.slice(0, -1).map(({ choices: [choice] }) => choice);
  assertEquals(deltas.at(-2).delta, { tool_calls: [{ index: 0, ...call }] });
  assertEquals(deltas.at(-1).finish_reason, "tool_calls");
  const silent = asker({ text: toyWith(...CALLS.slice(1)) });
  const { choices: [mute] }: Any = await (await silent("/v1/chat/completions", { json })).json();
  assertEquals(mute.message.content, null);
});

Deno.test("probabilities and several answers come as they are asked for", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const json = { model, messages: user, n: 2, logprobs: true, top_logprobs: 1, seed: 5 };
  const { choices, usage }: Any = await (await ask("/v1/chat/completions", { json })).json();
  assertEquals(choices.map(({ index }: Any) => index), [0, 1]);
  assertEquals(text.requests.map(({ seed }) => seed), [5, 6]);
  assertEquals(choices[0].logprobs.content[0], {
    token: "Hello ",
    logprob: -0.25,
    bytes: [72, 101, 108, 108, 111, 32],
    top_logprobs: [{ token: "Hello ", logprob: -0.25, bytes: [72, 101, 108, 108, 111, 32] }],
  });
  assertEquals([usage.prompt_tokens, usage.completion_tokens], [2, 6]);
});

Deno.test("a wrong field is a 400 that names it", async () => {
  const ask = asker({ text: toyWith() });
  const chat = (more: object) => ({ json: { model, messages: user, ...more } });
  const wrong: [string, Any, string | null][] = [
    ["/v1/chat/completions", { json: { model } }, "messages"],
    ["/v1/chat/completions", chat({ messages: [] }), "messages"],
    ["/v1/chat/completions", chat({ messages: [{ role: "bard", content: "x" }] }), "messages.0.role"],
    ["/v1/chat/completions", chat({ messages: [{ role: "user", content: 5 }] }), "messages.0.content"],
    [
      "/v1/chat/completions",
      chat({ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }),
      "messages.0.content.0.type",
    ],
    ["/v1/chat/completions", chat({ temperature: 3 }), "temperature"],
    ["/v1/chat/completions", chat({ max_tokens: 0 }), "max_tokens"],
    ["/v1/chat/completions", chat({ n: 99 }), "n"],
    ["/v1/chat/completions", chat({ top_logprobs: 3 }), "top_logprobs"],
    ["/v1/chat/completions", chat({ tool_choice: "required" }), "tool_choice"],
    [
      "/v1/chat/completions",
      chat({ tools: [TOOL], tool_choice: { type: "function", function: { name: "other" } } }),
      "tool_choice.function.name",
    ],
    ["/v1/chat/completions", chat({ functions: [TOOL.function], function_call: "auto" }), "functions"],
    ["/v1/chat/completions", chat({ continue_final_message: true }), "continue_final_message"],
    [
      "/v1/chat/completions",
      chat({ response_format: { type: "json_schema" } }),
      "response_format.json_schema",
    ],
    ["/v1/chat/completions", { json: [] }, "messages"],
    ["/v1/chat/completions", { json: "text" }, null],
    ["/v1/chat/completions", { method: "POST", body: "{" }, null],
    ["/v1/completions", { json: { model } }, "prompt"],
    ["/v1/completions", { json: { model, prompt: "x", suffix: "y" } }, "suffix"],
    ["/v1/completions", { json: { model, prompt: "x", best_of: 2 } }, "best_of"],
    ["/v1/embeddings", { json: { model, input: "" } }, "input"],
    ["/v1/embeddings", { json: { model, input: "x", dimensions: 8 } }, "dimensions"],
    ["/v1/responses", { json: { model, input: "x", previous_response_id: "r" } }, "previous_response_id"],
    ["/v1/responses", { json: { model, input: [] } }, "input"],
    ["/v1/responses", { json: { model, input: "x", prompt: { id: "p" } } }, "prompt"],
    [
      "/v1/responses",
      { json: { model, input: "x", text: { format: { type: "json_schema" } } } },
      "text.format.schema",
    ],
    [
      "/v1/responses",
      { json: { model, input: [{ role: "user", content: [{ type: "input_image" }] }] } },
      "input.0.content.0.type",
    ],
    ["/v1/responses", { json: { model, input: "x", tools: [{ name: "f" }] } }, "tools.0.type"],
  ];
  for (const [path, init, param] of wrong) {
    const reply = await ask(path, init);
    const { error }: Any = await reply.json();
    assertEquals(
      [reply.status, error.type, error.param],
      [400, "invalid_request_error", param],
      error.message,
    );
    if (param !== null) assert(error.message.includes(param), error.message);
  }
});

Deno.test("a packed body is refused by what it is", async () => {
  const headers = { "content-encoding": "gzip" };
  const reply = await asker({ text: toyWith() })("/v1/chat/completions", {
    method: "POST",
    body: "x",
    headers,
  });
  const { error }: Any = await reply.json();
  assertEquals([reply.status, error.message.includes("packed (gzip)")], [400, true]);
});

Deno.test("a slash behind a path changes nothing", async () => {
  const ask = asker({ text: toyWith() });
  const json = { model, messages: user };
  assertEquals((await ask("/v1/models/")).status, 200);
  assertEquals((await ask("/v1/chat/completions/", { json })).status, 200);
  assertEquals((await ask("/api/tags/")).status, 200);
  assertEquals((await ask("/v1/messages/", { json: { ...json, max_tokens: 5 } })).status, 200);
});

Deno.test("an answer goes on where the model's last message ends, where the caller says so", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const said = { role: "assistant", content: "Sure: it is" };
  const kindOf = async (more: object, last: object = said) => {
    text.requests.length = 0;
    await ask("/v1/chat/completions", { json: { model, messages: [...user, last], ...more } });
    return text.requests[0]!.prompt.kind;
  };
  assertEquals(await kindOf({}), "chat");
  assertEquals(await kindOf({ continue_final_message: true, add_generation_prompt: false }), "tokens");
  assertEquals(await kindOf({}, { ...said, prefix: true }), "tokens");
});

Deno.test("a seed has 64 bits", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const seeds = [2 ** 53 + 2, 2 ** 64, -(2 ** 63), -1];
  for (const seed of seeds) await ask("/v1/chat/completions", { json: { model, messages: user, seed } });
  await ask("/api/chat", { json: { model, messages: user, options: { seed: 2 ** 62 + 2 ** 52 } } });
  assertEquals(text.requests.map(({ seed }) => seed), [2, 0, 0, 2 ** 53 - 1, 2 ** 52]);
});

Deno.test("failures have their status, and Retry-After where trying again helps", async () => {
  const cases = [
    [new NodeError("busy", "Cannot answer: full, wanted room"), 429, "1"],
    [new NodeError("unreachable", "Cannot generate: blocks are served by nobody"), 503, "5"],
    [new NodeError("usage", "Cannot render the conversation: roles must alternate"), 400, null],
  ] as const;
  for (const [error, status, retryAfter] of cases) {
    for (const stream of [false, true]) {
      const ask = asker({ text: toyWith(error) });
      const reply = await ask("/v1/chat/completions", { json: { model, messages: user, stream } });
      assertEquals([reply.status, reply.headers.get("retry-after")], [status, retryAfter]);
      assertEquals(((await reply.json()) as Any).error.message, error.message);
    }
  }
  const ask = asker({ text: toyWith() });
  const reply = await ask("/v1/chat/completions", { json: { model: "gpt-5", messages: user } });
  assertEquals(reply.status, 404);
  assertEquals((await ask("/v1/nothing")).status, 404);
});

Deno.test("a failure in the middle is an event, which no [DONE] of completions follows", async () => {
  const text = toyWith(
    { kind: "text", text: "Hel", ids: [1], tokens: [] },
    new NodeError("unreachable", "Cannot compute: nobody is left"),
  );
  const events: Any[] = await dataOf(
    await asker({ text })("/v1/chat/completions", { json: { model, messages: user, stream: true } }),
  );
  assertEquals(events.at(-1).error.message, "Cannot compute: nobody is left");
  const responses = await asker({ text })("/v1/responses", { json: { model, input: "x", stream: true } });
  const told: Any[] = await dataOf(responses);
  assertEquals([told.at(-2).type, told.at(-2).response.status, told.at(-1)], [
    "response.failed",
    "failed",
    "[DONE]",
  ]);
});

Deno.test("a caller who leaves ends the answer; nothing is made ahead of who reads", async () => {
  const text = toyWith();
  const reply = await asker({ text })("/v1/chat/completions", {
    json: { model, messages: user, stream: true },
  });
  const reader = reply.body!.getReader();
  await reader.read();
  await reader.cancel();
  assertEquals(text.left, 1);
  const stop = new AbortController();
  text.pause = (signal) => {
    const left = new Promise<void>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
    stop.abort();
    return left;
  };
  const left = await asker({ text })("/v1/chat/completions", {
    json: { model, messages: user },
    signal: stop.signal,
  });
  assertEquals(left.status >= 400, true);
  assertEquals(text.left, 2);
});

Deno.test("long prompts keep the stream awake with comments", async () => {
  const text = toyWith(
    { kind: "prompt", done: 256, total: 600 },
    { kind: "end", reason: "length", usage: usageOf(600, 1) },
  );
  const reply = await asker({ text })("/v1/chat/completions", {
    json: { model, messages: user, stream: true },
  });
  assertMatch(await reply.text(), /^: prompt 256 of 600 tokens\n\n/);
});

Deno.test("completions continue texts and ids, echo them, and score them in the old form", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const reply: Any = await (await ask("/v1/completions", {
    json: { model, prompt: ["one two", [3, 4]], n: 2, max_tokens: 2, temperature: 0, seed: 1 },
  })).json();
  assertEquals(reply.choices.map(({ index, text, finish_reason }: Any) => [index, text, finish_reason]), [
    [0, "Hello there ", "length"],
    [1, "Hello there ", "length"],
    [2, "Hello there ", "length"],
    [3, "Hello there ", "length"],
  ]);
  assertEquals([reply.usage.prompt_tokens, reply.usage.completion_tokens], [4, 8]);
  assertEquals(text.requests.map(({ prompt }) => prompt.kind), ["text", "text", "tokens", "tokens"]);

  text.script = () => [
    {
      kind: "prompt_scores",
      tokens: [
        { id: 1, text: "one", logprob: null, top: [] },
        { id: 2, text: " two", logprob: -3, top: [{ id: 9, text: " x", logprob: -1 }] },
      ],
    },
    { kind: "text", text: "Hidden", ids: [7], tokens: [{ id: 7, text: "Hidden", logprob: -2, top: [] }] },
    { kind: "end", reason: "length", usage: usageOf(2, 1) },
  ];
  const echoed: Any = await (await ask("/v1/completions", {
    json: { model, prompt: "one two", max_tokens: 0, echo: true, logprobs: 1 },
  })).json();
  assertEquals(text.requests.at(-1)!.scorePrompt, true);
  assertEquals(echoed.choices[0], {
    text: "one two",
    index: 0,
    logprobs: {
      tokens: ["one", " two"],
      token_logprobs: [null, -3],
      top_logprobs: [null, { " x": -1 }],
      text_offset: [0, 3],
    },
    finish_reason: "length",
  });
  assertEquals(echoed.usage.completion_tokens, 0);
});

Deno.test("texts of a request are continued at once where that pays, and answers to one of them in turn", async () => {
  const models = new ToyModels();
  models.atOnce = 2;
  const letter = (text: string): TextEvent => ({ kind: "text", text, ids: [1], tokens: [] });
  models.script = () => [
    letter("a"),
    letter("b"),
    { kind: "end", reason: "end", ids: [1, 1], usage: usageOf(2, 2) },
  ];
  models.pause = () => new Promise((resolve) => setTimeout(resolve));
  const ask = asker({ text: models });
  const streamed = await (await ask("/v1/completions", {
    json: { model, prompt: ["one", "two", "three"], n: 2, stream: true },
  })).text();
  const parts = [...streamed.matchAll(/"index":(\d)/g)].map(([, index]) => Number(index));
  assertEquals(parts.toSorted(), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]);
  // the first two prompts are answered side by side, the second answer to the first one after that
  assertEquals(parts.slice(0, 4).toSorted(), [0, 0, 2, 2]);
  assert(parts.indexOf(1) > parts.lastIndexOf(0));
  assert(parts.indexOf(4) > parts.lastIndexOf(0));
  const whole = await (await ask("/v1/completions", {
    json: { model, prompt: ["one", "two", "three"], n: 2 },
  })).json();
  assertEquals(
    whole.choices.map(({ index, text }: { index: number; text: string }) => [index, text]),
    [0, 1, 2, 3, 4, 5].map((index) => [index, "ab"]),
  );
});

Deno.test("completions stream their text", async () => {
  const ask = asker({ text: toyWith() });
  const chunks: Any[] = await dataOf(
    await ask("/v1/completions", {
      json: { model, prompt: "x", stream: true, echo: true, stream_options: { include_usage: true } },
    }),
  );
  assertEquals(chunks.pop(), "[DONE]");
  assertEquals(chunks.pop().usage.completion_tokens, 3);
  assertEquals(chunks.map(({ choices: [{ text }] }) => text).join("|"), "xHello |there |friend.|");
  assertEquals(chunks.at(-1).choices[0].finish_reason, "stop");
});

Deno.test("embeddings come as numbers or in base64", async () => {
  const ask = asker({ text: toyWith() });
  const plain: Any = await (await ask("/v1/embeddings", { json: { model, input: ["a", "bc"] } })).json();
  assertEquals(plain.data.map(({ index, embedding }: Any) => [index, embedding]), [
    [0, [0.5, 0.5, 0.5, 0.5]],
    [1, [0.5, 0.5, 0.5, -0.5]],
  ]);
  assertEquals(plain.usage, { prompt_tokens: 2, total_tokens: 2 });
  const coded: Any = await (await ask("/v1/embeddings", {
    json: { model, input: [1, 2], encoding_format: "base64" },
  })).json();
  const bytes = Uint8Array.from(atob(coded.data[0].embedding), (letter) => letter.charCodeAt(0));
  assertEquals([...new Float32Array(bytes.buffer)], [0.5, 0.5, 0.5, -0.5]);
});

Deno.test("responses are answered whole, from text and from items", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const input = [
    { role: "user", content: [{ type: "input_text", text: "weather?" }] },
    { type: "function_call", call_id: "c1", name: "weather", arguments: "{}" },
    { type: "function_call", call_id: "c2", name: "weather", arguments: "{}" },
    { type: "function_call_output", call_id: "c1", output: "sunny" },
    { type: "reasoning", summary: [] },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "Sun." }] },
  ];
  const reply: Any = await (await ask("/v1/responses", {
    json: { model, input, instructions: "Be brief.", max_output_tokens: 2, temperature: 0 },
  })).json();
  assertEquals(text.requests[0]!.prompt, {
    kind: "chat",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "weather?" },
      {
        role: "assistant",
        content: "",
        tool_calls: ["c1", "c2"].map((id) => ({
          id,
          type: "function",
          function: { name: "weather", arguments: "{}" },
        })),
      },
      { role: "tool", content: "sunny", tool_call_id: "c1" },
      { role: "assistant", content: "Sun." },
    ],
  });
  assertEquals([reply.object, reply.status, reply.store], ["response", "incomplete", true]);
  assertEquals(reply.incomplete_details, { reason: "max_output_tokens" });
  assertEquals(reply.output[0].content[0].text, "Hello there ");
  assertEquals([reply.usage.input_tokens, reply.usage.output_tokens], [2, 2]);
});

Deno.test("responses stream their events in order, numbered", async () => {
  const ask = asker({ text: toyWith(...CALLS) });
  const tools = [{ type: "function", name: "weather", parameters: { type: "object" } }];
  const events: Any[] = await dataOf(
    await ask("/v1/responses", { json: { model, input: "x", stream: true, tools } }),
  );
  assertEquals(events.pop(), "[DONE]");
  assertEquals(events.map(({ type }) => type.replace("response.", "")), [
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
    "completed",
  ]);
  assertEquals(events.map((event) => event.sequence_number), events.map((_, i) => i));
  const { response } = events.at(-1);
  assertEquals(response.output.map(({ type }: Any) => type), ["message", "function_call"]);
  assertEquals(response.output[1].call_id, "call_1");
  const cut = asker({ text: toyWith() });
  const short: Any[] = await dataOf(
    await cut("/v1/responses", { json: { model, input: "x", stream: true, max_output_tokens: 1 } }),
  );
  assertEquals(short.at(-2).type, "response.incomplete");
});
