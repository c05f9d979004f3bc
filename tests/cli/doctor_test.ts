import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type EnergyDocument, energyDocument, type SourceDocument } from "../../src/api/energy.ts";
import { energyCheck } from "../../src/cli/check_energy.ts";
import { nodeCheck } from "../../src/cli/check_node.ts";
import { supplyCheck } from "../../src/cli/check_supply.ts";
import { type CheckContext, type Diagnosis, findingOf } from "../../src/cli/checks.ts";
import { diagnosisLines, examine } from "../../src/cli/doctor.ts";
import { findBatteries } from "../../src/energy/sources/battery.ts";
import { findRapl } from "../../src/energy/sources/rapl.ts";
import { openMeter } from "../../src/energy/meter.ts";
import type { Finding } from "../../src/energy/types.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";

const never = new AbortController().signal;

/** What checks are told where only this is of interest. */
const context = (part: Partial<CheckContext>): CheckContext =>
  ({ world: fakeWorld(), ...part }) as CheckContext;
const energyWith = (
  sources: readonly Partial<SourceDocument>[],
  node: Partial<EnergyDocument["node"]> = {},
): EnergyDocument => ({
  schema: 1,
  node: {
    watts: null,
    joules: null,
    kind: "none",
    scope: null,
    source: null,
    uncertainty: null,
    coverage: 0,
    ...node,
  },
  sources: sources.map((source) => ({
    id: "x",
    kind: "measured",
    scope: "package",
    watts: null,
    joules: null,
    uncertainty: null,
    state: "ok",
    counted: false,
    ...source,
  })),
  tokens: 0,
  idleWatts: null,
});
const severities = (found: readonly Diagnosis[]) => found.map(({ severity }) => severity);

/** What the check of sensors says of `findings`, as the meter hands them on. */
async function diagnosed(findings: readonly Finding[]): Promise<Diagnosis[]> {
  await using meter = openMeter(fakeWorld(), findings);
  return await energyCheck.run(context({ energy: energyDocument(meter.snapshot()) }), never);
}

Deno.test("doctor tells of all that udev can open at once, in lines that can be pasted", async () => {
  const files = new FakeFiles({
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "5",
    "class/powercap/intel-rapl:0:0/name": "core",
    "class/powercap/intel-rapl:0:0/energy_uj": "5",
    "class/power_supply/BAT0/type": "Battery",
    "class/power_supply/BAT0/status": "Discharging",
    "class/power_supply/BAT0/power_now": "5000000",
  });
  for (const path of files.paths) if (/energy_uj|power_now/.test(path)) files.deny(path);
  const found = await diagnosed([...findRapl(fakeWorld(), files), ...findBatteries(fakeWorld(), files)]);
  assertEquals(severities(found), ["warn", "fail"]);
  assertStringIncludes(found[0]!.cure!, "let the sensors below be read");
  const { says, cure } = found[1]!;
  assertEquals(
    says.split("\n").map((line) => line.split(": ")[0]),
    [
      "rapl:package-0",
      "rapl:package-0/core",
      "power_supply:BAT0",
    ].map((id) => id.split(": ")[0]),
  );
  assertMatch(says, /^rapl:package-0: Cannot read \S+energy_uj: permission denied, wanted a readable file$/m);
  const lines = cure!.split("\n");
  assertEquals(lines.slice(1, 4), [
    "sudo groupadd -f kwaainet-sensors",
    'sudo usermod -aG kwaainet-sensors "$USER"',
    'echo \'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", RUN+="/usr/bin/chgrp kwaainet-sensors /sys%p/energy_uj", ' +
    'RUN+="/usr/bin/chmod g+r /sys%p/energy_uj"\' | sudo tee -a /etc/udev/rules.d/90-kwaainet.rules',
  ]);
  assertEquals(lines.slice(-3), [
    "sudo udevadm control --reload",
    "sudo udevadm trigger -s powercap",
    "sudo udevadm trigger -s power_supply",
  ]);
  assertEquals(lines.length, 8);
});

Deno.test("docs/energy.md has the lines that doctor prints for RAPL", async () => {
  const files = new FakeFiles({
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "5",
  });
  files.deny("/sys/class/powercap/intel-rapl:0/energy_uj");
  const [, denied] = await diagnosed(findRapl(fakeWorld(), files));
  const [, ...lines] = denied!.cure!.split("\n");
  const text = await Deno.readTextFile(new URL("../../docs/energy.md", import.meta.url));
  assertStringIncludes(text, `\n${lines.join("\n")}\n`);
});

Deno.test("doctor hands a shell whatever a chip is called as a word and not as a command", async () => {
  const reason =
    `Cannot read x: permission denied; let it be read: SUBSYSTEM=="hwmon", ATTR{name}=="a'; rm -rf /", RUN+="/usr/bin/chgrp g /sys%p/x"`;
  const [, { cure }] = await energyCheck.run(
    context({ energy: energyWith([{ state: "denied", reason }]) }),
    never,
  ) as [Diagnosis, Diagnosis];
  const line = cure!.split("\n").find((line) => line.startsWith("echo "))!.replace(/ \| sudo tee.*$/, "");
  const { stdout } = await new Deno.Command("sh", { args: ["-c", line] }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), reason.slice(reason.indexOf("SUBSYSTEM")));
});

