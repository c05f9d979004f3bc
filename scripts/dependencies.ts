/**
 * Lists everything foreign that ships in the binaries. Its output is committed as dependencies.txt:
 *
 *   deno run -A scripts/dependencies.ts > dependencies.txt
 *
 * npm packages are those that main.ts reaches (`deno info`), told apart by whether anything of them is left in the bundle
 * (`deno bundle`, whose source map names every file it took from). Sizes are those of the unpacked packages and libraries.
 * Needs Deno 2.9 and native/ for both processors (scripts/native_libraries.ts). Exit: 0 ok, 1 it failed.
 */
import { normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** A package as Deno resolved it. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Keys of other packages. */
  readonly dependencies: readonly string[];
  /** Folder in Deno's cache; Deno 2.6 does not tell it. */
  readonly localPath?: string;
}

/** What is read of `deno info --json main.ts`. */
export interface ModuleGraph {
  readonly modules: readonly { readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<Record<string, NpmPackage>>;
}

/** What the program reaches, by flavour of the binary. */
export interface Reached {
  readonly everywhere: readonly NpmPackage[];
  /** Only through onnxruntime-node, which the full flavour holds. */
  readonly fullOnly: readonly NpmPackage[];
}

const ORT = "onnxruntime-node";
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TRIPLES = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/** The module graph of the program. Rejects with `Error` when Deno cannot tell. */
export async function readGraph(): Promise<ModuleGraph> {
  return JSON.parse(await deno("info", "--json", "main.ts")) as ModuleGraph;
}

/** Packages reached from the program's own modules, each once, by name. */
export function reachedPackages({ modules, npmPackages }: ModuleGraph): Reached {
  const keys = Object.keys(npmPackages);
  const ort = keys.filter((key) => npmPackages[key]!.name === ORT);
  const roots = modules.flatMap(({ npmPackage }) => npmPackage ?? []).filter((key) => !ort.includes(key));
  const everywhere = closure(npmPackages, roots);
  const full = closure(npmPackages, ort).filter((key) => !everywhere.includes(key));
  const sorted = (some: readonly string[]) =>
    some.map((key) => npmPackages[key]!).toSorted((a, b) => a.name < b.name ? -1 : 1);
  return { everywhere: sorted(everywhere), fullOnly: sorted(full) };
}

/** `name@version` of every npm package that a written list names. */
export const listedPackages = (text: string): string[] =>
  [...text.matchAll(/^npm +(\S+) +(\S+) /gm)].map(([, name, version]) => `${name}@${version}`);

function closure(packages: ModuleGraph["npmPackages"], roots: readonly string[]): string[] {
  const found = new Set<string>();
  const left = [...roots];
  for (let key = left.pop(); key !== undefined; key = left.pop()) {
    if (found.has(key)) continue;
    found.add(key);
    left.push(...packages[key]?.dependencies ?? []);
  }
  return [...found];
}

/** Which packages of every binary left something in the bundle. */
async function bundled({ everywhere, fullOnly }: Reached): Promise<Set<NpmPackage>> {
  const folder = await Deno.makeTempDir();
  try {
    const out = `${folder}/main.js`;
    const external = fullOnly.filter(({ name }) => name === ORT).map((ort) =>
      `npm:${ort.name}@${ort.version}`
    );
    await deno(
      ...["bundle", "--platform", "deno", "--minify", "--sourcemap=external"],
      ...external.flatMap((name) => ["--external", name]),
      ...["-o", out, "main.ts"],
    );
    const { sources } = JSON.parse(await Deno.readTextFile(`${out}.map`)) as { sources: string[] };
    const files = sources.map((source) => normalize(`${folder}/${source}`));
    return new Set(
      everywhere.filter(({ localPath }) => files.some((file) => file.startsWith(`${localPath}/`))),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function deno(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  if (!success) throw new Error(`deno ${args[0]} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function npmLine({ name, version, localPath }: NpmPackage): Promise<string> {
  if (localPath === undefined) {
    throw new Error("this Deno does not tell where packages lie, wanted 2.9 or newer");
  }
  const { license } = JSON.parse(await Deno.readTextFile(`${localPath}/package.json`)) as {
    license?: string;
  };
  return line("npm", name, version, license ?? "none named", await bytesIn(localPath));
}

async function bytesIn(folder: string): Promise<number> {
  let sum = 0;
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    if (isDirectory) sum += await bytesIn(`${folder}/${name}`);
    else if (isFile) sum += (await Deno.stat(`${folder}/${name}`)).size;
  }
  return sum;
}

/** Libraries of one processor, from the manifest that the build puts inside. */
async function nativeLines(triple: string): Promise<string[]> {
  const folder = `${ROOT}native/${triple}`;
  const manifest = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`)) as {
    readonly package: string;
    readonly files: Readonly<Record<string, string>>;
  };
  const version = manifest.package.slice(manifest.package.lastIndexOf("@") + 1);
  const libraries = Object.keys(manifest.files).filter((file) => file.endsWith(".so"));
  return await Promise.all(libraries.map(async (file) => {
    const { size } = await Deno.stat(`${folder}/${file}`);
    return line("native", file, version, "MIT", size);
  }));
}

const line = (kind: string, name: string, version: string, licence: string, bytes: number): string =>
  `${kind.padEnd(7)}${name.padEnd(36)} ${version.padEnd(26)} ${licence.padEnd(20)} ${
    String(bytes).padStart(10)
  }`;

async function main(): Promise<string> {
  const reached = reachedPackages(await readGraph());
  const { everywhere, fullOnly } = reached;
  const inside = await bundled(reached);
  const lines = (packages: readonly NpmPackage[]) => Promise.all(packages.map(npmLine));
  const native = await Promise.all(TRIPLES.map(nativeLines));
  return [
    "What ships. Written by: deno run -A scripts/dependencies.ts > dependencies.txt",
    "Columns: kind, name, version, licence, bytes unpacked",
    "",
    "# Runtime: the newest Deno where its own download is in reach, else Deno 2.6.10 (MIT; V8 inside: BSD-3-Clause)",
    "",
    "# npm packages of which something is in every binary",
    ...await lines(everywhere.filter((each) => inside.has(each))),
    "",
    "# npm packages that those ask for and of which nothing is left in the bundle",
    ...await lines(everywhere.filter((each) => !inside.has(each))),
    "",
    "# npm packages only in the full flavour (libraries of the binary's own processor)",
    ...await lines(fullOnly),
    ...TRIPLES.flatMap((
      triple,
      i,
    ) => ["", `# ggml 0.25.1 for ${triple}, built by node-llama-cpp`, ...native[i]!]),
    "",
  ].join("\n");
}

if (import.meta.main) {
  const print = (to: { writeSync(bytes: Uint8Array): number }, text: string) =>
    to.writeSync(new TextEncoder().encode(text));
  try {
    print(Deno.stdout, await main());
  } catch (error) {
    print(Deno.stderr, `dependencies: ${error instanceof Error ? error.message : error}\n`);
    Deno.exit(1);
  }
}
