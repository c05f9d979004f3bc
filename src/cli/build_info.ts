/**
 * What the program knows about its own making.
 *
 * @module
 */
import manifest from "../../deno.json" with { type: "json" };

/** Filled in by `scripts/build.ts`, which replaces the text between the at signs in the bundle. */
const COMMIT = "@KWAAINET_COMMIT@";

/** Version of the program, as in deno.json. */
export const VERSION: string = manifest.version;

/** Commit the binary was built from; `source` when it runs from source. */
export const commit = (): string => COMMIT.startsWith("@") ? "source" : COMMIT;
