/** An engine process for tests: `deno run -A engine_child_main.ts`. Opening a model called `abort` kills the process. */
import { runEngineChild } from "../../src/compute/engine_child.ts";
import { openModel } from "../../src/model/open_model.ts";
import { openTestGgml } from "./native_ggml.ts";

const code = await runEngineChild(
  Deno.stdin.readable,
  Deno.stdout.writable,
  {
    backends: () => [openTestGgml({ quiet: false })],
    openModel(path, signal) {
      if (path === "abort") {
        Deno.stderr.writeSync(new TextEncoder().encode("GGML_ASSERT(toys) failed\n"));
        Deno.kill(Deno.pid, "SIGKILL");
      }
      return openModel(path, signal);
    },
  },
  (words) => Deno.stderr.writeSync(new TextEncoder().encode(`${words}\n`)),
);
Deno.exit(code);
