import type { BlockBackend } from "../../src/compute/backend.ts";
import { openEngineProcess } from "../../src/compute/engine_process.ts";
import { CHILD_COMMAND } from "../support/engine_child.ts";
import { ggml, noGgml } from "../support/native_ggml.ts";
import { fakeWorld } from "../support/world.ts";
import { BLOCK_CASES } from "./cases.ts";

const signal = new AbortController().signal;
/** The process opens models by their paths: what is changed in our memory only, it does not see. */
const OF_MEMORY = new Set(["says which tensor is missing"]);

Deno.test({
  name: `engine process passes the cases of every engine${noGgml ? ` (left out: ${noGgml})` : ""}`,
  ignore: noGgml !== undefined,
  async fn(t) {
    const options = { command: CHILD_COMMAND, engine: "ggml", dataDir: "/tmp" } as const;
    await using engine = await openEngineProcess(fakeWorld(), options, signal);
    const backend: BlockBackend = {
      name: "ggml",
      probe: () => ggml.probe(),
      load: (model, range, load, signal) => engine.load(model.path, range, load, signal),
      loadHead: (model, load, signal) => engine.loadHead(model, load, signal),
    };
    for (const { name, run } of BLOCK_CASES.filter(({ name }) => !OF_MEMORY.has(name))) {
      await t.step(name, () => run(backend));
    }
  },
});
