/**
 * `kwaainet version`.
 *
 * @module
 */
import { commit, VERSION } from "./build_info.ts";
import { JSON_FLAG } from "./flags.ts";
import type { Verb } from "./verb.ts";

/** Tells versions of everything inside. */
export const versionVerb: Verb = {
  name: "version",
  summary: "Tell the versions of the program and of what is inside it",
  words: "",
  wordCount: [0, 0],
  flags: [JSON_FLAG],
  run({ flags, output }) {
    const facts = {
      schema: 1,
      kwaainet: VERSION,
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      ggml: "0.25.1",
      target: Deno.build.target,
      commit: commit(),
    };
    if (flags.has("json")) output.json(facts);
    else {
      output.line(`kwaainet ${facts.kwaainet} (${facts.commit}, ${facts.target})`);
      output.line(`deno ${facts.deno}, v8 ${facts.v8}, ggml ${facts.ggml}`);
    }
    return Promise.resolve(0);
  },
};
