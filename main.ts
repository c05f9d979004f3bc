/** Entry of the program: hands the arguments to the command line and leaves with its exit code. */
import { run } from "./src/cli/run.ts";

if (import.meta.main) Deno.exit(await run(Deno.args));
