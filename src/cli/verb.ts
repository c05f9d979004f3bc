/**
 * What a verb of the command line is.
 *
 * @module
 */
import type { ConfigPath } from "../config/schema.ts";
import type { Output } from "./output.ts";

/** One flag. */
export interface Flag {
  /** Without dashes, such as `max-tokens`. */
  readonly name: string;
  /** `list` may be repeated and holds commas. */
  readonly kind: "text" | "boolean" | "list";
  /** Stands for the value in the help, such as `FILE`. */
  readonly value?: string;
  readonly sentence: string;
  /** Value of a flag that was written without one; an error where this is absent. */
  readonly ifBare?: string;
  /** The setting this flag is another name of. */
  readonly setting?: ConfigPath;
  /** What a boolean flag sets its setting to; true without it. */
  readonly sets?: boolean;
}

/** What was written after the verb. */
export interface Invocation {
  /** Given flags by name: text, `true`, or a list. */
  readonly flags: ReadonlyMap<string, string | true | readonly string[]>;
  /** Words that are no flags, in order. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly output: Output;
}

/** One verb. */
export interface Verb {
  readonly name: string;
  /** One line for the list of verbs. */
  readonly summary: string;
  /** Words after the verb, as the help shows them: `PROMPT`, `show | init`. Empty where none are taken. */
  readonly words: string;
  /** How many words there may be. */
  readonly wordCount: readonly [least: number, most: number];
  readonly flags: readonly Flag[];
  /** More help, below the flags. */
  readonly more?: string;
  /** Left out of the help: for the program's own use. */
  readonly internal?: boolean;
  /** Does it; the exit code. What it throws becomes one line on stderr and a code of `exit_code.ts`. */
  run(invocation: Invocation): Promise<number>;
}
