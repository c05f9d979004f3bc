/**
 * Fetches ggml's libraries for Linux and lays them out as `native/<triple>/`, each with a `manifest.json` of sums.
 *
 *   deno run -A scripts/native_libraries.ts [--arch x86_64,aarch64] [--from FOLDER] [--to FOLDER]
 *     --arch   which processors (default: both; the tests need this machine's)
 *     --from   folder that holds the packages already, as `npm pack` names them: nothing is fetched then
 *     --to     default: native/ beside this script's folder
 *
 * Source: npm packages of node-llama-cpp (MIT), built on Ubuntu 22.04; every file is checked against the sums below. Deno
 * fetches them, from the registry that it fetches everything else from. A second run checks the sums of what lies there.
 * Exit: 0 ok, 1 it failed.
 */
import { parseArgs } from "@std/cli/parse-args";

const VERSION = "3.22.1";

interface Package {
  readonly name: string;
  /** sha512, base64. */
  readonly integrity: string;
  readonly folder: string;
  /** File → sha256. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Variants are chosen to stay near 8 MB a processor. x64: baseline; SSE4.2 for the small Atoms without AVX; AVX2; AVX2
 * with VNNI (N100 and the like); AVX-512 with VNNI; the same with bfloat16. arm64: baseline; dot product and half
 * precision (Pi 5, RK3588, Orin); SVE and int8 products; SVE2. ggml picks the best one that the processor has.
 */
const PACKAGES: Readonly<Record<string, Package>> = {
  "x86_64-unknown-linux-gnu": {
    name: "@node-llama-cpp/linux-x64",
    integrity: "5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==",
    folder: "bins/linux-x64",
    files: {
      "libggml-base.so": "6c342c8aeb20cb31a18099d6f79de4de6703814d1cfd5c4d754a8643087e486e",
      "libggml.v0.5.0.so": "41cd5e6ad78b9f0af31a6f80d637d3168e75ff84db14c495de4d3d9c95607444",
      "libggml-cpu-x64.so": "1174c3c3e0b8722313df561d7ef5ece516a070732cec9b8ddda3667c0b959728",
      "libggml-cpu-sse42.so": "ec65053445506965db5dd9382d7ede084ba639edc55f77aaf73581c778969e02",
      "libggml-cpu-haswell.so": "ddaa96012769f0e86e8670cca374243751880bea2c2d0a4413b3a1b7a29dca74",
      "libggml-cpu-alderlake.so": "6527efda35405a0d91574aced4a7766db9bb0494ab6458c83fe9eba755eb76f7",
      "libggml-cpu-cascadelake.so": "97cace813fbf7b7a07c4793f6a75b8b2d3de256430620f0be4a15bd4372468ea",
      "libggml-cpu-zen4.so": "d84208de33fdadb8921a1a1a34342f5eceb1e58b83648be68050f7557312bd3e",
      "LICENSE": "c34e5ffca98ede216da5157cff6df2ee6762a48d3391797edb6593df24849501",
    },
  },
  "aarch64-unknown-linux-gnu": {
    name: "@node-llama-cpp/linux-arm64",
    integrity: "W+7naKCXX9/eEjjFmRS8vvx91QyLXDbeFxexZc3bh/PtQABZgmRL3C0AtYYXn4YGTj/3Qor4lWZn2tpjZFPLdQ==",
    folder: "bins/linux-arm64",
    files: {
      "libggml-base.so": "ef8a2f781f9fccc99a744166529e20f48ea4c850e35fbb38d88762691fea1da6",
      "libggml.v0.5.0.so": "c1c7b0c0d2d67863c7e0544dd7190bf0f0897c87ae3002efca5817bdda9b9b85",
      "libggml-cpu-armv8.0_1.so": "016d2bd41948f4989df8c06a1cb1f6a3ed5a2ead811bd95a4511a842260f2365",
      "libggml-cpu-armv8.2_2.so": "fe0312b22078d8215582ca9deb76d595257700a5d0c4cfc43a9a6ee93d828937",
      "libggml-cpu-armv8.6_1.so": "0fdfbb750748b9502cb5e90ff822415b30390de0b9c527c929087f36548d265e",
      "libggml-cpu-armv8.6_2.so": "5179873d30a2e55db5d8bb20e3c28d32c0a170fbac237cebcbc2f77b477c8946",
      "LICENSE": "c34e5ffca98ede216da5157cff6df2ee6762a48d3391797edb6593df24849501",
    },
  },
};

async function main(args: string[]): Promise<void> {
  const flags = parseArgs(args, { string: ["arch", "from", "to"] }) as Partial<Record<string, string>>;
  const to = flags["to"] ?? new URL("../native", import.meta.url).pathname;
  for (const arch of (flags["arch"] ?? "x86_64,aarch64").split(",")) {
    const triple = `${arch}-unknown-linux-gnu`;
    const wanted = PACKAGES[triple];
    if (wanted === undefined) {
      throw new Error(`Cannot fetch libraries for "${arch}", wanted x86_64 or aarch64`);
    }
    await layOut(wanted, `${to}/${triple}`, flags["from"]);
    print(Deno.stdout, `${to}/${triple}`);
  }
}

async function layOut(wanted: Package, folder: string, from: string | undefined): Promise<void> {
  if (await isComplete(wanted, folder)) return;
  const read = from === undefined ? await fetchPackage(wanted) : await openArchive(wanted, from);
  const fresh = await Deno.makeTempDir({ dir: await parentOf(folder), prefix: ".new-" });
  for (const [name, sum] of Object.entries(wanted.files)) {
    const bytes = await read(`${wanted.folder}/${name}`) ?? await read(name);
    if (bytes === undefined || await sumOf("SHA-256", bytes, "hex") !== sum) {
      throw new Error(
        `Cannot use ${wanted.name} ${VERSION}: ${name} is missing or has another sum than the pinned one`,
      );
    }
    await Deno.writeFile(`${fresh}/${name}`, bytes);
  }
  await Deno.writeTextFile(
    `${fresh}/manifest.json`,
    JSON.stringify({ package: `${wanted.name}@${VERSION}`, files: wanted.files }, undefined, 2) + "\n",
  );
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.chmod(fresh, 0o755);
  await Deno.rename(fresh, folder);
}

async function isComplete(wanted: Package, folder: string): Promise<boolean> {
  for (const [name, sum] of Object.entries(wanted.files)) {
    const bytes = await Deno.readFile(`${folder}/${name}`).catch(() => undefined);
    if (bytes === undefined || await sumOf("SHA-256", bytes, "hex") !== sum) return false;
  }
  return await exists(`${folder}/manifest.json`);
}

/** Files of a package by their path in it; `undefined` for those that it has not. */
type PackageReader = (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** Deno's cache after Deno has filled it: with packages of any processor, as nothing is installed. */
async function fetchPackage({ name }: Package): Promise<PackageReader> {
  print(Deno.stderr, `Fetching ${name}@${VERSION}`);
  const { modules } = await denoInfo(`npm:${name}@${VERSION}`);
  const failed = modules?.find(({ error }) => error !== undefined);
  const { npmCache } = await denoInfo();
  const root = npmCache && await findFolder(npmCache, `${name}/${VERSION}`, 4);
  if (!root) {
    throw new Error(`Cannot fetch ${name}@${VERSION}: ${failed?.error ?? "Deno has not stored it"}`);
  }
  return (path) => Deno.readFile(`${root}/${path}`).catch(() => undefined);
}

/** What we read of `deno info --json`. */
interface DenoInfo {
  readonly npmCache?: string;
  readonly modules?: readonly { readonly error?: string }[];
}

async function denoInfo(...what: string[]): Promise<DenoInfo> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-config", "--no-lock", ...what],
    // Mirrors may have a certificate that only the system knows
    env: { DENO_TLS_CA_STORE: Deno.env.get("DENO_TLS_CA_STORE") ?? "system,mozilla" },
    stdout: "piped",
    stderr: "inherit",
  });
  const { stdout } = await command.output();
  return JSON.parse(new TextDecoder().decode(stdout)) as DenoInfo;
}

