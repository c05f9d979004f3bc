/** OpenAI's own clients, npm's and PyPI's, against a node with a real model. Needs `KWAAI_SMOLLM2`. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import * as z from "zod";
import { withFolder } from "../../e2e/program.ts";
import { noModel, noPython, runPython, startNode } from "./clients.ts";

const KEY = "sk-for-tests-only";
const messages = [{ role: "user" as const, content: "What is the capital of France?" }];
const ask = { messages, max_tokens: 8, temperature: 0 };

const COUNTRY = {
  type: "object",
  properties: { country: { enum: ["France", "Spain"] } },
  required: ["country"],
  additionalProperties: false,
};

const clientOf = (url: string, apiKey: string = KEY) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

Deno.test({
  name: `npm's OpenAI client chats: whole, streamed, scored, several times, seeded, stopped${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const { model } = node;
      const client = clientOf(node.url);
      assertEquals((await client.models.list()).data.map(({ id }) => id), [model]);
      assertEquals((await client.models.retrieve(model)).id, model);

      const { completions } = client.chat;
      const whole = await completions.create({ ...ask, model });
      const said = whole.choices[0]!.message.content!;
      assertEquals([whole.choices[0]!.finish_reason, whole.usage?.completion_tokens], ["length", 8]);
      const streamed = await piecesOf(
        await completions.create({
          ...ask,
          model,
          stream: true,
          stream_options: { include_usage: true },
        }),
      );
      assertEquals([streamed.text, streamed.finish], [said, "length"]);
      assertEquals(streamed.usages.map((usage) => usage.total_tokens), [whole.usage!.total_tokens]);
      const bare = await piecesOf(await completions.create({ ...ask, model, stream: true }));
      assertEquals([bare.text, bare.usages], [said, []]);

      const scored = await completions.create({ ...ask, model, logprobs: true, top_logprobs: 3 });
      const scores = scored.choices[0]!.logprobs!.content!;
      assertEquals(scores.map(({ token }) => token).join(""), said);
      for (const { token, logprob, top_logprobs: top } of scores) {
        assert(logprob <= 0);
        assertEquals([top.length, top[0]!.token, top[0]!.logprob], [3, token, logprob]);
      }

      const warm = { messages, model, max_tokens: 12, temperature: 1, n: 3 };
      const textsOf = async (seed: number) =>
        (await completions.create({ ...warm, seed })).choices.map(({ message }) => message.content);
      const seeded = await textsOf(7);
      assertEquals(seeded.length, 3);
      assertEquals(await textsOf(7), seeded);
      assert(new Set(seeded).size > 1);

      const letter = said.trim().at(3)!;
      const stopped = (await completions.create({ ...ask, model, stop: letter })).choices[0]!;
      assertEquals(stopped.finish_reason, "stop");
      assertEquals(stopped.message.content, said.slice(0, said.indexOf(letter)));
    }),
});

Deno.test({
  name: `npm's OpenAI client parses an answer of the form it asked for, and calls the tool it must${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const { completions } = clientOf(node.url).chat;
      const City = z.object({
        name: z.string(),
        country: z.enum(["France", "Spain"]),
        capital: z.boolean(),
        rivers: z.array(z.enum(["Seine", "Ebro"])).max(2),
      });
      const formed = await completions.parse({
        ...ask,
        model: node.model,
        max_tokens: 200,
        response_format: zodResponseFormat(City, "city"),
      });
      assertEquals(formed.choices[0]!.finish_reason, "stop");
      City.parse(formed.choices[0]!.message.parsed);
      const called = await completions.create({
        ...ask,
        model: node.model,
        max_tokens: 200,
        tools: [{ type: "function", function: { name: "look_up", parameters: COUNTRY } }],
        tool_choice: { type: "function", function: { name: "look_up" } },
      });
      const [call] = called.choices[0]!.message.tool_calls!;
      assert(call?.type === "function");
      assertEquals([call.function.name, called.choices[0]!.finish_reason], ["look_up", "tool_calls"]);
      z.strictObject({ country: z.enum(["France", "Spain"]) }).parse(JSON.parse(call.function.arguments));
    }),
});

Deno.test({
  name:
    `npm's OpenAI client completes with echo and scores, responds, and embeds in both encodings${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const { model } = node;
      const client = clientOf(node.url);
      const prompt = "The capital of France is";
      const asked = { model, prompt, max_tokens: 4, temperature: 0 };
      const plain = (await client.completions.create(asked)).choices[0]!.text;
      const echoed = (await client.completions.create({ ...asked, echo: true, logprobs: 2 })).choices[0]!;
      assertEquals(echoed.text, prompt + plain);
      const { tokens, token_logprobs: scores, text_offset: offsets } = echoed.logprobs!;
      assertEquals(tokens!.join(""), echoed.text);
      assertEquals(scores![0], null);
      assert(scores!.slice(1).every((score) => score <= 0));
      assertEquals(
        tokens!.map((token, i) => echoed.text.startsWith(token, offsets![i])).includes(false),
        false,
      );

      const question = { model, input: messages[0]!.content, max_output_tokens: 8, temperature: 0 };
      const response = await client.responses.create(question);
      const chatted = await client.chat.completions.create({ ...ask, model });
      assertEquals(response.output_text, chatted.choices[0]!.message.content);
      assertEquals([response.status, response.usage?.output_tokens], ["incomplete", 8]);
      const kinds: string[] = [];
      let streamed = "";
      for await (const event of await client.responses.create({ ...question, stream: true })) {
        assertEquals(event.sequence_number, kinds.length);
        kinds.push(event.type);
        if (event.type === "response.output_text.delta") streamed += event.delta;
      }
      assertEquals(streamed, response.output_text);
      assertEquals(kinds.filter((kind) => kind !== "response.output_text.delta"), [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
      ]);

      const embed = (encoding_format: "float" | "base64") =>
        client.embeddings.create({ model, input: ["one", "two"], encoding_format });
      const floats = (await embed("float")).data.map(({ embedding }) => embedding);
      assertEquals(floats.map(({ length }) => length), [576, 576]);
      assertAlmostEquals(Math.hypot(...floats[0]!), 1, 1e-4);
      // where no encoding is named the client asks for base64, and decodes it
      const decoded = await client.embeddings.create({ model, input: ["one", "two"] });
      assertEquals(decoded.data.map(({ embedding }) => embedding), floats);
      const text = (await embed("base64")).data[0]!.embedding as unknown as string;
      assertEquals([...new Float32Array(Uint8Array.fromBase64(text).buffer)], floats[0]);
    }),
});

Deno.test({
  name: `npm's OpenAI client is told what is wrong: 401, 404, and 400 with the field${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder, `http.api_keys=${KEY}`);
      const { model } = node;
      const { completions } = clientOf(node.url).chat;
      const missing = await assertRejects(
        () => completions.create({ ...ask, model: "none" }),
        OpenAI.NotFoundError,
      );
      assertEquals([missing.status, missing.type], [404, "invalid_request_error"]);
      const wrong = await assertRejects(
        () => completions.create({ ...ask, model, temperature: 9 }),
        OpenAI.BadRequestError,
      );
      assertEquals([wrong.status, wrong.param], [400, "temperature"]);
      const stranger = clientOf(node.url, "wrong");
      await assertRejects(() => stranger.models.list(), OpenAI.AuthenticationError);
    }),
});

Deno.test({
  name: `npm's OpenAI client leaves in the middle of an answer, and its place is free again${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder, "text.sessions=1", "text.waiting=0");
      const { model } = node;
      const { completions } = clientOf(node.url).chat;
      // some minutes of work, were it not left
      const long = await completions.create({
        model,
        messages,
        max_tokens: 8000,
        frequency_penalty: 2,
        stream: true,
      });
      for await (const chunk of long) {
        if (chunk.choices[0]?.delta.content) break; // which aborts the request
      }
      // there is one place: the next answer needs the one that was left
      for (let tries = 0;; tries++) {
        assert(tries < 1000);
        const answer = await completions.create({ ...ask, model, max_tokens: 1 }).catch((error) => error);
        if (!(answer instanceof Error)) break;
        assert(answer instanceof OpenAI.RateLimitError, `${answer}`);
      }
    }),
});

Deno.test({
  name:
    `PyPI's OpenAI client chats, completes, responds, embeds and is told errors, with a key only${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder, `http.api_keys=${KEY}`);
      const said = await runPython("openai_client.py", node.url, node.model, KEY);
      const { models, whole, pieces, usage, scored, echoed, response, events, floats, errors } = said;
      assertEquals(models, [node.model]);
      assertEquals([(pieces as string[]).join(""), usage], [whole, [8]]);
      assertEquals([scored, response], [whole, whole]);
      assert((echoed as string).startsWith("The capital of France is"));
      assertEquals([events, floats], [[whole, "response.incomplete"], [true, 576]]);
      assertEquals(errors, [[404, null], [400, "temperature"], [401, null]]);
    }),
});

interface Streamed {
  text: string;
  finish: string | null;
  readonly usages: OpenAI.CompletionUsage[];
}

async function piecesOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<Streamed> {
  const streamed: Streamed = { text: "", finish: null, usages: [] };
  for await (const { choices: [choice], usage } of stream) {
    streamed.text += choice?.delta.content ?? "";
    streamed.finish = choice?.finish_reason ?? streamed.finish;
    if (usage) streamed.usages.push(usage);
  }
  return streamed;
}
