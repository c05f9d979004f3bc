import { assert, assertEquals, assertMatch } from "@std/assert";
import type { EnergyDocument, SourceDocument } from "../../src/api/energy.ts";
import { completionVerb } from "../../src/cli/completion.ts";
import { energyVerb } from "../../src/cli/energy.ts";
import { energyLines, headline, sayEnergy } from "../../src/cli/energy_lines.ts";
import { Output } from "../../src/cli/output.ts";
import { parseInvocation } from "../../src/cli/parse.ts";
import { run } from "../../src/cli/run.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";

const recorded = new URL("../vectors/energy/sysfs/", import.meta.url).pathname;

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

Deno.test("energy tells of every recorded tree a figure with its source, or nulls", async () => {
  const trees = ["intel-thinkpad-procfs", "kepler-cases"];
  for await (const { name } of Deno.readDir(`${recorded}constructed`)) trees.push(`constructed/${name}`);
  assert(trees.length >= 8);
  for (const tree of trees) {
    const roots = ["--sysfs", `${recorded}${tree}`, "--procfs", "/nonexistent"];
    const { code, out } = await ask("energy", "--json", "--for", "0.2", ...roots);
    assertEquals(code, 0, tree);
    const { node, sources }: EnergyDocument = JSON.parse(out);
    const counted = sources.filter((source) => source.counted);
    assertEquals(counted.map(({ id }) => id).join("+"), node.source ?? "", tree);
    assertEquals(counted.every(({ state }) => state === "ok"), true, tree);
    assertEquals([node.kind === "none", node.scope], [node.watts === null, counted[0]?.scope ?? null], tree);
    for (const { state, watts, joules, reason } of sources) {
      if (state === "ok") continue;
      assertEquals([watts, joules, typeof reason], [null, null, "string"], tree);
    }
  }
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

Deno.test("energy refuses flags that would do nothing", async () => {
  for (
    const [args, cure] of [
      [["--from", "2026-11-01"], "kwaainet energy export"],
      [["--format=csv"], "kwaainet energy export"],
      [["export", "--watch"], "kwaainet energy without export"],
    ] as const
  ) {
    const { code, err } = await ask("energy", ...args);
    assertEquals(code, 2);
    assertMatch(err, new RegExp(`it has no meaning here, wanted ${cure}`));
  }
});

Deno.test("energy --watch samples the sensors itself where no node runs, until nobody reads", async () => {
  await using data = await temporaryFolder();
  let lines = "";
  const sink = {
    writeSync(bytes: Uint8Array) {
      if (lines.split("\n").length > 3) throw new Deno.errors.BrokenPipe();
      lines += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  };
  const args = [
    "--watch=0.1",
    "--json",
    "--data-dir",
    data.path,
    "--set",
    `sysfs=${recorded}constructed/jetson-orin-nano`,
  ];
  assertEquals(await run(["energy", ...args], new Output(sink, sink)), 130);
  const told = lines.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    told.map(({ event, node }) => [event, node.source]),
    Array(3).fill(["energy", "jetson:VDD_IN"]),
  );
});

Deno.test("completion knows what energy takes", async () => {
  const completed = async (shell: string) => {
    let text = "";
    const sink = {
      writeSync: (bytes: Uint8Array) => (text += new TextDecoder().decode(bytes), bytes.length),
    };
    const output = new Output(sink, sink);
    await completionVerb(() => [energyVerb]).run({
      words: [shell],
      flags: new Map(),
      environment: {},
      output,
    });
    return text;
  };
  const words = (await completed("bash")).match(/ energy\) words="(.*)"/)![1]!.split(" ");
  assertEquals(["export", "--watch", "--format"].filter((word) => !words.includes(word)), []);
  assertMatch(await completed("fish"), / -l watch -d /);
});

Deno.test("energy --watch needs no number", () => {
  for (const args of [["--watch"], ["--watch", "--json"], ["--watch=5"]]) {
    const { flags } = parseInvocation(energyVerb, args);
    assertEquals(flags.get("watch"), args[0] === "--watch=5" ? "5" : "2");
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
    "No sensor: some may not be read: kwaainet doctor tells what to do",
  );
});

Deno.test("energyLines list what is there in columns, what is absent in one line, and let no name command a terminal", () => {
  const lines = energyLines(document({
    sources: [
      source({ id: "hwmon:a\x1b[2J\nb/VDD_CPU_GPU_CV" }),
      source({ id: "battery", counted: false, state: "denied", watts: null, reason: "why; do so" }),
      source({ id: "nvml", state: "absent" }),
      source({ id: "model", state: "absent" }),
    ],
  }));
  assertEquals(lines.slice(-4), [
    "Sources",
    " * hwmon:a?[2J?b/VDD_CPU_GPU_CV    12.00 W  measured, package     ok",
    "   battery                               -  measured, package     denied  why",
    "Not here         nvml, model",
  ]);
});

Deno.test("energyLines keep grams of different methods apart, and name whose data it is", () => {
  const carbon: NonNullable<EnergyDocument["carbon"]> = {
    zone: "DE",
    intensity: 321.4,
    method: "lifecycle",
    quality: "yearly",
    provider: "table",
    atMs: null,
    uncertainty: 0.3,
    renewableRatio: 0.5,
    attribution: "Somebody, CC BY 4.0",
    reason: null,
    marginalIntensity: null,
    gramsLocation: null,
    location: [{ method: "lifecycle", grams: 1.5, joules: 9 }, {
      method: "operational",
      grams: 2,
      joules: 9,
    }],
    gramsMarket: 0.25,
    localJoules: 0,
    unpricedJoules: 0,
    sci: null,
  };
  const told = (change: Partial<typeof carbon>) =>
    energyLines(document({ carbon: { ...carbon, ...change } })).filter((line) => line.startsWith("Carbon"));
  assertEquals(told({}), [
    "Carbon           321 g/kWh in DE (yearly, lifecycle); data: Somebody, CC BY 4.0",
    "Carbon           1.500 gCO2e since the start, location-based (lifecycle)",
    "Carbon           2.000 gCO2e since the start, location-based (operational)",
    "Carbon           0.250 gCO2e since the start, market-based",
  ]);
  assertEquals(told({ intensity: null, reason: "no zone is set", location: [], gramsMarket: null }), [
    "Carbon           of the grid not known: no zone is set",
  ]);
});

/** What `sayEnergy` writes for two documents. */
function saidBy(
  saying: { readonly json: boolean; readonly everyMs: number | undefined },
  isTerminal: boolean,
) {
  let text = "";
  const sink = {
    writeSync: (bytes: Uint8Array) => (text += new TextDecoder().decode(bytes), bytes.length),
    isTerminal: () => isTerminal,
  };
  const say = sayEnergy(new Output(sink, sink), fakeWorld().clock, saying);
  say(document({}));
  say(document({ node: NONE, sources: [] }));
  return text;
}

Deno.test("sayEnergy writes one object a line, with event and time where it goes on", () => {
  const once = saidBy({ json: true, everyMs: undefined }, true).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(once, [document({}), document({ node: NONE, sources: [] })]);
  const [first] = saidBy({ json: true, everyMs: 2000 }, true).split("\n").map((line) =>
    JSON.parse(line || "{}")
  );
  assertEquals(first, { event: "energy", at: 1_700_000_000_000, ...document({}) });
});

Deno.test("sayEnergy appends lines with their time where nobody looks", () => {
  assertEquals(saidBy({ json: false, everyMs: 2000 }, false).split("\n"), [
    "2023-11-14T22:13:20Z  12.00 W of the processor (not the whole machine), measured, ±5 %, by rapl:package-0, 2.000 Wh since the start",
    "2023-11-14T22:13:20Z  No sensor: a metering plug can be named in energy.meters, or the board's power in " +
    "energy.model_idle_watts and energy.model_load_watts",
    "",
  ]);
});

Deno.test("sayEnergy writes over what it said before on a terminal, which is cleared once", () => {
  const text = saidBy({ json: false, everyMs: 500 }, true);
  const [nothing, first, second, ...rest] = text.split("\x1b[H");
  assertEquals([nothing, rest], ["\x1b[2J", []]);
  for (const page of [first!, second!]) {
    assert(page.endsWith("\nEvery 0.5 s; Ctrl-C ends it\x1b[K\n\x1b[J"), page);
    assertEquals(page.split("\n").slice(0, -1).every((line) => line.endsWith("\x1b[K")), true);
  }
});
