/** Starts the engine process of tests, `engine_child_main.ts`. */
export const CHILD_COMMAND: readonly string[] = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  "--config",
  new URL("../../deno.json", import.meta.url).pathname,
  new URL("engine_child_main.ts", import.meta.url).pathname,
];
