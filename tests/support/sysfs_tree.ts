/** Trees that stand for `/sys`, from one text each: `path = value`, `path -> target`. */
import { temporaryFolder } from "./temporary_folder.ts";

const stored = new URL("../vectors/energy/sysfs/trees/", import.meta.url);

/** A tree on disk, removed when it is disposed. */
export interface SysfsTree extends AsyncDisposable {
  readonly path: string;
  /** Overwrites a file in place, as sensors do: who has it open sees the new value. */
  set(file: string, value: string | number | bigint): void;
  remove(file: string): void;
}

/** The text of a stored tree. */
export const storedTree = (name: string): Promise<string> =>
  Deno.readTextFile(new URL(`${name}.tree`, stored));

/** Names of all stored trees. */
export const storedTrees = (): string[] =>
  [...Deno.readDirSync(stored)].flatMap(({ name }) => name.endsWith(".tree") ? [name.slice(0, -5)] : [])
    .sort();

/** Writes a tree: from its text, or from its files by path. */
export async function openTree(content: string | Readonly<Record<string, string>>): Promise<SysfsTree> {
  const folder = await temporaryFolder();
  const lines = typeof content === "string"
    ? content.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    : Object.entries(content).map(([path, value]) => `${path} = ${value}`);
  for (const line of lines) {
    const [, path, kind, value] = line.match(/^(\S+) (=|->) ?(.*)$/s)!;
    const full = `${folder.path}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    if (kind === "->") await Deno.symlink(value!, full);
    else await Deno.writeTextFile(full, `${value}\n`);
  }
  return {
    path: folder.path,
    set: (file, value) => overwrite(`${folder.path}/${file}`, `${value}\n`),
    remove: (file) => Deno.removeSync(`${folder.path}/${file}`),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function overwrite(path: string, text: string): void {
  using opened = Deno.openSync(path, { write: true });
  opened.truncateSync(text.length);
  opened.writeSync(new TextEncoder().encode(text));
}
