/**
 * Bundles the program and compiles it into one file per processor.
 *
 *   deno task build [--target x86_64|aarch64|all] [--flavor default|full]
 *     --target   which processors (default: this machine's)
 *     --flavor   default: ggml inside; full: onnxruntime-node as well (larger)
 *
 * Products: dist/kwaainet-x86_64, dist/kwaainet-aarch64 (full: dist/kwaainet-full-…), each beside a `.files.json` with the
 * sums of what is inside. The runtime put into them is, in this order: the file that DENORT_BIN names (one target); the
 * one of the Deno that runs this script, where Deno's own download site can be reached; the 2.6.10 pair of
 * scripts/denort.sh, compiled with its own Deno. Which one it was is printed.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fileURLToPath } from "node:url";

type Arch = "x86_64" | "aarch64";
type Flavor = "default" | "full";

/** The tools of one build. */
interface Runtime {
  readonly deno: string;
  readonly env: Readonly<Record<string, string>>;
  readonly words: string;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = `${root}dist`;
const ORT = "npm:onnxruntime-node@1.27.0";
/** What a user downloads at most (docs/benchmarks.md). */
const MAX_DEFAULT_BYTES = 110_000_000;
const say = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));

async function capture(
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(command[0]!, {
    args: command.slice(1),
    cwd: root,
    env,
    stdin: "null",
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout) : undefined;
}

async function must(command: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { success, stderr } = await new Deno.Command(command[0]!, {
    args: command.slice(1),
    cwd: root,
    env: { RUST_BACKTRACE: "0", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  say(new TextDecoder().decode(stderr));
  throw new Error(`Cannot build: ${command.slice(0, 3).join(" ")} … failed`);
}

const tripleOf = (arch: Arch) => `${arch}-unknown-linux-gnu`;

/** The runtime to compile with. */
async function chooseRuntime(arch: Arch): Promise<Runtime> {
  const named = Deno.env.get("DENORT_BIN");
  if (named !== undefined) {
    return { deno: Deno.execPath(), env: { DENORT_BIN: named }, words: `the runtime ${named}` };
  }
  const probe = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${probe}/a.js`, "0");
    const command = [
      Deno.execPath(),
      "compile",
      "--no-config",
      "--target",
      tripleOf(arch),
      "-o",
      `${probe}/a`,
      `${probe}/a.js`,
    ];
    if (await capture(command) !== undefined) {
      return { deno: Deno.execPath(), env: {}, words: `Deno ${Deno.version.deno}, its own download` };
    }
  } finally {
    await Deno.remove(probe, { recursive: true });
  }
  return await pair(arch);
}

async function pair(arch: Arch): Promise<Runtime> {
  const cache = Deno.env.get("KWAAI_CACHE");
  const where = cache === undefined ? [] : ["--dir", `${cache}/denort-2.6.10`];
  const answer = await capture(["bash", "scripts/denort.sh", "--json", ...where]);
  if (answer === undefined) {
    throw new Error(
      "Cannot build: Deno's own download site is out of reach and scripts/denort.sh failed; run it to see why",
    );
  }
  const paths = JSON.parse(answer) as Record<string, string>;
  return {
    deno: paths.DENO!,
    env: { DENORT_BIN: paths[`DENORT_${arch.toUpperCase()}`]! },
    words: "the Deno 2.6.10 pair of scripts/denort.sh",
  };
}

/** Bundles the program into dist/main.js, the commit written into it. */
async function bundle(): Promise<string> {
  const commit = (await capture(["git", "rev-parse", "--short=12", "HEAD"]))?.trim() ?? "unknown";
  const changed = await capture(["git", "status", "--porcelain", "--untracked-files=no"]);
  const name = changed === undefined || changed === "" ? commit : `${commit}-changed`;
  await must([
    Deno.execPath(),
    "bundle",
    "--platform",
    "deno",
    "--minify",
    "--external",
    ORT,
    "-o",
    "dist/main.js",
    "main.ts",
  ]);
  const text = await Deno.readTextFile(`${dist}/main.js`);
  if (!text.includes("@KWAAINET_COMMIT@")) {
    throw new Error("Cannot build: the bundle has no place for the commit");
  }
  await Deno.writeTextFile(`${dist}/main.js`, text.replaceAll("@KWAAINET_COMMIT@", name));
  say(`bundle dist/main.js: ${mega(text.length)} MB, commit ${name}`);
  return name;
}

const mega = (bytes: number) => (bytes / 1e6).toFixed(1);

async function compile(arch: Arch, flavor: Flavor): Promise<void> {
  const triple = tripleOf(arch);
  await must([Deno.execPath(), "run", "-A", "scripts/native_libraries.ts", "--arch", arch]);
  const runtime = await chooseRuntime(arch);
  const product = `${dist}/kwaainet-${flavor === "full" ? "full-" : ""}${arch}`;
  const extra = flavor === "full" ? await ortFlags(runtime.deno, arch) : [];
  await must([
    runtime.deno,
    "compile",
    "-A",
    "--no-config",
    // a request's signal aborts when its caller leaves, not when it was answered; newer runtimes warn without it
    "--unstable-no-legacy-abort",
    "--no-check",
    "--no-code-cache",
    "--target",
    triple,
    "--include",
    `native/${triple}`,
    ...extra,
    "-o",
    product,
    "dist/main.js",
  ], runtime.env);
  const { size } = await Deno.stat(product);
  say(`${product.slice(root.length)}: ${mega(size)} MB, ${runtime.words}`);
  if (flavor === "default" && size > MAX_DEFAULT_BYTES) {
    throw new Error(`Cannot build: ${product} has ${size} bytes, the most is ${MAX_DEFAULT_BYTES}`);
  }
  await writeFileList(product, triple);
}

/** Flags that put onnxruntime-node inside, for this processor only. */
async function ortFlags(deno: string, arch: Arch): Promise<string[]> {
  const npm = JSON.parse(await capture([deno, "info", "--json"]) ?? "{}").npmCache as string;
  const flags: string[] = [];
  await must([deno, "cache", "--no-config", ORT]);
  const own = arch === "x86_64" ? "x64" : "arm64";
  for await (const registry of Deno.readDir(npm)) {
    const bin = `${npm}/${registry.name}/onnxruntime-node/1.27.0/bin/napi-v6`;
    for (const other of ["win32", "darwin", `linux/${own === "x64" ? "arm64" : "x64"}`]) {
      if (await exists(`${bin}/${other}`)) flags.push("--exclude", `${bin}/${other}`);
    }
  }
  // The program names the package in a variable only; this import is what brings it in
  await Deno.writeTextFile(`${dist}/with_onnxruntime.js`, `import ${JSON.stringify(ORT)};\n`);
  return ["--include", "dist/with_onnxruntime.js", ...flags];
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function writeFileList(product: string, triple: string): Promise<void> {
  const files: Record<string, { sha256: string; bytes: number }> = {};
  const add = async (name: string, path: string) => {
    const bytes = await Deno.readFile(path);
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    files[name] = { sha256: sum.toHex(), bytes: bytes.length };
  };
  await add(product.slice(dist.length + 1), product);
  await add("main.js", `${dist}/main.js`);
  for await (const entry of Deno.readDir(`${root}native/${triple}`)) {
    await add(`native/${entry.name}`, `${root}native/${triple}/${entry.name}`);
  }
  await Deno.writeTextFile(`${product}.files.json`, JSON.stringify(files, null, 2) + "\n");
}

function targets(text: string): Arch[] {
  if (text === "all") return ["x86_64", "aarch64"];
  if (text === "x86_64" || text === "aarch64") return [text];
  throw new Error(`Cannot build for ${JSON.stringify(text)}: wanted x86_64, aarch64 or all`);
}

if (import.meta.main) {
  const flags = parseArgs(Deno.args, {
    string: ["target", "flavor"],
    default: { target: Deno.build.arch, flavor: "default" },
  });
  try {
    if (flags.flavor !== "default" && flags.flavor !== "full") {
      throw new Error(`Cannot build flavor ${JSON.stringify(flags.flavor)}: wanted default or full`);
    }
    const wanted = targets(String(flags.target));
    await Deno.mkdir(dist, { recursive: true });
    await bundle();
    for (const arch of wanted) await compile(arch, flags.flavor);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
