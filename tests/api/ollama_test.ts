import { assertAlmostEquals, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { apiHandler } from "../../src/api/handler.ts";
import { openApiServer } from "../../src/api/server.ts";
import { NodeError } from "../../src/base/errors.ts";
import { type ChatMessage, openChatTemplate } from "../../src/model/chat_template.ts";
import type { TokenizerFiles } from "../../src/model/source.ts";
import type { TextEvent } from "../../src/text/types.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { TOY_CARD, ToyModels, usageOf } from "../text/toy_model.ts";
import { apiOptions, asker } from "./support.ts";

const model = TOY_CARD.id;
const user = [{ role: "user", content: "Say hello" }];
const AT = "2023-11-14T22:13:20.000Z";
const TIMES = {
  total_duration: 500_000_000,
  load_duration: 0,
  prompt_eval_duration: 100_000_000,
  eval_duration: 400_000_000,
};

const toyWith = (...script: (TextEvent | Error)[]): ToyModels => {
  const text = new ToyModels();
  if (script.length > 0) text.script = () => script;
  return text;
};
const linesOf = async (answer: Response): Promise<Record<string, unknown>[]> => {
  const text = await answer.text();
  assertEquals(text.at(-1), "\n");
  return text.trim().split("\n").map((line) => JSON.parse(line));
};

Deno.test("POST /api/chat answers line by line unless told not to", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const answer = await ask("/api/chat", { json: { model, messages: user, tools: [] } });
  assertEquals(answer.headers.get("content-type"), "application/x-ndjson");
  const piece = (content: string) => ({
    model,
    created_at: AT,
    message: { role: "assistant", content },
    done: false,
  });
  const counts = { prompt_eval_count: 2, eval_count: 3 };
  assertEquals(await linesOf(answer), [
    piece("Hello "),
    piece("there "),
    piece("friend."),
    { ...piece(""), done: true, done_reason: "stop", ...TIMES, ...counts },
  ]);
  const whole = await ask("/api/chat", { json: { model, messages: user, stream: false } });
  assertEquals(await whole.json(), {
    ...piece("Hello there friend."),
    done: true,
    done_reason: "stop",
    ...TIMES,
    ...counts,
  });
  assertEquals(text.requests[0]!.prompt, { kind: "chat", messages: user });
  assertEquals(text.left, 0);
});

Deno.test("POST /api/chat samples as Ollama documents it, and as options say", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const settingsOf = async (options?: object, more: object = {}) => {
    await ask("/api/chat", { json: { model, messages: user, stream: false, options, ...more } });
    const { prompt: _, ...settings } = text.requests.at(-1)!;
    return settings;
  };
  assertEquals(await settingsOf(), {
    sampling: { temperature: 0.8, topK: 40, topP: 0.9, repetitionPenalty: 1.1 },
  });
  assertEquals(
    await settingsOf({
      num_predict: 2,
      temperature: 0.5,
      top_k: 0,
      top_p: 1,
      min_p: 0.1,
      repeat_penalty: 1,
      presence_penalty: 0.5,
      seed: 7,
      stop: ["END", ""],
      num_ctx: 4096,
      mirostat: 1,
    }),
    {
      maxTokens: 2,
      sampling: { temperature: 0.5, minP: 0.1, presencePenalty: 0.5 },
      seed: 7,
      stop: ["END"],
    },
  );
  // greedy is the same as in other APIs
  assertEquals(await settingsOf({ temperature: 0, num_predict: -1, seed: -1, stop: null }), {
    sampling: { temperature: 0, topK: 40, topP: 0.9 },
  });
  const sampling = { temperature: 0, topK: 1 };
  assertEquals(await settingsOf({ temperature: 0, top_p: 0 }, { format: "json" }), {
    sampling,
    form: { kind: "json" },
  });
  const schema = { type: "object", properties: {} };
  assertEquals((await settingsOf({}, { format: schema })).form, { kind: "schema", schema });
  assertEquals((await settingsOf({}, { format: "" })).form, undefined);
});

