import { assert, assertEquals, assertMatch } from "@std/assert";
import type { EnergyDocument, SourceDocument } from "../../src/api/energy.ts";
import { energyCheck } from "../../src/cli/check_energy.ts";
import { diagnosisLines, examine } from "../../src/cli/doctor.ts";
import { energyLines, headline } from "../../src/cli/energy_lines.ts";
import { Output } from "../../src/cli/output.ts";
import { run } from "../../src/cli/run.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const recorded = new URL("../vectors/energy/sysfs/", import.meta.url).pathname;
const never = new AbortController().signal;

async function ask(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const sink = (name: "out" | "err") => ({
    writeSync(bytes: Uint8Array) {
      said[name] += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  await using data = await temporaryFolder();
  const code = await run([...args, "--data-dir", data.path], new Output(sink("out"), sink("err")));
  return { code, ...said };
}

const source = (change: Partial<SourceDocument>): SourceDocument => ({
  id: "rapl:package-0",
  kind: "measured",
  scope: "package",
  watts: 12,
  joules: 12,
  uncertainty: 0.05,
  state: "ok",
  counted: true,
  ...change,
});
const document = (change: Partial<EnergyDocument>): EnergyDocument => ({
  schema: 1,
  node: {
    watts: 12,
    joules: 7200,
    kind: "measured",
    scope: "package",
    source: "rapl:package-0",
    uncertainty: 0.05,
    coverage: 0.9,
  },
  sources: [source({})],
  tokens: 10,
  idleWatts: 3,
  ...change,
});
const NONE: EnergyDocument["node"] = {
  watts: null,
  joules: null,
  kind: "none",
  scope: null,
  source: null,
  uncertainty: null,
  coverage: 0,
};

Deno.test("energy opens the sensors itself under roots that are given, and answers in JSON", async () => {
  const { code, out } = await ask(
    "energy",
    "--json",
    "--for",
    "0.5",
    "--sysfs",
    `${recorded}constructed/jetson-orin-nano`,
  );
  assertEquals(code, 0);
  const said: EnergyDocument = JSON.parse(out);
  assertEquals([said.schema, said.node.kind, said.node.scope, said.node.source], [
    1,
    "measured",
    "board",
    "jetson:VDD_IN",
  ]);
  assert(Math.abs(said.node.watts! - 5.072 * 0.968) < 1e-3);
  assertEquals(said.sources.filter(({ counted }) => counted).map(({ id }) => id), ["jetson:VDD_IN"]);
  assertEquals([said.accounts, said.joulesPerToken, said.tokens], [undefined, undefined, 0]);
});

Deno.test("energy says that there is no sensor, with null and not 0, and what to do", async () => {
  await using empty = await temporaryFolder();
  const json = await ask("energy", "--json", "--for", "0.2", "--sysfs", empty.path);
  assertEquals([json.code, JSON.parse(json.out).node], [0, NONE]);
  const { out } = await ask("energy", "--for", "0.2", "--sysfs", empty.path);
  assertMatch(out, /^No sensor: a metering plug can be named/);
});

Deno.test("energy --for and --watch take seconds only", async () => {
  for (
    const [flag, value] of [["--for", "soon"], ["--for", "0"], ["--watch", "-1"], ["--watch", "1e9"]] as const
  ) {
    const { code, err } = await ask("energy", `${flag}=${value}`);
    assertEquals(code, 2, `${flag} ${value}`);
    assertMatch(err, /wanted seconds from 0\.1 to 86400/);
  }
});

Deno.test("energyLines tell figure, gaps, accounts and tokens in words that promise no more than is known", () => {
  const lines = energyLines(document({
    accounts: { serve: 200, idle: 6000, other: 1000 },
    joulesPerToken: { dynamic: 20, full: 720 },
  }));
  assertEquals(
    lines[0],
    "12.00 W of the processor (not the whole machine), measured, ±5 %, by rapl:package-0",
  );
  assert(lines.includes("Since the start  2.000 Wh, 90 % of the time measured"), lines.join("\n"));
  assert(lines.includes("For a token      720.000 J, 20.000 J over idle (10 tokens)"));
  assertMatch(lines.at(-1)!, /^ \* rapl:package-0 +12\.00 W/);
  assertEquals(
    headline(document({ node: { ...NONE }, sources: [source({ state: "denied" })] })),
    "No sensor: some may not be read: see below what to do",
  );
});

Deno.test("doctor lists what is denied with its cure, and fails then", async () => {
  const reason =
    "Cannot read /sys/x: permission denied, wanted a readable file: only root may read it; put a rule";
  const energy = document({
    node: NONE,
    sources: [
      source({ state: "denied", reason, watts: null, counted: false }),
      source({ id: "hwmon", state: "absent" }),
    ],
  });
  const found = await examine([energyCheck], { energy, isRunning: false } as never, never);
  assertEquals(found.map(({ severity }) => severity), ["warn", "fail", "info"]);
  assertEquals(
    found[1]!.says,
    "rapl:package-0: Cannot read /sys/x: permission denied, wanted a readable file",
  );
  assertEquals(found[1]!.cure, "only root may read it; put a rule");
  assertMatch(diagnosisLines(found).join("\n"), /FAIL +energy: rapl.*\n +→ only root/);
});

Deno.test("doctor works without a node, in JSON and in words, and a check that throws spoils nothing", async () => {
  const { code, out } = await ask("doctor", "--json", "--sysfs", `${recorded}intel-thinkpad-procfs`);
  assertEquals(code, 0);
  const { running, found } = JSON.parse(out);
  assertEquals([running, found[0].severity], [false, "ok"]);
  const broken = {
    name: "broken",
    run: () => {
      throw new Error("oops");
    },
  };
  const said = await examine([broken, energyCheck], { energy: document({}) } as never, never);
  assertEquals(said[0], { check: "broken", severity: "fail", says: "the check itself failed: oops" });
  assert(said.length > 1);
});
