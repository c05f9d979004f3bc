/**
 * From words of a shell to an invocation.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { NodeError } from "../base/errors.ts";
import { nearestName } from "../config/nearest.ts";
import type { Flag, Invocation, Verb } from "./verb.ts";

/** Flags that every verb has. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: "help", kind: "boolean", sentence: "Show this help." },
];

/** Flags and words of `args` for `verb`. Throws `NodeError` `usage` in one line with the cure. */
export function parseInvocation(
  verb: Verb,
  args: readonly string[],
): Pick<Invocation, "flags" | "words"> {
  const known = [...verb.flags, ...COMMON_FLAGS];
  const named = (...kinds: Flag["kind"][]) =>
    known.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
  let stranger: string | undefined;
  const parsed = parseArgs([...args], {
    boolean: named("boolean"),
    string: [...named("text", "list"), "_"],
    collect: named("list"),
    alias: { help: "h" },
    unknown: (arg: string, name?: string) => {
      if (name === undefined) return true;
      stranger ??= arg;
      return false;
    },
  });
  if (stranger !== undefined) throw unknownFlag(verb, stranger, known);
  const flags = new Map<string, string | true | readonly string[]>();
  for (const flag of known) readFlag(flag, parsed[flag.name], flags);
  const words = parsed._.map(String);
  if (!flags.has("help")) checkWords(verb, words);
  return { flags, words };
}

function readFlag(
  flag: Flag,
  value: unknown,
  into: Map<string, string | true | readonly string[]>,
): void {
  if (value === undefined || value === false) return;
  const values = [value].flat().map(String);
  if (flag.kind === "boolean") into.set(flag.name, true);
  else if (values.includes("") && flag.ifBare !== undefined) into.set(flag.name, flag.ifBare);
  else if (values.includes("")) {
    throw new NodeError(
      "usage",
      `Cannot use --${flag.name}: it has no value, wanted --${flag.name} ${flag.value ?? "VALUE"}`,
    );
  } else if (flag.kind === "text") into.set(flag.name, values[0]!);
  else if (values.length > 0) into.set(flag.name, values);
}

function unknownFlag(verb: Verb, written: string, known: readonly Flag[]): NodeError {
  const name = written.replace(/=.*$/s, "");
  const near = nearestName(name.replace(/^-+/, ""), known.map((flag) => flag.name));
  const cure = near === undefined ? `one that \`kwaainet ${verb.name} --help\` lists` : `--${near}`;
  return new NodeError("usage", `Cannot use ${name}: ${verb.name} has no such flag, wanted ${cure}`);
}

function checkWords(verb: Verb, words: readonly string[]): void {
  const [least, most] = verb.wordCount;
  if (words.length < least) {
    throw new NodeError(
      "usage",
      `Cannot run ${verb.name}: something is missing, wanted kwaainet ${verb.name} ${verb.words}`,
    );
  }
  if (words.length > most) {
    const wanted = most === 0 ? "no words (flags begin with --)" : `kwaainet ${verb.name} ${verb.words}`;
    throw new NodeError(
      "usage",
      `Cannot run ${verb.name}: ${JSON.stringify(words[most])} is one word too many, wanted ${wanted}`,
    );
  }
}
