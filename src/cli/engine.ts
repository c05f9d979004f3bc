/**
 * `kwaainet engine`: the process that computes, started by the node.
 *
 * @module
 */
import { openSystemWorld } from "../base/system_world.ts";
import type { EngineFolders } from "../compute/engine_acts.ts";
import type { Verb } from "./verb.ts";

/** Answers frames on stdin until it ends. */
export const engineVerb: Verb = {
  name: "engine",
  summary: "Compute for the node that started this process",
  words: "",
  wordCount: [0, 0],
  flags: [],
  internal: true,
  async run({ output }) {
    // the node decides when this ends: Ctrl-C in a terminal reaches all processes of the group
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      if (Deno.build.os !== "windows" || signal === "SIGINT") Deno.addSignalListener(signal, () => {});
    }
    const { runEngineChild } = await import("../compute/engine_child.ts");
    const { openModel } = await import("../model/open_model.ts");
    const { backendsIn } = await import("../node/open_compute.ts");
    const { clock } = openSystemWorld({ level: "warn", json: false });
    const parts = { backends: (folders: EngineFolders) => backendsIn(clock, folders), openModel };
    return await runEngineChild(Deno.stdin, Deno.stdout, parts, (words) => output.error(words));
  },
};
