/** ggml for tests: opened once a process, since C keeps it until the end. */
import type { BlockBackend } from "../../src/compute/backend.ts";
import { createGgmlBackend, type GgmlOptions } from "../../src/compute/ggml.ts";

/** Where `scripts/native_libraries.ts` puts this machine's libraries. */
export const GGML_FOLDER: string =
  new URL(`../../native/${Deno.build.arch}-unknown-linux-gnu`, import.meta.url).pathname;

/** A backend over the libraries in `native/`. */
export const openTestGgml = (options: Partial<GgmlOptions> = {}): BlockBackend =>
  createGgmlBackend({
    folder: () => Promise.resolve(GGML_FOLDER),
    quiet: true,
    availableBytes: () => 2 ** 33,
    ...options,
  });

/** The backend that most tests share. */
export const ggml: BlockBackend = openTestGgml();
const probe = await ggml.probe();

/** Why tests of ggml cannot run here; `undefined` when they can. */
export const noGgml: string | undefined = probe.usable
  ? undefined
  : `${probe.reason} (deno run -A scripts/native_libraries.ts fetches the libraries)`;
