/** Schemathesis sends a node what its OpenAPI document allows, and what it does not. Needs `KWAAI_SMOLLM2`. */
import { assert } from "@std/assert";
import { withFolder } from "../../e2e/program.ts";
import { noPython, runCommand, startNode } from "./clients.ts";

const here = (name: string) => new URL(name, import.meta.url).pathname;

Deno.test({
  name:
    `whatever schemathesis sends, answers are as the OpenAPI document says, and never a failure${noPython}`,
  ignore: noPython !== "",
  fn: () =>
    withFolder(async (folder) => {
      await using node = await startNode(folder);
      const report = await runCommand(
        "schemathesis",
        [
          ...["--config-file", here("schemathesis.toml"), "run", `${node.url}/openapi.json`],
          ...["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1"],
          // a busy machine is slow, and no judge of it
          ...["--request-timeout", "60", "--suppress-health-check", "all", "--no-color"],
        ],
        { SCHEMATHESIS_HOOKS: "schemathesis_hooks", PYTHONPATH: here(".") },
        folder,
      );
      const cases = Number(report.match(/(\d+) generated/)?.[1]);
      assert(cases > 500, report.slice(-2000));
    }),
});
