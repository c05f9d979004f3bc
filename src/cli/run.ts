/**
 * From arguments to an exit code.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { nearestName } from "../config/nearest.ts";
import { VERSION } from "./build_info.ts";
import { exitCodeOf, lineOf } from "./exit_code.ts";
import { helpOf, overview } from "./help.ts";
import { Output } from "./output.ts";
import { parseInvocation } from "./parse.ts";
import type { Verb } from "./verb.ts";
import { VERBS } from "./verbs.ts";

/** Runs the program; what it has to say goes to `output`. Never throws. */
export async function run(
  args: readonly string[],
  output: Output = new Output(Deno.stdout, Deno.stderr),
): Promise<number> {
  try {
    return await runVerb(args, output);
  } catch (error) {
    const code = exitCodeOf(error);
    // who pressed Ctrl-C knows why it ended
    if (code !== 130) output.error(lineOf(error));
    if (wantsStack(args) && error instanceof Error) output.error(stackOf(error));
    return code;
  } finally {
    output.clearPassing();
  }
}

async function runVerb(args: readonly string[], output: Output): Promise<number> {
  const [word = "help", ...rest] = args;
  if (["help", "--help", "-h"].includes(word)) return help(rest, output);
  const verb = verbOf(["--version", "-V"].includes(word) ? "version" : word);
  const { flags, words } = parseInvocation(verb, rest);
  if (flags.has("help")) {
    output.line(helpOf(verb));
    return 0;
  }
  return await verb.run({ flags, words, output, environment: Deno.env.toObject() });
}

function help([word]: readonly string[], output: Output): number {
  output.line(word === undefined ? overview(VERBS, VERSION) : helpOf(verbOf(word)));
  return 0;
}

function verbOf(word: string): Verb {
  const verb = VERBS.find(({ name }) => name === word);
  if (verb !== undefined) return verb;
  const near = nearestName(word, VERBS.filter(({ internal }) => internal !== true).map(({ name }) => name));
  const kind = word.startsWith("-") ? "flag before a verb" : "verb";
  throw new NodeError(
    "usage",
    `Cannot run ${JSON.stringify(word)}: there is no such ${kind}, wanted ${
      near ?? "one that `kwaainet help` lists"
    }`,
  );
}

/** Asked of arguments and environment alone: the configuration may be what failed. */
function wantsStack(args: readonly string[]): boolean {
  const at = args.findIndex((arg) => /^--log-level(=|$)/.test(arg));
  const level = at < 0 ? Deno.env.get("KWAAI_LOG_LEVEL") : args[at]!.split("=")[1] ?? args[at + 1];
  return level === "debug" || level === "trace";
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\nbecause ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
