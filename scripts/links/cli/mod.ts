/**
 * The part of `jsr:@std/cli/parse-args` that this project calls, with the same call shape, for places where JSR cannot
 * be reached. Removing the `links` line of deno.json switches to the real package.
 *
 * @module
 */

/** Which flags exist, by kind. */
export interface ParseOptions {
  readonly boolean?: readonly string[];
  readonly string?: readonly string[];
  /** Flags that may be repeated; their values come as an array. */
  readonly collect?: readonly string[];
  /** Boolean flags that `--no-NAME` switches off. */
  readonly negatable?: readonly string[];
  readonly default?: Readonly<Record<string, unknown>>;
  /** Other names of a flag. */
  readonly alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Called for what is no flag of the options; false leaves it out of the result. */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  /** Leave everything after the first positional argument alone. */
  readonly stopEarly?: boolean;
}

/** Flags by name; `_` holds what is no flag. */
export type Args = Record<string, unknown> & { _: (string | number)[] };

interface Parser {
  readonly options: ParseOptions;
  readonly names: ReadonlyMap<string, string>;
  readonly result: Args;
}

/** Parses command line arguments: `--flag`, `--flag value`, `--flag=value`, `-f`, `--no-flag`, `--` ends flags. */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const parser: Parser = { options, names: aliasNames(options), result: { ...startValues(options), _: [] } };
  const rest = [...args];
  while (rest.length > 0) {
    const arg = rest.shift()!;
    if (arg === "--") {
      parser.result._.push(...rest);
      break;
    }
    if (/^--?[^-]/.test(arg) && !/^-\d/.test(arg)) readFlag(parser, arg, rest);
    else {
      if (options.unknown?.(arg) !== false) parser.result._.push(arg);
      if (options.stopEarly) {
        parser.result._.push(...rest);
        break;
      }
    }
  }
  return parser.result;
}

function startValues(options: ParseOptions): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const name of options.boolean ?? []) values[name] = false;
  for (const name of options.collect ?? []) values[name] = [];
  return { ...values, ...options.default };
}

function aliasNames(options: ParseOptions): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, others] of Object.entries(options.alias ?? {})) {
    for (const other of [others].flat()) names.set(other, name);
  }
  return names;
}

function readFlag(parser: Parser, arg: string, rest: string[]): void {
  const { options, names, result } = parser;
  const equals = arg.indexOf("=");
  const written = arg.slice(arg.startsWith("--") ? 2 : 1, equals < 0 ? undefined : equals);
  const attached = equals < 0 ? undefined : arg.slice(equals + 1);
  const negated = written.startsWith("no-") ? written.slice(3) : undefined;
  if (negated !== undefined && options.negatable?.includes(negated)) {
    result[negated] = false;
    return;
  }
  const name = names.get(written) ?? written;
  if (options.boolean?.includes(name)) {
    result[name] = attached === undefined || attached !== "false";
  } else if (options.string?.includes(name)) {
    const next = rest[0];
    const value = attached ?? (next !== undefined && !/^--?[a-zA-Z]/.test(next) ? rest.shift()! : "");
    if (options.collect?.includes(name)) (result[name] as unknown[]).push(value);
    else result[name] = value;
  } else if (options.unknown?.(arg, name, attached ?? true) !== false) {
    result[name] = attached ?? true;
  }
}
