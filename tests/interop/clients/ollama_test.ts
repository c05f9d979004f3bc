/** Ollama's own clients, npm's and PyPI's, against a node with a real model. Needs `KWAAI_SMOLLM2`. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Ollama } from "ollama";
import { withFolder } from "../../e2e/program.ts";
import { noModel, noPython, runPython, startNode } from "./clients.ts";

const messages = [{ role: "user", content: "What is the capital of France?" }];

Deno.test({
  name: `npm's ollama lists, shows, chats, generates, embeds and tells errors${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const { model } = node;
      const client = new Ollama({ host: node.url });
      const ask = { model, options: { temperature: 0, num_predict: 8 } };
      assertEquals((await client.list()).models.map(({ name }) => name), [`${model}:latest`]);
      assertEquals((await client.show({ model })).details.quantization_level, "Q4_1");
      const { message, eval_count, done_reason } = await client.chat({ ...ask, messages });
      assertEquals([eval_count, done_reason], [8, "length"]);
      let streamed = "";
      for await (const part of await client.chat({ ...ask, messages, stream: true })) {
        streamed += part.message.content;
      }
      assertEquals(streamed, message.content);
      const { response } = await client.generate({ ...ask, prompt: messages[0]!.content });
      assertEquals(response, message.content);
      const { embeddings } = await client.embed({ model: `${model}:latest`, input: ["one", "two"] });
      assertEquals(embeddings.map(({ length }) => length), [576, 576]);
      const error = await assertRejects(() => client.chat({ model: "none", messages }));
      assertEquals((error as Error & { status_code: number }).status_code, 404);
    }),
});

Deno.test({
  name: `npm's ollama ends an answer in the middle, and the node goes on answering${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder, "text.sessions=1", "text.waiting=0");
      const client = new Ollama({ host: node.url });
      // some minutes of work, were it not left
      const options = { num_predict: 8000, repeat_penalty: 1.5 };
      const long = await client.chat({ model: node.model, messages, stream: true, options });
      await assertRejects(async () => {
        for await (const _ of long) client.abort();
      });
      // there is one place: the next answer needs the one that was left
      for (let tries = 0;; tries++) {
        assert(tries < 1000);
        const ask = { model: node.model, options: { num_predict: 1 }, messages };
        const answer = await client.chat(ask).catch((error) => error);
        if (!(answer instanceof Error)) break;
        assertEquals((answer as Error & { status_code: number }).status_code, 429);
      }
    }),
});

Deno.test({
  name: `PyPI's ollama lists, shows, chats, generates, embeds and tells errors${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const said = await runPython("ollama_client.py", node.url, node.model);
      const { names, capabilities, whole, pieces, generated, embeddings, error } = said;
      assertEquals([names, capabilities], [[`${node.model}:latest`], ["completion"]]);
      assertEquals([(pieces as string[]).join(""), generated], [whole, whole]);
      assertEquals(embeddings, [576, 576]);
      assert(Array.isArray(error) && error[0] === 404);
    }),
});
