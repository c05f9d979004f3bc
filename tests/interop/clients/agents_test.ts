/** PyPI's agents, OpenAI's and Pydantic AI's, against a node with a real model. */
import { assertEquals } from "@std/assert";
import { withFolder } from "../../e2e/program.ts";
import { noPython, runPython, startNode } from "./clients.ts";

Deno.test({
  name:
    `OpenAI's and Pydantic's agents call tools and answer in the form they want, on three APIs${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const { openai, pydantic } = await runPython("agents_client.py", node.url, node.model);
      const items = ["ToolCallItem", "ToolCallOutputItem", "MessageOutputItem"];
      assertEquals(openai, { chat: [items, items], responses: [items, items, items] });
      const formed = ["City", "City", true];
      assertEquals(pydantic, {
        chat: formed,
        chatTool: formed,
        responses: formed,
        responsesTool: formed,
        anthropicTool: formed,
      });
    }),
});