Deno.test("doctor tells other cures for what is denied, one of each, and what is broken or absent", async () => {
  const cure = "let this user open /dev/vcio (sudo usermod -aG video USER)";
  const found = await energyCheck.run(
    context({
      energy: energyWith([
        {
          id: "pi5-pmic",
          state: "denied",
          reason: `Cannot ask: /dev/vcio may not be opened; Cannot run x; ${cure}`,
        },
        { id: "nvml:0", state: "denied", reason: "Cannot read by NVML: no permission; Cannot y" },
        { id: "shelly:a", state: "error", reason: "it answered 401, wanted a password (energy.secrets)" },
        { id: "rapl", state: "absent" },
        { id: "hwmon", state: "absent" },
      ], { kind: "measured", scope: "package", watts: 3, source: "z" }),
    }),
    never,
  );
  assertEquals(severities(found), ["info", "fail", "fail", "warn", "info"]);
  assertEquals(found.slice(1, 3).map(({ says, cure }) => [says, cure]), [
    ["pi5-pmic: Cannot ask: /dev/vcio may not be opened; Cannot run x", cure],
    ["nvml:0: Cannot read by NVML: no permission; Cannot y", "run the node as a user who may read it"],
  ]);
  assertEquals(found.at(-1)!.says, "no sensors of these kinds: rapl, hwmon");
  assertEquals(diagnosisLines(found.slice(1, 2)), [
    "FAIL  energy: pi5-pmic: Cannot ask: /dev/vcio may not be opened; Cannot run x",
    `      → ${cure}`,
  ]);
});

Deno.test("doctor says what to buy or to measure where nothing tells", async () => {
  const [found] = await energyCheck.run(context({ energy: energyWith([]) }), never);
  assertEquals(found!.severity, "warn");
  assertMatch(found!.cure!, /^use a metering plug .*energy\.meters=shelly.*energy\.model_idle_watts/);
});

Deno.test("doctor tells what to do about a meter that does not answer", async () => {
  const away = {
    id: "shelly:10.0.0.9",
    state: "error",
    reason: "Cannot read it: no route, wanted an answer",
  };
  const found = await energyCheck.run(context({ energy: energyWith([away as never]) }), never);
  const meter = found.find(({ says }) => says.startsWith("shelly"));
  assertMatch(meter!.cure!, /see that it is switched on.*energy\.meters/);
});

Deno.test("doctor names a supply that is too weak, and says nothing where no machine tells", async () => {
  await using folder = await temporaryFolder();
  const look = () =>
    supplyCheck.run(
      { world: fakeWorld(), settings: { config: { sysfs: folder.path, procfs: folder.path } } } as never,
      never,
    );
  assertEquals(await look(), []);
  const firmware = `${folder.path}/devices/platform/soc/soc:firmware`;
  await Deno.mkdir(firmware, { recursive: true });
  for (const [bits, severity] of [["50005", "fail"], ["50000", "ok"]] as const) {
    await Deno.writeTextFile(`${firmware}/get_throttled`, `${bits}\n`);
    assertEquals(severities(await look()), [severity]);
  }
});

Deno.test("doctor tells whether a node runs, answers and does all that was asked for", async () => {
  const settings = { paths: { root: "/data" } } as CheckContext["settings"];
  const look = (node: unknown) =>
    nodeCheck.run(context({ settings, node: node as CheckContext["node"] }), never);
  const status = {
    version: "1",
    uptimeSeconds: 5,
    readiness: { ready: true },
    degraded: [{ what: "a", why: "b" }],
  };
  assertEquals(severities(await look({ state: "none" })), ["info"]);
  assertEquals(severities(await look({ state: "silent", why: "no answer" })), ["fail"]);
  const running = await look({ state: "running", status });
  assertEquals([severities(running), running[1]!.says], [["ok", "warn"], "a: b"]);
  const taken = await nodeCheck.run(
    context({
      settings,
      node: { state: "running", status } as never,
      taken: "looked at with its own settings",
    }),
    never,
  );
  assertEquals(taken[1], { check: "node", severity: "info", says: "looked at with its own settings" });
  const starting = { ...status, readiness: { ready: false, reason: "loading" }, degraded: [] };
  assertEquals(severities(await look({ state: "running", status: starting })), ["warn"]);
});

Deno.test("a check of doctor that throws is told and spoils nothing", async () => {
  const broken = {
    name: "broken",
    run: () => {
      throw new Error("oops\x1b[2J");
    },
  };
  const found = await examine([broken, energyCheck], context({ energy: energyWith([]) }), never);
  assertEquals(found[0], {
    check: "broken",
    severity: "fail",
    says: "the check itself failed: oops\x1b[2J",
    cure: "this is a fault of the program: report it with these words",
  });
  assert(found.length > 1);
  assertEquals(diagnosisLines(found)[0], "FAIL  broken: the check itself failed: oops?[2J");
});

Deno.test("a check of doctor that takes too long is not known, and the others are told in their order", async () => {
  const world = fakeWorld();
  const slow = { name: "slow", limitMs: 3_000, run: () => new Promise<never>(() => {}) };
  const quick = { name: "quick", run: () => [{ check: "quick", severity: "ok", says: "fine" } as const] };
  const work = examine([slow, quick], context({ world }), never);
  await world.clock.advance(3_000);
  const found = await work;
  assertEquals(found.map(({ check, severity }) => [check, severity]), [["slow", "unknown"], ["quick", "ok"]]);
  assertMatch(found[0]!.says, /longer than 3 s/);
});

Deno.test("doctor --json tells the state in four words, and the cause beside what it always said", () => {
  const of = (severity: Diagnosis["severity"]) =>
    findingOf({ check: "x", severity, says: "why", cure: "so" });
  assertEquals(of("info"), {
    check: "x",
    severity: "info",
    says: "why",
    cure: "so",
    state: "ok",
    cause: "why",
  });
  assertEquals((["ok", "warn", "fail", "unknown"] as const).map((each) => of(each).state), [
    "ok",
    "warn",
    "fail",
    "unknown",
  ]);
});
