/** Entry of the program: hands the arguments to the command line and leaves with its exit code. */
import { run } from "./src/cli/run.ts";
import { isFormWorker } from "./src/text/forms/form_worker_name.ts";

// a thread of the program that is one file begins here too
if (isFormWorker()) await import("./src/text/forms/form_worker.ts");
else if (import.meta.main) Deno.exit(await run(Deno.args));
