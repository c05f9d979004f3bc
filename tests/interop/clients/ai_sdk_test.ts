/** Vercel's AI SDK, with both of its providers for OpenAI's API, against a node with a real model. */
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { assertEquals, assertRejects } from "@std/assert";
import { APICallError, embed, embedMany, generateText, type LanguageModel, streamText } from "ai";
import { withFolder } from "../../e2e/program.ts";
import { noModel, startNode } from "./clients.ts";

const ask = { prompt: "What is the capital of France?", maxOutputTokens: 8, temperature: 0, maxRetries: 0 };

Deno.test({
  name: `the AI SDK generates, streams and embeds, over chat completions and over responses${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const baseURL = `${node.url}/v1`;
      const compatible = createOpenAICompatible({ name: "kwaainet", baseURL, includeUsage: true });
      const openai = createOpenAI({ baseURL, apiKey: "none" });
      const chatted = await asked(compatible(node.model));
      assertEquals(chatted.outputTokens, 8);
      assertEquals(await asked(openai.responses(node.model)), chatted);
      assertEquals(await asked(openai.chat(node.model)), chatted);

      const model = compatible.textEmbeddingModel(node.model);
      const { embedding } = await embed({ model, value: "one" });
      const { embeddings } = await embedMany({
        model: openai.embedding(node.model),
        values: ["one", "two"],
      });
      assertEquals(embeddings.map(({ length }) => length), [576, 576]);
      assertEquals(embeddings[0], embedding);
      // what was answered before is named, not told again, to the model that createOpenAI gives by itself
      const usual = openai(node.model);
      const { response: { messages } } = await generateText({ ...ask, model: usual });
      const again = { role: "user" as const, content: "And of Spain?" };
      const { prompt: content, ...how } = ask;
      const turns = [{ role: "user" as const, content }, ...messages, again];
      const second = await generateText({ ...how, model: usual, messages: turns });
      assertEquals(
        second.text,
        (await generateText({ ...how, model: compatible(node.model), messages: turns })).text,
      );
      const missing = await assertRejects(
        () => generateText({ ...ask, model: compatible("none") }),
        APICallError,
      );
      assertEquals([missing.statusCode, missing.isRetryable], [404, false]);
    }),
});

/** What a model answers; the same whole and in parts. */
async function asked(model: LanguageModel) {
  const { text, finishReason, usage: { inputTokens, outputTokens } } = await generateText({ ...ask, model });
  const stream = streamText({ ...ask, model });
  let streamed = "";
  for await (const piece of stream.textStream) streamed += piece;
  const usage = await stream.usage;
  assertEquals([streamed, await stream.finishReason, usage.outputTokens], [text, finishReason, outputTokens]);
  return { text, finishReason, inputTokens, outputTokens };
}