Deno.test("POST /api/chat says when the answer was cut", async () => {
  const json = { model, messages: user, stream: false, options: { num_predict: 1 } };
  const { done_reason, message } = await (await asker({ text: toyWith() })("/api/chat", { json })).json();
  assertEquals([done_reason, message.content], ["length", "Hello "]);
});

Deno.test("POST /api/chat gives calls of tools as objects, and takes them and their results back", async () => {
  const calls = [{ id: "call_a", name: "weather", arguments: '{"city":"Oslo"}' }];
  const text = toyWith({ kind: "tool_calls", calls }, {
    kind: "end",
    reason: "tool_calls",
    usage: usageOf(5, 4),
  });
  const ask = asker({ text });
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const tool = { type: "function", function: { name: "weather", description: "Tells it", parameters } };
  const answer = await linesOf(await ask("/api/chat", { json: { model, messages: user, tools: [tool] } }));
  const { message } = answer[0] as { message: { tool_calls: unknown[] } };
  assertEquals(message.tool_calls, [
    { id: "call_a", function: { index: 0, name: "weather", arguments: { city: "Oslo" } } },
  ]);
  assertEquals([answer[0]!["done"], answer[1]!["done_reason"]], [false, "stop"]);
  await ask("/api/chat", {
    json: {
      model,
      stream: false,
      messages: [
        ...user,
        { role: "assistant", tool_calls: [{ function: { name: "weather", arguments: { city: "Oslo" } } }] },
        { role: "tool", content: "cold", tool_name: "weather" },
      ],
    },
  });
  const fn = { name: "weather", arguments: '{"city":"Oslo"}' };
  assertEquals(text.requests.map(({ prompt }) => prompt), [
    { kind: "chat", messages: user, tools: [{ name: "weather", description: "Tells it", parameters }] },
    {
      kind: "chat",
      messages: [
        ...user,
        { role: "assistant", content: "", tool_calls: [{ id: "call_1", type: "function", function: fn }] },
        { role: "tool", content: "cold", tool_call_id: "call_1", name: "weather" },
      ],
    },
  ]);
});

Deno.test("POST /api/chat and /api/generate without a question load and unload", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const loaded = await ask("/api/chat", { json: { model, messages: [], stream: false } });
  assertEquals((await loaded.json()).done_reason, "load");
  const [line] = await linesOf(await ask("/api/generate", { json: { model, keep_alive: 0 } }));
  assertEquals([line!["done"], line!["done_reason"], line!["response"]], [true, "unload", ""]);
  assertEquals(text.requests, []);
});

Deno.test("POST /api/generate puts the prompt as a turn, and its context goes before the next one", async () => {
  const text = toyWith();
  const ask = asker({ text });
  const json = { model, prompt: "Hi you", system: "Be brief", template: "ignored", stream: false };
  const first = await (await ask("/api/generate", { json })).json();
  assertEquals([first.response, first.done_reason], ["Hello there friend.", "stop"]);
  // three words of the rendered turn, then the ids of the answer
  assertEquals(first.context, [0, 1, 2, 0, 1, 2]);
  await ask("/api/generate", { json: { model, prompt: "And now", context: first.context, stream: false } });
  assertEquals(text.requests.map(({ prompt }) => prompt), [
    {
      kind: "chat",
      messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "Hi you" }],
    },
    { kind: "tokens", ids: [0, 1, 2, 0, 1, 2, 0, 1] },
  ]);
});

Deno.test("POST /api/generate puts a model's first token before all turns, once", async () => {
  const text = toyWith();
  const opened = await text.open(undefined);
  // token 99 begins every text, and the template's words as well
  const tokenize = (text: string) =>
    text === ""
      ? [99]
      : [99, ...text.replace("<|user|>", "# ").split(" ").map((w) => w === "#" ? 99 : w.length)];
  const models = { list: () => text.list(), open: () => Promise.resolve({ ...opened, tokenize }) };
  const ask = asker({ text: models });
  const context = async (more: object) =>
    (await (await ask("/api/generate", { json: { model, stream: false, ...more } })).json()).context;
  const first = await context({ prompt: "Hi you" });
  assertEquals(first, [99, 2, 3, 0, 1, 2]);
  assertEquals(await context({ prompt: "And", context: first }), [...first, 2, 3, 0, 1, 2]);
});

