/**
 * `kwaainet models list | add | remove | verify`.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { counted } from "../base/words.ts";
import { DEMO_MODEL } from "../model/demo_model.ts";
import { type ResolveContext, resolveModel } from "../model/resolve.ts";
import { entryBytes, type StoreEntry } from "../model/store_entry.ts";
import { resolveContext } from "../node/find_model.ts";
import { unknownWord } from "./config.ts";
import { CONFIG_FLAGS, JSON_FLAG } from "./flags.ts";
import { transferOn } from "./progress.ts";
import { loadSettings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import type { Invocation, Verb } from "./verb.ts";
import { waitAsAsked, WHEN_FLAGS } from "./wait_green.ts";

const ACTIONS = { list, add, remove, verify } as const;

/** The local model store. */
export const modelsVerb: Verb = {
  name: "models",
  summary: "List, add, remove or verify models of the local store",
  words: "list | add SOURCE | remove NAME | verify [NAME]",
  wordCount: [1, 2],
  flags: [
    {
      name: "name",
      kind: "text",
      value: "NAME",
      sentence: "What the store calls an added model; its own name without it.",
    },
    {
      name: "link",
      kind: "boolean",
      sentence: "Point at the files of an added model instead of copying them.",
    },
    ...WHEN_FLAGS,
    ...CONFIG_FLAGS,
    JSON_FLAG,
  ],
  more:
    `SOURCE: a .gguf file, a folder with config.json and safetensors, hf:org/name[/file.gguf], or ${DEMO_MODEL.name}.
verify reads every byte again; exit code 1 when a file is damaged.`,
  async run(invocation) {
    const [word = "", ...rest] = invocation.words;
    if (!Object.hasOwn(ACTIONS, word)) throw unknownWord("models", word, Object.keys(ACTIONS));
    const settings = loadSettings(invocation, this.flags);
    using stop = listenForSignals();
    const world = worldOf(invocation, settings, "warn");
    const { environment, output } = invocation;
    const context = resolveContext(
      world,
      { paths: settings.paths, environment },
      transferOn(output),
    );
    return await ACTIONS[word as keyof typeof ACTIONS]({
      invocation,
      context,
      name: rest[0],
      wait: () =>
        waitAsAsked(world, {
          flags: invocation.flags,
          config: settings.config,
          tell: (line) => output.error(line),
        }, stop.signal),
      signal: stop.signal,
    });
  },
};

const EMPTY = "The store is empty: kwaainet models add SOURCE";

interface Action {
  readonly invocation: Invocation;
  readonly context: ResolveContext;
  /** What follows the action. */
  readonly name: string | undefined;
  /** Until the grid is clean, if that was asked for. */
  readonly wait: () => Promise<void>;
  readonly signal: AbortSignal;
}

async function list({ invocation, context, name, signal }: Action): Promise<number> {
  if (name !== undefined) {
    throw new NodeError("usage", `Cannot list ${name}: list takes no name, wanted none`);
  }
  const { output, flags } = invocation;
  const entries = await context.store.list(signal);
  if (flags.has("json")) output.json({ schema: 1, models: entries.map(asJson) });
  else if (entries.length === 0) output.line(EMPTY);
  else for (const entry of entries) output.line(asLine(entry));
  return 0;
}

async function add({ invocation, context, name, wait, signal }: Action): Promise<number> {
  const source = required("add", "SOURCE", name);
  const { output, flags } = invocation;
  const known = new Set((await context.store.list(signal)).map((entry) => entry.name));
  await wait();
  const { path, id } = await resolveModel(context, source, signal);
  const fetched = (await context.store.list(signal)).find((entry) => context.store.pathOf(entry) === path);
  if (fetched !== undefined && known.has(fetched.name)) {
    output.error(`${fetched.name} is in the store already`);
  }
  const as = (flags.get("name") as string | undefined) ?? id;
  const entry = fetched ?? await context.store.add(
    { path, ...(as === undefined ? {} : { name: as }), link: flags.has("link") },
    context.onProgress,
    signal,
  );
  if (flags.has("json")) output.json({ schema: 1, model: asJson(entry) });
  else output.line(asLine(entry));
  return 0;
}

async function remove({ invocation, context, name, signal }: Action): Promise<number> {
  const wanted = required("remove", "NAME", name);
  if (!await context.store.remove(wanted, signal)) throw absent(wanted);
  const { output, flags } = invocation;
  if (flags.has("json")) output.json({ schema: 1, removed: wanted });
  else output.line(`Removed ${wanted}`);
  return 0;
}

async function verify({ invocation, context, name, signal }: Action): Promise<number> {
  const { output, flags } = invocation;
  const names = name === undefined ? (await context.store.list(signal)).map((entry) => entry.name) : [name];
  const results: { name: string; damages: readonly { file: string; what: string }[] }[] = [];
  for (const each of names) {
    results.push({ name: each, damages: await context.store.verify(each, context.onProgress, signal) });
  }
  if (flags.has("json")) output.json({ schema: 1, models: results });
  else if (results.length === 0) output.line(EMPTY);
  else {
    for (const { name, damages } of results) {
      output.line(damages.length === 0 ? `${name}: all files are as they were added` : `${name}: damaged`);
      for (const { file, what } of damages) output.line(`  ${file}: ${what}`);
    }
  }
  return results.every(({ damages }) => damages.length === 0) ? 0 : 1;
}

function required(action: string, what: string, given: string | undefined): string {
  if (given !== undefined) return given;
  throw new NodeError(
    "usage",
    `Cannot ${action} a model: none is named, wanted kwaainet models ${action} ${what}`,
  );
}

const absent = (name: string) =>
  new NodeError(
    "not_found",
    `Cannot remove ${name}: the store has no such model, wanted one that \`kwaainet models list\` shows`,
  );

const asLine = (entry: StoreEntry): string =>
  `${entry.name}  ${(entryBytes(entry) / 1e6).toFixed(1)} MB  ${
    counted(entry.files.length, "file")
  }  from ${entry.source}`;
const asJson = (entry: StoreEntry) => ({
  name: entry.name,
  id: entry.id,
  source: entry.source,
  repository: entry.repository ?? null,
  bytes: entryBytes(entry),
  files: entry.files,
  addedAt: entry.addedAtMs,
});
