/** LangChain, npm's and PyPI's, LiteLLM and the `llm` command against a node with a real model. */
import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../../e2e/program.ts";
import { noModel, noPython, runCommand, runPython, startNode } from "./clients.ts";

const question = "What is the capital of France?";

Deno.test({
  name: `npm's LangChain invokes, streams, batches and embeds${noModel}`,
  ignore: noModel !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const given = { apiKey: "none", configuration: { baseURL: `${node.url}/v1` }, maxRetries: 0 };
      const model = new ChatOpenAI({ ...given, model: node.model, temperature: 0, maxTokens: 8 });
      const turns = [new SystemMessage("You are brief."), new HumanMessage(question)];
      const whole = await model.invoke(turns);
      // its types know no counts here
      assertEquals((whole.usage_metadata as unknown as Record<string, number>)["output_tokens"], 8);
      let streamed = "";
      for await (const chunk of await model.stream(turns)) streamed += chunk.text;
      assertEquals(streamed, whole.text);
      const batch = await model.batch([turns, turns]);
      assertEquals(batch.map(({ text }) => text), [whole.text, whole.text]);
      const responding = new ChatOpenAI({
        ...given,
        model: node.model,
        temperature: 0,
        maxTokens: 8,
        useResponsesApi: true,
      });
      assertEquals((await responding.invoke(turns)).text, whole.text);
      const embeddings = new OpenAIEmbeddings({ ...given, model: node.model });
      assertEquals((await embeddings.embedDocuments(["one", "two"])).map(({ length }) => length), [576, 576]);
    }),
});

Deno.test({
  name: `PyPI's LangChain and LiteLLM, over OpenAI's and over Ollama's routes, give one answer${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const said = await runPython("langchain_client.py", node.url, node.model);
      const { invoked, streamed, embedded, litellm, ollama, ollamaStreamed, missing } = said;
      assert((invoked as string).length > 0);
      assertEquals([streamed, litellm, ollama, ollamaStreamed], [invoked, invoked, invoked, invoked]);
      assertEquals([embedded, missing], [576, 404]);
    }),
});

Deno.test({
  name: `the llm command answers through extra-openai-models.yaml, whole and streamed${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(`${folder}/node`);
      await Deno.writeTextFile(
        `${folder}/extra-openai-models.yaml`,
        `- model_id: here\n  model_name: ${node.model}\n  api_base: ${node.url}/v1\n`,
      );
      const env = { LLM_USER_PATH: folder, OPENAI_API_KEY: "none" };
      const asking = ["-m", "here", "-o", "temperature", "0", "-o", "max_tokens", "8"];
      const streamed = await runCommand("llm", [...asking, question], env);
      const whole = await runCommand("llm", [...asking, "--no-stream", question], env);
      assert(streamed.trim().length > 0);
      assertEquals(streamed, whole);
      assert((await runCommand("llm", ["models"], env)).includes("here"));
      const [{ input_tokens, output_tokens }] = JSON.parse(
        await runCommand("llm", ["logs", "--json", "-n", "1"], env),
      );
      assertEquals([output_tokens, input_tokens > 8], [8, true]);
    }),
});