/** The cache has a folder for each registry, below each other where its address has a path. */
async function findFolder(root: string, path: string, depth: number): Promise<string | undefined> {
  if (await exists(`${root}/${path}`)) return `${root}/${path}`;
  if (depth === 0) return undefined;
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    if (!isDirectory || name.startsWith("@")) continue;
    const found = await findFolder(`${root}/${name}`, path, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function openArchive(wanted: Package, from: string): Promise<PackageReader> {
  const path = `${from}/${wanted.name.replace("@", "").replace("/", "-")}-${VERSION}.tgz`;
  const archive = await Deno.readFile(path);
  if (await sumOf("SHA-512", archive, "base64") !== wanted.integrity) {
    throw new Error(`Cannot use ${path}: its sha512 is not the pinned one; delete it and try again`);
  }
  const files = await untar(archive);
  return (name) => Promise.resolve(files.get(`package/${name}`));
}

/** Regular files of a gzipped tar by name (POSIX ustar; names of these packages are short). */
async function untar(archive: Uint8Array<ArrayBuffer>): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const stream = new Blob([archive]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const text = (at: number, length: number) =>
    new TextDecoder().decode(bytes.subarray(at, at + length)).replace(/\0.*$/s, "");
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    if (!(size >= 0)) throw new Error("Cannot read a package: its tar is damaged");
    if (text(at + 156, 1) === "0") files.set(text(at, 100), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + 512 * Math.ceil(size / 512);
  }
  return files;
}

async function sumOf(
  algorithm: string,
  bytes: Uint8Array<ArrayBuffer>,
  form: "hex" | "base64",
): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest(algorithm, bytes));
  return form === "hex" ? digest.toHex() : digest.toBase64();
}

const print = (to: { writeSync(bytes: Uint8Array): number }, line: string) =>
  to.writeSync(new TextEncoder().encode(`${line}\n`));

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

async function parentOf(path: string): Promise<string> {
  const parent = path.slice(0, path.lastIndexOf("/"));
  await Deno.mkdir(parent, { recursive: true });
  return parent;
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    print(Deno.stderr, `native_libraries: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
