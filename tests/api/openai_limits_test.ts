/** What OpenAI's routes refuse, and what they tell when something goes wrong. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/world.ts";
import type { TextEvent, TextRequest } from "../../src/text/types.ts";
import { inPart, partError } from "../../src/text/wrong_part.ts";
import { TOY_CARD, ToyModels, usageOf } from "../text/toy_model.ts";
import { fakeWorld } from "../support/world.ts";
import { asker } from "./support.ts";

const model = TOY_CARD.id;
const messages = [{ role: "user", content: "Say hello" }];
const END: TextEvent = { kind: "end", reason: "end", usage: usageOf(1, 1) };

const toyWith = (script: (request: TextRequest) => readonly (TextEvent | Error)[]): ToyModels =>
  Object.assign(new ToyModels(), { script });

// deno-lint-ignore no-explicit-any
const bodyOf = async (reply: Response): Promise<any> => await reply.json();

Deno.test("a body that is nested too deeply is refused by every route, streamed or not, and nothing is asked", async () => {
  const text = new ToyModels();
  const ask = asker({ text });
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const bodies: readonly (readonly [string, (value: string) => string])[] = [
    ["/v1/responses", (value) => `{"input":"x","metadata":{"a":${value}}}`],
    ["/v1/responses", (value) => `{"input":"x","stream":true,"metadata":{"a":${value}}}`],
    ["/v1/responses", (value) => `{"input":"x","tools":[{"type":"x","parameters":${value}}]}`],
    ["/v1/chat/completions", (value) => `{"messages":[{"role":"user","content":"x"}],"metadata":${value}}`],
    ["/v1/completions", (value) => `{"prompt":${value}}`],
    ["/v1/embeddings", (value) => `{"input":${value}}`],
    ["/v1/messages", (value) => `{"model":"x","max_tokens":1,"messages":${value}}`],
    ["/api/chat", (value) => `{"model":"x","messages":${value}}`],
  ];
  for (const [path, body] of bodies) {
    for (const depth of [129, 20_000, 1_000_000]) {
      const reply = await ask(path, { method: "POST", body: body(nested(depth)) });
      assertEquals(reply.status, 400, path);
      assertMatch(await reply.text(), /more than 128 lists and objects within each other/);
    }
  }
  assertEquals(text.requests.length, 0);
});

Deno.test("brackets within texts are no depth, and a body of 126 lists is answered", async () => {
  const ask = asker({ text: new ToyModels() });
  for (const input of ["[".repeat(500), `\\"${"{".repeat(500)}`, '"[\\'.repeat(200)]) {
    const reply = await ask("/v1/responses", { json: { model, input } });
    assertEquals(reply.status, 200);
    await reply.body?.cancel();
  }
  const metadata = JSON.parse(`{"a":${"[".repeat(126)}${"]".repeat(126)}}`);
  const reply = await ask("/v1/responses", { json: { model, input: "x", metadata } });
  assertEquals((await bodyOf(reply)).metadata, metadata);
});

Deno.test("what the model refuses is a 400 that names the field of the route, before the answer", async () => {
  const odd = partError("prompt", "Cannot put a conversation to it: it has no chat template");
  const form = partError("form", 'Cannot keep the JSON schema: the keyword "pattern" is not supported');
  const tools = partError("tools", "Cannot offer tools: two have one name");
  const stop = partError("stop", "Cannot stop: it is too long");
  const bias = partError("bias", "Cannot use token 60000: it is in no vocabulary");
  const chat = { model, messages };
  const cases: readonly (readonly [string, object, Error, string | null])[] = [
    ["/v1/chat/completions", chat, odd, "messages"],
    ["/v1/chat/completions", chat, form, "response_format"],
    ["/v1/chat/completions", chat, tools, "tools"],
    ["/v1/chat/completions", chat, stop, "stop"],
    ["/v1/chat/completions", chat, bias, "logit_bias"],
    ["/v1/chat/completions", chat, new NodeError("usage", "Cannot answer: it is odd"), null],
    ["/v1/completions", { model, prompt: "x" }, odd, "prompt"],
    ["/v1/completions", { model, prompt: "x" }, stop, "stop"],
    ["/v1/completions", { model, prompt: "x" }, bias, "logit_bias"],
    ["/v1/responses", { model, input: "x" }, odd, "input"],
    ["/v1/responses", { model, input: "x" }, form, "text.format"],
    ["/v1/responses", { model, input: "x" }, tools, "tools"],
  ];
  for (const [path, json, error, param] of cases) {
    for (const stream of [false, true]) {
      const ask = asker({ text: toyWith(() => [error]) });
      const reply = await ask(path, { json: { ...json, stream } });
      const told = (await bodyOf(reply)).error;
      assertEquals([reply.status, told.param, told.message], [400, param, error.message]);
    }
  }
});

Deno.test("a prompt that does not fit is told by OpenAI's name for it, which clients act upon", async () => {
  const long = partError("length", "Cannot generate: the prompt is too long");
  for (
    const [path, json, param] of [
      ["/v1/chat/completions", { model, messages }, "messages"],
      ["/v1/completions", { model, prompt: "x" }, "prompt"],
      ["/v1/responses", { model, input: "x" }, "input"],
    ] as const
  ) {
    const reply = await asker({ text: toyWith(() => [long]) })(path, { json });
    const { error } = await bodyOf(reply);
    assertEquals([reply.status, error.param, error.code], [400, param, "context_length_exceeded"]);
  }
  const within = asker({ text: toyWith(() => [{ kind: "text", text: "a", ids: [1], tokens: [] }, long]) });
  const events = await (await within("/v1/responses", { json: { model, input: "x", stream: true } })).text();
  assertMatch(events, /response\.failed.*"code":"context_length_exceeded"/s);
});

Deno.test("embeddings name their input where the model refuses it", async () => {
  const text = new ToyModels();
  const open = text.open.bind(text);
  text.open = async (id) => ({
    ...await open(id),
    embed: () => Promise.reject(partError("prompt", "Cannot use token 9: it is in no vocabulary")),
  });
  const reply = await asker({ text })("/v1/embeddings", { json: { model, input: [9] } });
  assertEquals([reply.status, (await bodyOf(reply)).error.param], [400, "input"]);
});

Deno.test("inPart leaves alone what is no failure of usage, and a part that was named before", () => {
  const busy = new NodeError("busy", "Cannot answer: full");
  const tools = partError("tools", "Cannot offer tools");
  assertEquals([inPart("prompt", busy), inPart("prompt", tools)], [busy, tools]);
});

Deno.test("completions of no prompt at all are refused, streamed or not", async () => {
  for (const stream of [false, true]) {
    const reply = await asker({ text: new ToyModels() })("/v1/completions", {
      json: { model, prompt: [], stream },
    });
    assertEquals([reply.status, (await bodyOf(reply)).error.param], [400, "prompt"]);
  }
});

Deno.test("responses want tools where a call is asked for", async () => {
  const ask = asker({ text: new ToyModels() });
  for (const tool_choice of ["required", { type: "function", name: "f" }]) {
    const reply = await ask("/v1/responses", { json: { model, input: "x", tools: [], tool_choice } });
    assertEquals([reply.status, (await bodyOf(reply)).error.param], [400, "tool_choice"]);
  }
  for (const tool_choice of ["auto", "none", null]) {
    assertEquals((await ask("/v1/responses", { json: { model, input: "x", tool_choice } })).status, 200);
  }
});

Deno.test("responses tell the form that was asked for again, and free text where none was", async () => {
  const ask = asker({ text: new ToyModels() });
  const format = { type: "json_schema", name: "city", strict: true, schema: { type: "object" } };
  const formed = await bodyOf(await ask("/v1/responses", { json: { model, input: "x", text: { format } } }));
  assertEquals(formed.text, { format });
  const free = await bodyOf(await ask("/v1/responses", { json: { model, input: "x", text: {} } }));
  assertEquals(free.text, { format: { type: "text" } });
});

Deno.test("joules, seconds and passes are those of all answers, and joules are told only where all tell them", async () => {
  const silent = { ...usageOf(1, 1), joules: undefined, method: undefined } as unknown as typeof END.usage;
  for (const [path, more] of [["/v1/chat/completions", { messages }], ["/v1/completions", { prompt: "x" }]]) {
    const ask = async (text: ToyModels) => {
      const world = fakeWorld();
      text.pause = () => world.clock.advance(250);
      const json = { model, n: 3, ...more as object };
      return (await bodyOf(await asker({ text, world })(path as string, { json }))).kwaai;
    };
    const told = await ask(new ToyModels());
    assertEquals([told.joules, told.seconds, told.passes, told.method], [4.5, 3.75, 9, "measured board"]);
    assertEquals(told.first_token_seconds, 0.1);
    let asked = 0;
    const partly = await ask(toyWith(() => [{ ...END, usage: asked++ === 1 ? silent : END.usage }]));
    assertEquals([partly.joules, partly.seconds], [undefined, 0.75]);
    const nobody = await ask(toyWith(() => [{ ...END, usage: { ...silent, hops: [] } }]));
    assertEquals(nobody, undefined);
  }
});

Deno.test("tokens that are parts of letters have no bytes, and the likeliest of those that look alike is told", async () => {
  const part = { text: "\uFFFD", logprob: -0.1 };
  const token = { id: 1, ...part, top: [{ id: 1, ...part }, { id: 2, ...part, logprob: -5 }] };
  const text = toyWith(() => [{ kind: "text", text: "é", ids: [1, 2], tokens: [token] }, END]);
  const chat = await bodyOf(
    await asker({ text })("/v1/chat/completions", {
      json: { model, messages, logprobs: true, top_logprobs: 2 },
    }),
  );
  assertEquals(chat.choices[0].logprobs.content[0], {
    token: "\uFFFD",
    logprob: -0.1,
    bytes: null,
    top_logprobs: [-0.1, -5].map((logprob) => ({ token: "\uFFFD", logprob, bytes: null })),
  });
  const completed = await bodyOf(
    await asker({ text })("/v1/completions", { json: { model, prompt: "x", logprobs: 2 } }),
  );
  assertEquals(completed.choices[0].logprobs.top_logprobs, [{ "\uFFFD": -0.1 }]);
});

Deno.test("a failure of our own in the middle of a stream is logged, one of the outside is only told", async () => {
  const streams: readonly (readonly [string, object])[] = [
    ["/v1/chat/completions", { model, messages, stream: true }],
    ["/v1/completions", { model, prompt: "x", stream: true }],
    ["/v1/responses", { model, input: "x", stream: true }],
    ["/v1/messages", { model, messages, max_tokens: 5, stream: true }],
    ["/api/chat", { model, messages }],
  ];
  for (const [path, json] of streams) {
    for (
      const [error, logged] of [[new TypeError("a bug"), 1], [new NodeError("remote", "gone"), 0]] as const
    ) {
      const lines: unknown[] = [];
      const log: Log = { ...fakeWorld().log, warn: (message) => void lines.push(message) };
      const text = toyWith(() => [{ kind: "text", text: "Hel", ids: [1], tokens: [] }, error]);
      const said = await (await asker({ text, log })(path, { json })).text();
      assert(said.includes(logged === 1 ? "its log says more" : "gone"), said);
      assert(!said.includes("a bug"), "words of our own failures are not for callers");
      assertEquals(lines.length, logged, path);
    }
  }
});
