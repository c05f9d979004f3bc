/**
 * Runs the test suites one after another and closes with a line `N passed, N failed, N skipped`.
 * `ci.ts [SUITE…]` runs only those named. `setup.sh test` sets the environment: DENO (the newest runtime), DENO_OLD (the
 * runtime binaries are compiled with), KWAAI_PEERS_VENV, KWAAI_SMOLLM2.
 */
import { fileURLToPath } from "node:url";
import { LEAN_MALLOC } from "../src/compute/lean_malloc.ts";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  /** Why it cannot run here, if so. */
  readonly skip?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** A suite that is one thing, not a set of Deno tests. */
  readonly single?: boolean;
  readonly limitMinutes: number;
}
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const deno = Deno.env.get("DENO") ?? Deno.execPath();
const old = Deno.env.get("DENO_OLD");
const noOld = old === undefined ? "Deno 2.6.10 is missing" : undefined;
const noPeers = Deno.env.get("KWAAI_PEERS_VENV") === undefined
  ? "the real peers are not installed"
  : undefined;
const noBinary = noOld ??
  (Deno.build.arch !== "x86_64" ? "binaries are built and run on x86_64 hosts here" : undefined);
const binary = `${root}dist/kwaainet-x86_64`;
const UNIT = [
  "tests/base",
  "tests/config",
  "tests/identity",
  "tests/device",
  "tests/energy",
  "tests/policy",
  "tests/model",
  "tests/p2p",
  "tests/compute",
  "tests/dht",
  "tests/petals",
  "tests/text",
  "tests/api",
  "tests/node",
  "tests/cli",
  "tests/scripts",
];
const test = (runtime: string, ...rest: string[]) => [runtime, "test", "-A", "--no-check", ...rest];

const SUITES: readonly Suite[] = [
  { name: "check", command: [deno, "task", "check"], single: true, limitMinutes: 5 },
  { name: "docs", command: test(deno, "--doc", "src"), limitMinutes: 3 },
  // engines compute here as in their own process: with its settings for memory
  { name: "unit", command: test(deno, ...UNIT), env: LEAN_MALLOC, limitMinutes: 10 },
  { name: "unit-2.6.10", command: test(old ?? "", ...UNIT), env: LEAN_MALLOC, skip: noOld, limitMinutes: 12 },
  {
    name: "build",
    command: [deno, "task", "build", "--target", "all"],
    skip: noBinary,
    single: true,
    limitMinutes: 6,
  },
  {
    name: "e2e",
    command: test(deno, "tests/e2e"),
    skip: noBinary,
    env: { KWAAI_BINARY: binary },
    limitMinutes: 20,
  },
  {
    name: "e2e-source",
    command: test(
      deno,
      "tests/e2e/node_test.ts",
      "tests/e2e/serve_test.ts",
      "tests/e2e/text_test.ts",
      "tests/e2e/energy_test.ts",
      "tests/e2e/policy_test.ts",
    ),
    limitMinutes: 8,
  },
  {
    name: "interop",
    command: test(deno, "tests/interop"),
    skip: noPeers,
    env: { KWAAI_BINARY: binary },
    limitMinutes: 25,
  },
];

async function runSuite(suite: Suite): Promise<Counts> {
  if (suite.skip !== undefined) {
    say(`\n== ${suite.name}: skipped, ${suite.skip}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  say(`\n== ${suite.name}`);
  const junit = suite.single ? undefined : await Deno.makeTempFile({ suffix: ".xml" });
  const [program, ...args] = suite.command;
  const child = new Deno.Command(program!, {
    args: junit === undefined ? args : [args[0]!, `--junit-path=${junit}`, ...args.slice(1)],
    cwd: root,
    env: { ...suite.env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const late = setTimeout(() => {
    say(`${suite.name}: ended after ${suite.limitMinutes} minutes`);
    child.kill("SIGKILL");
  }, suite.limitMinutes * 60_000);
  const { success } = await child.status;
  clearTimeout(late);
  const counts = junit === undefined
    ? { passed: 0, failed: 0, skipped: 0 }
    : readJunit(await Deno.readTextFile(junit));
  if (junit !== undefined) await Deno.remove(junit);
  if (suite.single && success) counts.passed = 1;
  if (!success && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Counts of a JUnit report as Deno writes it; steps count as tests. */
export function readJunit(xml: string): Counts {
  const head = xml.match(/<testsuites[^>]*>/)?.[0] ?? "";
  const number = (name: string) => Number(head.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  const skipped = [...xml.matchAll(/<skipped/g)].length;
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));

if (import.meta.main) {
  const wanted = Deno.args.length === 0 ? SUITES : SUITES.filter((suite) => Deno.args.includes(suite.name));
  const unknown = Deno.args.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    say(`Unknown suite ${unknown.join(", ")}, wanted some of ${SUITES.map((s) => s.name).join(", ")}`);
    Deno.exit(2);
  }
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  for (const suite of wanted) {
    const started = performance.now();
    const counts = await runSuite(suite);
    for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    lines.push(
      `${
        suite.name.padEnd(12)
      } ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped  (${seconds} s)`,
    );
  }
  say(`\n${lines.join("\n")}\n`);
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  Deno.exit(total.failed === 0 ? 0 : 1);
}
