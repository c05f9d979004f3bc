/**
 * An engine process for tests: `deno run -A engine_child_main.ts [BROKEN]`. While the file BROKEN exists it leaves with
 * code 3 as soon as it is started. A model at the path `abort` ends it as an assert of ggml does.
 */
import { runEngineChild } from "../../src/compute/engine_child.ts";
import { openModel } from "../../src/model/open_model.ts";
import { openTestGgml } from "./native_ggml.ts";

const say = (words: string) => void Deno.stderr.writeSync(new TextEncoder().encode(`${words}\n`));

const [broken] = Deno.args;
if (broken !== undefined && await Deno.stat(broken).then(() => true, () => false)) {
  say("The library is gone");
  Deno.exit(3);
}
const code = await runEngineChild(
  Deno.stdin,
  Deno.stdout,
  {
    backends: () => [openTestGgml()],
    openModel(path, signal) {
      if (path === "abort") {
        say("ggml.c:100: GGML_ASSERT(toys) failed");
        Deno.kill(Deno.pid, "SIGKILL");
      }
      return openModel(path, signal);
    },
  },
  say,
);
Deno.exit(code);
