/**
 * `kwaainet config show | check | path`.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { ConfigKey } from "../config/key.ts";
import { nearestName } from "../config/nearest.ts";
import { configFiles } from "../config/paths.ts";
import { CONFIG_KEYS, CONFIG_PATHS, type ConfigPath, environmentName } from "../config/schema.ts";
import { JSON_FLAG } from "./flags.ts";
import { loadSettings, type Settings } from "./settings.ts";
import { START_FLAGS } from "./start_flags.ts";
import type { Invocation, Verb } from "./verb.ts";

/** Shows every setting with its origin, checks them, or tells which file is read. */
export const configVerb: Verb = {
  name: "config",
  summary: "Show every setting and where it came from, check them, or tell which file is read",
  words: "show | check | path",
  wordCount: [1, 1],
  flags: [...START_FLAGS, JSON_FLAG],
  more:
    "show lists path, value and origin; check answers 0 or says what is wrong; path names the file that is read.",
  run(invocation) {
    const actions = { show, check, path };
    const word = invocation.words[0]!;
    if (!Object.hasOwn(actions, word)) throw unknownWord("config", word, Object.keys(actions));
    const settings = loadSettings(invocation, this.flags);
    actions[word as keyof typeof actions](invocation, settings);
    return Promise.resolve(0);
  },
};

/** The failure of a second word that a verb does not know. */
export function unknownWord(verb: string, word: string, known: readonly string[]): NodeError {
  const near = nearestName(word, known);
  return new NodeError(
    "usage",
    `Cannot run ${verb} ${word}: there is no such action, wanted ${near ?? known.join(", ")}`,
  );
}

function show({ flags, output }: Invocation, { config, origins, target }: Settings): void {
  if (flags.has("json")) {
    const settings = CONFIG_PATHS.map((path) => {
      const { sentence, unit }: ConfigKey = CONFIG_KEYS[path];
      return {
        path,
        value: shown(path, config[path]) ?? null,
        origin: origins[path],
        environment: environmentName(path),
        unit: unit ?? null,
        sentence,
      };
    });
    return output.json({ schema: 1, target: target.name, settings });
  }
  for (const path of CONFIG_PATHS) {
    const value = shown(path, config[path]);
    output.line(`${path} = ${value === undefined ? "" : JSON.stringify(value)}  # ${origins[path]}`);
  }
}

/** Passwords and tokens are not for screens. */
function shown(path: ConfigPath, value: unknown): unknown {
  const { secret }: ConfigKey = CONFIG_KEYS[path];
  return secret && value !== undefined ? "(set)" : value;
}

function check({ flags, output }: Invocation, { file, target }: Settings): void {
  if (flags.has("json")) output.json({ schema: 1, ok: true, file: file ?? null, target: target.name });
  else output.line(`Configuration is in order (${file ?? "no file"}, target ${target.name})`);
}

function path({ flags, environment, output }: Invocation, { file }: Settings): void {
  const { paths } = configFiles(flags.get("config") as string | undefined, environment);
  if (flags.has("json")) output.json({ schema: 1, file: file ?? null, searched: paths });
  else output.line(file ?? paths[0] ?? "");
}
