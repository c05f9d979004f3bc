/**
 * `kwaainet bench`.
 *
 * @module
 */
import { BACKEND_DIR_FLAG, CONFIG_FLAGS, DEFAULT_BENCH_BLOCKS, JSON_FLAG, settingFlag } from "./flags.ts";
import type { Verb } from "./verb.ts";

/** Measures this machine. */
export const benchVerb: Verb = {
  name: "bench",
  summary: "Measure engines, blocks and calls on this machine; prints ratios",
  words: "",
  wordCount: [0, 0],
  flags: [
    settingFlag("model", "SOURCE"),
    settingFlag("blocks", "A:B"),
    settingFlag("engine", "auto|ggml|onnx|reference"),
    BACKEND_DIR_FLAG,
    settingFlag("dtype", "f32|f16|bf16|auto"),
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more:
    `Without --model the demo model is measured where it is at hand; without --blocks its first ${DEFAULT_BENCH_BLOCKS}.
Rates are tokens a second through all measured blocks: one at a time (decode), 64 at once (prefill). Times of one machine
tell little: read the ratios, and stop what else runs.`,
  async run(invocation) {
    const { runBench } = await import("./bench_machine.ts");
    return await runBench(invocation, this.flags);
  },
};
