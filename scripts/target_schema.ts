/**
 * Brings the settings of `targets/schema.json` in step with `src/config/schema.ts`: names, sentences and order. What stands
 * there of a setting's range stays. `deno run -A scripts/target_schema.ts`
 */
import type { ConfigKey } from "../src/config/key.ts";
import { CONFIG_KEYS, CONFIG_PATHS } from "../src/config/schema.ts";

const path = new URL("../targets/schema.json", import.meta.url);
const schema = JSON.parse(await Deno.readTextFile(path));
const { defaults } = schema.properties;
const TYPES: Readonly<Record<ConfigKey["kind"], object>> = {
  text: { type: "string" },
  integer: { type: "integer" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  list: { type: "array", items: { type: "string" } },
};
defaults.properties = Object.fromEntries(CONFIG_PATHS.map((name) => {
  const { kind, sentence }: ConfigKey = CONFIG_KEYS[name];
  const { description: _, ...kept } = defaults.properties[name] ?? TYPES[kind];
  return [name, { description: sentence, ...kept }];
}));
await Deno.writeTextFile(path, JSON.stringify(schema, null, 2) + "\n");