const CHATML =
  `{% for message in messages %}{% if loop.first and message.role != 'system' %}<|im_start|>system
Be kind<|im_end|>
{% endif %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

/** A model of a real template; its tokens are control tokens, line ends and words. It answers `said`. */
function chatmlModels(source: string, said: () => readonly string[]) {
  const pieces: string[] = [];
  const idOf = (piece: string) => pieces.includes(piece) ? pieces.indexOf(piece) : pieces.push(piece) - 1;
  const tokenize = (text: string) => (text.match(/<\|\w+\|>|\n| ?[^\s<]+/g) ?? []).map(idOf);
  const template = openChatTemplate({ config: { chat_template: source } } as unknown as TokenizerFiles)!;
  const text = toyWith();
  text.script = () => [
    { kind: "text", text: said().join(""), ids: [], tokens: [] },
    { kind: "end", reason: "end", ids: said().flatMap(tokenize), usage: usageOf(1, 1) },
  ];
  const open = async () => ({
    ...await text.open(undefined),
    tokenize,
    detokenize: (ids: readonly number[]) =>
      ids.map((id) => pieces[id]!.startsWith("<|") ? "" : pieces[id]).join(""),
    render: ({ messages }: { readonly messages: readonly ChatMessage[] }) => template.render(messages),
  });
  return { models: { list: () => text.list(), open }, text, tokenize, template };
}

Deno.test("POST /api/generate with a context asks with the ids of the same conversation", async () => {
  const [hi, go, answer] = ["Hi you", "Go on", "Hello there"];
  const turns = [["user", hi], ["assistant", answer], ["user", go]].map(([role, content]) => ({
    role: role!,
    content: content!,
  }));
  for (const end of ["<|im_end|>", "<|endoftext|>", ""]) { // the model's own end, another one, none
    const { models, text, tokenize, template } = chatmlModels(CHATML, () => [answer!, end]);
    const ask = asker({ text: models });
    const generate = async (json: object) =>
      (await (await ask("/api/generate", { json: { model, stream: false, ...json } })).json()).context;
    const context = await generate({ prompt: hi });
    const rendered = template.render([{ role: "user", content: hi! }]);
    assertEquals(context, tokenize(rendered + answer), "as Ollama tells it: the prompt, the answer, no end");
    const ids = tokenize(template.render(turns));
    assertEquals(await generate({ prompt: go, context }), [...ids, ...tokenize(answer!)]);
    assertEquals(text.requests[1]!.prompt, { kind: "tokens", ids });
    // a context that has the end of the answer too
    await generate({ prompt: go, context: [...context, ...tokenize("<|im_end|>")] });
    assertEquals(text.requests[2]!.prompt, { kind: "tokens", ids });
  }
});

Deno.test("POST /api/generate with a context has its turn by itself where the template refuses it", async () => {
  const strict = CHATML.replace(
    "{% for message in messages %}",
    "$&{% if not loop.first and message.role == 'system' %}{{ raise_exception('system first') }}{% endif %}",
  );
  const { models, text, tokenize, template } = chatmlModels(strict, () => ["Yes"]);
  const json = { model, prompt: "Go on", system: "Be brief", context: [0, 1], stream: false };
  assertEquals((await asker({ text: models })("/api/generate", { json })).status, 200);
  const alone = template.render([{ role: "system", content: "Be brief" }, {
    role: "user",
    content: "Go on",
  }]);
  assertEquals(text.requests[0]!.prompt, { kind: "tokens", ids: [0, 1, ...tokenize(alone)] });
});

Deno.test("POST /api/generate takes raw text as it stands, streamed, and tells no context of it", async () => {
  const text = toyWith();
  const lines = await linesOf(
    await asker({ text })("/api/generate", { json: { model, prompt: "Once upon", raw: true } }),
  );
  assertEquals(lines.map(({ response }) => response), ["Hello ", "there ", "friend.", ""]);
  assertEquals(lines.map((line) => "context" in line), [false, false, false, false]);
  assertEquals(text.requests[0]!.prompt, { kind: "text", text: "Once upon" });
});

Deno.test("POST /api/chat tells probabilities where asked", async () => {
  const json = { model, messages: user, logprobs: true, top_logprobs: 1, options: { num_predict: 1 } };
  const [line] = await linesOf(await asker({ text: toyWith() })("/api/chat", { json }));
  const score = { token: "Hello ", logprob: -0.25, bytes: [72, 101, 108, 108, 111, 32] };
  assertEquals(line!["logprobs"], [{ ...score, top_logprobs: [score] }]);
});

Deno.test("Ollama's routes refuse wrong fields by name, unknown models and what changes models", async () => {
  const ask = asker({ text: toyWith() });
  const errorOf = async (path: string, json: unknown, method = "POST") => {
    const answer = await ask(path, { json, method });
    return [answer.status, (await answer.json()).error] as const;
  };
  for (
    const [path, json, status, words] of [
      ["/api/chat", { messages: user }, 400, /model is missing/],
      ["/api/chat", { model, messages: [{ role: "owner" }] }, 400, /messages\.0\.role is "owner"/],
      ["/api/chat", { model, messages: [{ role: "user", content: 5 }] }, 400, /messages\.0\.content/],
      ["/api/chat", { model, messages: [{ role: "user", images: ["aGk="] }] }, 400, /messages\.0\.images/],
      ["/api/chat", { model, messages: user, options: { top_p: 2 } }, 400, /options\.top_p is 2, wanted 1/],
      ["/api/chat", { model, messages: user, format: "xml" }, 400, /format/],
      ["/api/chat", "text", 400, /the body is "text", wanted a JSON object/],
      ["/api/chat", { model: "other", messages: user }, 404, /"other"/],
      ["/api/generate", { model, prompt: "a", suffix: "b" }, 400, /suffix/],
      ["/api/generate", { model, prompt: "a", context: [-1] }, 400, /context\.0/],
      ["/api/show", {}, 400, /model is missing/],
      ["/api/show", { model: "other" }, 404, /"other"/],
      ["/api/embed", { model }, 400, /input is missing/],
      ["/api/pull", { model }, 403, /Cannot pull models/],
      ["/api/create", { model }, 403, /Cannot create models/],
      ["/api/copy", { source: "a" }, 403, /Cannot copy models/],
      ["/api/push", { model }, 403, /Cannot push models/],
      ["/api/chat/api/show", { model }, 404, /no such route/],
    ] as const
  ) {
    const [found, error] = await errorOf(path, json);
    assertEquals(found, status, `${path} ${error}`);
    assertMatch(error, words);
  }
  const deleted = await errorOf("/api/delete", { model }, "DELETE");
  assertEquals(deleted[0], 403);
  assertMatch(deleted[1], /Cannot delete models/);
  const broken = await ask("/api/chat", { method: "POST", body: "{" });
  assertEquals([broken.status, typeof (await broken.json()).error], [400, "string"]);
  const got = await ask("/api/chat");
  assertEquals([got.status, typeof (await got.json()).error], [405, "string"]);
});

Deno.test("Ollama's routes tell by status what fails before the answer, and in a line what fails within", async () => {
  const busy = new NodeError("busy", "Cannot answer: 4 wait, wanted fewer");
  const first = await asker({ text: toyWith(busy) })("/api/chat", { json: { model, messages: user } });
  assertEquals([first.status, first.headers.get("retry-after"), await first.json()], [429, "1", {
    error: busy.message,
  }]);
  const word: TextEvent = { kind: "text", text: "Hel", ids: [1], tokens: [] };
  const text = toyWith(word, new TypeError("secret"));
  const lines = await linesOf(await asker({ text })("/api/chat", { json: { model, messages: user } }));
  assertEquals(lines.length, 2);
  assertMatch(String(lines[1]!["error"]), /^Cannot answer: the node failed/);
});

Deno.test("GET /api/tags, /api/ps and /api/version and POST /api/show tell what is there", async () => {
  const status = () => ({ version: "9.8.7" }) as ReturnType<Parameters<typeof apiHandler>[0]["status"]>;
  const ask = asker({ text: toyWith(), status });
  const details = {
    parent_model: "",
    format: "gguf",
    family: "llama",
    families: ["llama"],
    parameter_size: "1.00M",
    quantization_level: "Q8_0",
  };
  const { models: [tag] } = await (await ask("/api/tags")).json();
  assertMatch(tag.digest, /^[0-9a-f]{64}$/);
  const name = `${model}:latest`;
  assertEquals(tag, {
    name,
    model: name,
    modified_at: "2026-09-21T14:13:20.000Z",
    size: 1_100_000,
    digest: tag.digest,
    details,
  });
  const { models: [running] } = await (await ask("/api/ps")).json();
  assertEquals([running.name, running.digest, running.context_length], [name, tag.digest, 2048]);
  for (const json of [{ model: name }, { name: model }]) {
    const shown = await (await ask("/api/show", { json })).json();
    assertEquals([shown.details, shown.capabilities], [details, ["completion", "tools"]]);
    assertEquals(shown.model_info["llama.context_length"], 2048);
    assertEquals(shown.model_info["general.basename"], model);
  }
  assertEquals((await (await ask("/api/version")).json()).kwaainet, "9.8.7");
  const head = await ask("/api/tags", { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
});

Deno.test("POST /api/embed takes one text or several, cut to the context and to the dimensions asked for", async () => {
  const text = new ToyModels([{ ...TOY_CARD, contextLength: 2 }]);
  const ask = asker({ text });
  const one = await (await ask("/api/embed", { json: { model, input: "a b" } })).json();
  assertEquals([one.model, one.embeddings, one.prompt_eval_count], [model, [[0.5, 0.5, 0.5, 0.5]], 2]);
  const several = await (await ask("/api/embed", {
    json: { model, input: ["a b", "c ", "d e f g"], dimensions: 2 },
  })).json();
  assertEquals([several.embeddings.length, several.prompt_eval_count], [3, 5]);
  assertAlmostEquals(several.embeddings[0][0], Math.SQRT1_2, 1e-12);
  const long = await ask("/api/embed", { json: { model, input: "d e f g", truncate: false } });
  assertEquals([long.status, (await long.json()).error], [
    400,
    "Cannot embed: input has 4 tokens, wanted at most 2 (or truncate)",
  ]);
  assertEquals((await (await ask("/api/embed", { json: { model, input: [] } })).json()).embeddings, []);
  const old = await (await ask("/api/embeddings", { json: { model, prompt: "a b" } })).json();
  assertEquals(old, { embedding: [0.5, 0.5, 0.5, 0.5] });
});

Deno.test("Ollama's streams make nothing ahead of their reader and end the answer when it leaves", async () => {
  const text = toyWith();
  let made = 0;
  text.pause = () => {
    made++;
    return Promise.resolve();
  };
  const answer = await asker({ text })("/api/chat", { json: { model, messages: user } });
  await settle();
  assertEquals(made, 1);
  const reader = answer.body!.getReader();
  await reader.read();
  await settle();
  assertEquals([made, text.left], [2, 0]);
  await reader.cancel();
  assertEquals(text.left, 1);
});

Deno.test("an answer ends when its caller hangs up, streamed or not, before or within it", async () => {
  for (const stream of [true, false]) {
    for (const before of [0, 2]) {
      const text = toyWith();
      const reached = Promise.withResolvers<void>();
      const ended = Promise.withResolvers<void>();
      let count = 0;
      text.pause = (signal) => {
        if (count++ < before) return Promise.resolve();
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
      const asked = fetch(`${server.url}/api/chat`, {
        method: "POST",
        body: JSON.stringify({ model, messages: user, stream }),
        signal: leave.signal,
      }).then((answer) => answer.text());
      await reached.promise;
      leave.abort();
      await assertRejects(() => asked);
      await ended.promise;
      await settle();
      assertEquals(text.left, 1, `stream ${stream}, ${before} events before`);
    }
  }
});
