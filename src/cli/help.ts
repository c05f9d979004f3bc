/**
 * Help texts.
 *
 * @module
 */
import { COMMON_FLAGS } from "./parse.ts";
import type { Flag, Verb } from "./verb.ts";

/** The list of verbs. */
export function overview(verbs: readonly Verb[], version: string): string {
  const shown = verbs.filter((verb) => verb.internal !== true);
  return [
    `kwaainet ${version}: serve blocks of a language model to a Petals swarm, and ask it`,
    "",
    "Usage: kwaainet VERB [flags]",
    "",
    ...table(shown.map((verb) => [verb.name, verb.summary])),
    "",
    "kwaainet VERB --help tells more.",
  ].join("\n");
}

/** Help of one verb. */
export function helpOf(verb: Verb): string {
  const flags = [...verb.flags, ...COMMON_FLAGS];
  return [
    `Usage: kwaainet ${verb.name}${verb.words === "" ? "" : ` ${verb.words}`} [flags]`,
    "",
    verb.summary,
    "",
    ...table(flags.map((flag) => [written(flag), flag.sentence])),
    ...(verb.more === undefined ? [] : ["", verb.more]),
  ].join("\n");
}

const written = (flag: Flag): string =>
  `--${flag.name}${flag.kind === "boolean" ? "" : ` ${flag.value ?? "VALUE"}`}`;

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
