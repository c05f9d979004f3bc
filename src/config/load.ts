/**
 * From flags, environment, file and target to one configuration, each value with where it came from.
 *
 * @module
 */
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { NodeError } from "../base/errors.ts";
import type { ConfigKey } from "./key.ts";
import { nearestName } from "./nearest.ts";
import {
  type Config,
  CONFIG_KEYS,
  CONFIG_PATHS,
  type ConfigPath,
  environmentName,
  isConfigPath,
} from "./schema.ts";

/** Names beginning with `KWAAI_` that are not settings: they steer set-up, tests and where the file is. */
const OTHER_ENVIRONMENT: readonly string[] = [
  "KWAAI_CONFIG",
  "KWAAI_CACHE",
  "KWAAI_NO_UPDATE",
  "KWAAI_BINARY",
  "KWAAI_SMOLLM2",
  "KWAAI_PEERS_VENV",
];

/** Everything a configuration is made of. Later ones in this list are outdone by earlier ones. */
export interface ConfigSources {
  /** Values of flags by the setting they stand for; as text, `true`, `false` or a list. */
  readonly flags: ReadonlyMap<ConfigPath, unknown>;
  /** `path=value` of each `--set`. */
  readonly sets: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly file: { readonly path: string; readonly text: string } | undefined;
  readonly target:
    | { readonly name: string; readonly defaults: Readonly<Record<string, unknown>> }
    | undefined;
}

/** A configuration, and where each of its values came from. */
export interface LoadedConfig {
  readonly config: Config;
  /** By path: `flag`, `--set`, `environment NAME`, `file PATH`, `target NAME` or `built in`. */
  readonly origins: Readonly<Record<ConfigPath, string>>;
}

interface Given {
  readonly value: unknown;
  readonly origin: string;
}

/** Merges all sources and checks every value. Throws `NodeError` `usage` that names the key, its origin and the cure. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const given = new Map<ConfigPath, Given>();
  const put = (path: string, value: unknown, origin: string) => {
    if (!isConfigPath(path)) throw unknownKey(path, origin);
    given.set(path, { value: checked(path, value, origin), origin });
  };
  const { target, file } = sources;
  for (const [path, value] of Object.entries(target?.defaults ?? {})) {
    put(path, value, `target ${target!.name}`);
  }
  if (file) { for (const [path, value] of flatten(parseFile(file))) put(path, value, `file ${file.path}`); }
  for (const [path, value, name] of environmentValues(sources.environment)) {
    put(path, value, `environment ${name}`);
  }
  for (const set of sources.sets) put(...splitSet(set), "--set");
  for (const [path, value] of sources.flags) put(path, value, "flag");
  const config: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const path of CONFIG_PATHS) {
    const found = given.get(path);
    config[path] = found === undefined ? CONFIG_KEYS[path].fallback : found.value;
    origins[path] = found?.origin ?? "built in";
  }
  return { config: config as Config, origins: origins as Record<ConfigPath, string> };
}

function checked(path: ConfigPath, value: unknown, origin: string): unknown {
  const key: ConfigKey = CONFIG_KEYS[path];
  const result = v.safeParse(key.schema, typeof value === "string" ? fromText(key, value) : value);
  if (result.success) return result.output;
  const wanted = /^(?:Invalid|Expected)/.test(result.issues[0].message)
    ? WANTED[key.kind]
    : result.issues[0].message;
  throw new NodeError(
    "usage",
    `Cannot use ${path}: ${origin} says ${
      key.secret ? "something" : withoutPasswords(JSON.stringify(value))
    }, wanted ${wanted}`,
  );
}

/** Addresses may hold a user and a password before the host. */
const withoutPasswords = (text: string): string => text.replace(/\/\/[^\s",]*@/g, "//…@");

const WANTED: Readonly<Record<ConfigKey["kind"], string>> = {
  text: "text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  list: "a list of texts",
};

function fromText(key: ConfigKey, value: string): unknown {
  switch (key.kind) {
    case "text":
      return value;
    case "integer":
      return /^-?\d+$/.test(value) ? Number(value) : value;
    case "number":
      return /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
    case "boolean":
      return value === "true" ? true : value === "false" ? false : value;
    case "list":
      return value === "" ? [] : value.split(",").map((item) => item.trim());
  }
}

function parseFile(file: { readonly path: string; readonly text: string }): Record<string, unknown> {
  try {
    return parse(file.text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const why = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
    throw new NodeError(
      "usage",
      `Cannot read ${file.path}: ${why} at line ${error.line}, wanted TOML`,
      { cause: error },
    );
  }
}

function* flatten(table: Record<string, unknown>, above = ""): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const path = above + name;
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value) &&
      !(value instanceof Date);
    if (isTable && !isConfigPath(path)) yield* flatten(value as Record<string, unknown>, `${path}.`);
    else yield [path, value];
  }
}

function* environmentValues(
  environment: Readonly<Record<string, string>>,
): Generator<[ConfigPath, string, string]> {
  const names = new Map(CONFIG_PATHS.map((path) => [environmentName(path), path]));
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith("KWAAI_") || OTHER_ENVIRONMENT.includes(name)) continue;
    const path = names.get(name);
    if (path === undefined) throw unknownKey(name, "the environment", [...names.keys()]);
    yield [path, value, name];
  }
}

function splitSet(set: string): [string, string] {
  const equals = set.indexOf("=");
  if (equals < 1) {
    throw new NodeError(
      "usage",
      `Cannot use --set ${set}: it has no path and value, wanted --set path=value`,
    );
  }
  return [set.slice(0, equals), set.slice(equals + 1)];
}

function unknownKey(name: string, origin: string, known: readonly string[] = CONFIG_PATHS): NodeError {
  const near = nearestName(name, known);
  const cure = near === undefined ? "one that `config show` lists" : `a known one such as "${near}"`;
  return new NodeError(
    "usage",
    `Cannot use configuration: unknown key "${name}" in ${origin}, wanted ${cure}`,
  );
}
