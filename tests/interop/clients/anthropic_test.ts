/** Anthropic's own clients, npm's and PyPI's, against a node with a real model and a key. Needs `KWAAI_SMOLLM2`. */
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { assertEquals, assertRejects } from "@std/assert";
import * as z from "zod";
import { ask as askProgram, withFolder } from "../../e2e/program.ts";
import { noModel, noPython, runPython, startNode } from "./clients.ts";

const KEY = "sk-for-tests-only";
const question = {
  max_tokens: 8,
  temperature: 0,
  messages: [{ role: "user" as const, content: "What is the capital of France?" }],
};
const textOf = (content: readonly Anthropic.ContentBlock[]) =>
  content.map((block) => block.type === "text" ? block.text : "").join("");

Deno.test({
  name: `npm's Anthropic client asks, streams, counts, stops and tells errors, with a key only${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder, `http.api_keys=${KEY}`);
      const { model, url: baseURL } = node;
      const client = new Anthropic({ baseURL, apiKey: KEY, maxRetries: 0 });
      const whole = await client.messages.create({ ...question, model });
      assertEquals([whole.stop_reason, whole.usage.output_tokens], ["max_tokens", 8]);
      let streamed = "";
      const stream = client.messages.stream({ ...question, model });
      stream.on("text", (text) => streamed += text);
      const final = await stream.finalMessage();
      assertEquals([streamed, textOf(final.content)], [textOf(whole.content), textOf(whole.content)]);
      const { input_tokens } = await client.messages.countTokens({ model, messages: question.messages });
      assertEquals(input_tokens, final.usage.input_tokens);
      const letter = textOf(whole.content).trim().at(3)!;
      const stopped = await client.messages.create({ ...question, model, stop_sequences: [letter] });
      assertEquals([stopped.stop_reason, stopped.stop_sequence], ["stop_sequence", letter]);
      assertEquals(textOf(whole.content).startsWith(textOf(stopped.content)), true);
      const listed = await Array.fromAsync(client.models.list());
      assertEquals(listed.map(({ id, display_name }) => [id, display_name]), [[model, model]]);
      assertEquals((await client.models.retrieve(model)).type, "model");
      const missing = await assertRejects(
        () => client.messages.create({ ...question, model: "none" }),
        Anthropic.NotFoundError,
      );
      assertEquals(missing.requestID?.startsWith("req_"), true);
      const stranger = new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 });
      await assertRejects(
        () => stranger.messages.create({ ...question, model }),
        Anthropic.AuthenticationError,
      );
      // verbs on this machine are let in without being told the key
      const { code, out } = await askProgram(["status", "--json", "--data-dir", folder]);
      assertEquals([code, JSON.parse(out).schema], [0, 1]);
    }),
});

Deno.test({
  name: `npm's Anthropic client runs tools, whole and streamed${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const client = new Anthropic({ baseURL: node.url, apiKey: "none", maxRetries: 0 });
      const cities: string[] = [];
      const weather = betaZodTool({
        name: "weather",
        description: "Tells the weather",
        inputSchema: z.object({ city: z.enum(["Paris", "Rome"]) }),
        run: ({ city }) => {
          cities.push(city);
          return "cold";
        },
      });
      const run = {
        ...question,
        model: node.model,
        max_tokens: 60,
        max_iterations: 2,
        tools: [weather],
        tool_choice: { type: "any" as const },
      };
      const reasons: unknown[] = [];
      for await (const message of client.beta.messages.toolRunner(run)) reasons.push(message.stop_reason);
      for await (const stream of client.beta.messages.toolRunner({ ...run, stream: true })) {
        reasons.push((await stream.finalMessage()).stop_reason);
      }
      assertEquals(reasons, ["tool_use", "tool_use", "tool_use", "tool_use"]);
      assertEquals(cities.length, 4);
    }),
});

Deno.test({
  name: `PyPI's Anthropic client asks, streams, counts and tells errors, with a key only${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder, `http.api_keys=${KEY}`);
      const said = await runPython("anthropic_client.py", node.url, node.model, KEY);
      const { whole, stop_reason, pieces, final, usage, counted, missing, refused, ran, listed } = said;
      assertEquals([(pieces as string[]).join(""), final, stop_reason], [whole, whole, "max_tokens"]);
      assertEquals(usage, [counted, 8]);
      assertEquals([ran, listed], [["tool_use", "tool_use"], [node.model]]);
      assertEquals([missing, refused], [[404, "not_found_error"], [401, "authentication_error"]]);
    }),
});
