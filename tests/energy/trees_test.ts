/** Recorded and faithfully made sensor trees: the right total, scope and label on each. */
import { assert, assertEquals } from "@std/assert";
import { openSystemFiles } from "../../src/device/sysfs.ts";
import { chooseSources } from "../../src/energy/select.ts";
import { findBatteries } from "../../src/energy/sources/battery.ts";
import { findMonitors } from "../../src/energy/sources/monitors.ts";
import { findRapl } from "../../src/energy/sources/rapl.ts";
import type { EnergySource, Finding } from "../../src/energy/types.ts";
import { openTree, storedTree, storedTrees } from "../support/sysfs_tree.ts";
import { fakeWorld } from "../support/world.ts";

const recorded = new URL("../vectors/energy/sysfs/", import.meta.url).pathname;

/** Watts of what counts, by id; counters have none before they are read twice. */
type Counted = readonly (readonly [id: string, watts: number | "counter"])[];

interface Seen {
  readonly kind: string;
  readonly scope: string | undefined;
  readonly counted: Counted;
  readonly all: readonly string[];
  /** Findings that are no sources, as `state id`. */
  readonly told: readonly string[];
}

async function look(sysfs: string, boardSensors: readonly string[] = []): Promise<Seen> {
  const world = fakeWorld();
  const files = openSystemFiles({ sysfs, procfs: "/nowhere" });
  const findings = [
    ...findRapl(world, files),
    ...findMonitors(world, files, boardSensors),
    ...findBatteries(world, files),
  ];
  const sources = findings.flatMap((finding) => finding.state === "ok" ? [finding.source] : []);
  const current = sources.filter(({ channels }) => channels.every((channel) => channel.read() !== undefined));
  const relative = ({ channels }: EnergySource) =>
    Math.max(...channels.map(({ relativeUncertainty }) => relativeUncertainty));
  const { kind, scope, parts } = chooseSources(
    current.map((source) => ({ ...source, relativeUncertainty: relative(source) })),
  );
  const counted = parts.map(({ id }) => [id, wattsOf(sources.find((source) => source.id === id)!)] as const);
  for (const source of sources) await source[Symbol.asyncDispose]();
  return { kind, scope, counted, all: sources.map(({ id }) => id), told: findings.flatMap(tellOf) };
}

function wattsOf({ channels }: EnergySource): number | "counter" {
  if (channels.some(({ type }) => type === "counter")) return "counter";
  const microwatts = channels.reduce((sum, channel) => sum + channel.read()!.value, 0n);
  return Number(microwatts) / 1e6;
}

const tellOf = (finding: Finding): string[] =>
  finding.state === "ok" || finding.state === "absent" ? [] : [`${finding.state} ${finding.id}`];

const rapl0 = ["rapl:package-0", "counter"] as const;

/** What each stored tree gives. */
const EXPECTED: Readonly<Record<string, readonly [scope: string | undefined, counted: Counted]>> = {
  "acpi-error-value": [undefined, []],
  "acpi-server": ["board", [["hwmon:power_meter@ACPI000D:00/power1", 181]]],
  "acpi-wrong-unit": [undefined, []],
  "acpi-zero": ["package", [rapl0]],
  "adm1275-no-power": ["part", [["hwmon:adm1275@4-0010/pin1", 72]]],
  "amd-epyc-two-sockets": ["package", [rapl0, ["rapl:package-1", "counter"]]],
  "amd-threadripper-dies": ["package", [["rapl:package-0-die-0", "counter"]]],
  "aquacomputer": ["package", [rapl0]],
  "board-input-and-what-it-feeds": ["board", [["hwmon:ina3221@2-0040/12V_IN", 12]]],
  "board-label-of-chip": ["board", [["hwmon:ina231@3-0041/power1", 13.3]]],
  "board-labelled-inputs": ["board", [["hwmon:ina3221@2-0040/VIN1+hwmon:ina3221@2-0040/VIN2", 9]]],
  "corsair-psu": ["board", [["hwmon:corsairpsu@0003:1B1C:1C08.0004/power_total", 88]]],
  "epyc-amd-energy": ["package", [
    ["hwmon:amd_energy@amd_energy.0/Esocket0", "counter"],
    ["hwmon:amd_energy@amd_energy.0/Esocket1", "counter"],
  ]],
  "grace-hopper": ["package", [["hwmon:power_meter@hwmon1/power1", 171]]],
  "intel-arc-xe": ["package", [rapl0, ["hwmon:xe@0000:03:00.0/card", "counter"]]],
  "intel-client-mmio": ["package", [rapl0]],
  "intel-flex-i915": ["package", [rapl0, ["hwmon:i915@0000:b3:00.0/energy1", "counter"]]],
  "intel-server-dram": ["package", [
    rapl0,
    ["rapl:package-0/dram", "counter"],
    ["rapl:package-1", "counter"],
    ["rapl:package-1/dram", "counter"],
  ]],
  "intel-server-two-platforms": ["package", [rapl0, ["rapl:package-1", "counter"]]],
  "jetson-agx-orin": ["board", [["jetson:rails", 9.508352]]],
  "jetson-agx-xavier-jp4": ["board", [["jetson:rails", 7.549]]],
  "jetson-thor": ["board", [["jetson:VIN", 45.54]]],
  "jetson-tx2-jp4": ["board", [["jetson:VDD_IN", 2.437]]],
  "jetson-xavier-nx": ["board", [["jetson:VDD_IN", 3.9]]],
  "kria": ["board", [["hwmon:ina260_u14@1-0040/power1", 4.12]]],
  "laptop-two-batteries": ["board", [["battery", 9.1]]],
  "laptop-weak-charger": ["package", [rapl0]],
  "ltc2945": ["part", [["hwmon:ltc2945@5-006f/power1", 12]]],
  "ltc2947": ["part", [["hwmon:ltc2947@5-005c/energy1", "counter"]]],
  "ltc2992": ["part", [["hwmon:ltc2992@5-0067/power1", 12], ["hwmon:ltc2992@5-0067/power2", 10]]],
  "ltc2992-pairs": ["part", [["hwmon:ltc2992@5-0067/curr1", 12], ["hwmon:ltc2992@5-0067/curr2", 10]]],
  "ltc4260": ["part", [["hwmon:ltc4260@5-004b/curr1", 48]]],
  "ltc4282": ["part", [["hwmon:ltc4282@5-0042/Power", 30]]],
  "macbook-asahi": ["board", [["hwmon:macsmc_hwmon@macsmc-hwmon/Total_System_Power", 8.13]]],
  "max20730": ["part", [["hwmon:max20730@4-0011/pout1", 8]]],
  "max34440": ["part", [1, 2, 3, 4, 5, 6].map((n) => [`hwmon:max34440@4-0012/pout${n}`, n] as const)],
  "odroid-xu3": ["part", [
    ["hwmon:ina231@0-0040/power1", 2.4],
    ["hwmon:ina231@0-0041/power1", 0.216],
    ["hwmon:ina231@0-0044/power1", 0.45],
    ["hwmon:ina231@0-0045/power1", 0.152],
  ]],
  "old-kernel-layout": ["board", [["hwmon:ina219@hwmon0/power1", 2]]],
  "openwrt-ina226": ["board", [["hwmon:ina226@0-0045/power1", 7.23]]],
  "openwrt-ina3221": ["part", [
    ["hwmon:ina3221@0-0040/curr1", 3.7324],
    ["hwmon:ina3221@0-0040/curr2", 2.1042],
    ["hwmon:ina3221@0-0040/curr3", 0.4965],
  ]],
  "pc-without-sensors": [undefined, []],
  "power9": ["board", [["hwmon:ibmpowernv@opal-sensor/System", "counter"]]],
  "raspberry-pi-5": [undefined, []],
  "ryzen-apu-and-card": ["package", [["hwmon:amdgpu@0000:06:00.0/PPT", 18.1]]],
  "steam-deck": ["package", [["hwmon:amdgpu@0000:04:00.0/slowPPT", 9.3]]],
  "tablet-one-battery-twice": ["board", [["battery", 3.04]]],
  "tenstorrent": ["package", [rapl0, ["hwmon:wormhole@0000:41:00.0/vcore1", 61]]],
  "whitebox-switch": ["wall", [["hwmon:dps650ab@10-0058/pin+hwmon:dps650ab@10-0059/pin", 181]]],
  "xgene": ["package", [["hwmon:apm_xgene@APMC0D29:00/CPU_power", 21.5]]],
  "acpi-battery-meter": [undefined, []],
  "adm1177": ["part", [["hwmon:adm1177@4-0058/curr1", 24]]],
  "amd-fam15h": ["package", [["hwmon:fam15h_power@0000:00:18.4/power1", 61.2]]],
  "amd-mi250": ["package", [rapl0, ["hwmon:amdgpu@0000:29:00.0/PPT", 93], [
    "hwmon:amdgpu@0000:2c:00.0/PPT",
    0,
  ]]],
  "arm-juno": [
    "part",
    ["BIG", "LITTLE", "GPU"].map((n) => [`hwmon:scpi_sensors@scpi:sensors/PWR_${n}`, "counter"] as const),
  ],
  "board-i2c-two-power-monitors": ["part", [["hwmon:tmp513@2-0042/power1", 8.4], [
    "hwmon:isl28022@2-0044/power1",
    2,
  ]]],
  "fpga-card": ["package", [rapl0, ["hwmon:n3000bmc_hwmon@n3000bmc-hwmon.1.auto/Board_Power", 41]]],
  "ibm-system-x": [undefined, []],
  "jetson-xavier-nx-jp4": ["board", [["jetson:VDD_IN", 3.404]]],
  "pc-real-links": ["package", [rapl0, ["hwmon:amdgpu@0000:03:00.0/PPT", 27]]],
  "phone-milliamperes": [undefined, []],
  "power8-unlabelled": ["part", [["hwmon:ibmpowernv@opal-sensor/power1", 120], [
    "hwmon:ibmpowernv@opal-sensor/power2",
    80,
  ]]],
  "raspberry-pi-ina219-poe": ["board", [["hwmon:ina219@1-0040/power1", 4.16]]],
  "regulators-two-stages": ["part", [["hwmon:q54sj108a2@4-0018/pout1", 108]]],
  "ryzen-linux-5.8": ["part", [["hwmon:k10temp@0000:00:18.3/Vcore", 36], [
    "hwmon:k10temp@0000:00:18.3/Vsoc",
    8,
  ]]],
  "ryzen-zenpower": ["package", [rapl0]],
  "switch-unknown-supply": ["wall", [["hwmon:dps1100@7-0058/pin+hwmon:dps1100@7-0059/pin", 364]]],
  "telecom-48v": ["part", [["hwmon:adm1272@4-0010/pin", 149]]],
  "thinkpad-both-batteries": ["board", [["battery", 7.3]]],
  "tpmi-only": ["package", [rapl0, ["rapl:package-0/dram", "counter"], ["rapl:package-1", "counter"]]],
  "virtual-machine": [undefined, []],
  "water-cooling": ["package", [rapl0]],
  "workstation-wmi": ["part", [["hwmon:hp_wmi_sensors@PNP0C14:02/GPU_Voltage", 9]]],
  "zcu102": ["part", [
    ["hwmon:ina226_u76@ina226-u76/power1", 1.6],
    ["hwmon:ina226_u77@ina226-u77/power1", 0.085],
  ]],
};

for (const name of storedTrees()) {
  Deno.test(`tree ${name}: total, scope and label`, async () => {
    const expected = EXPECTED[name];
    assert(expected !== undefined, "nothing is expected of this tree");
    await using tree = await openTree(await storedTree(name));
    const { kind, scope, counted } = await look(tree.path);
    assertEquals([scope, counted], expected);
    assertEquals(kind, counted.length === 0 ? "none" : "measured");
  });
}

Deno.test("trees say why what looks like a sensor does not count", async () => {
  const told = async (name: string) => {
    await using tree = await openTree(await storedTree(name));
    return (await look(tree.path)).told;
  };
  assertEquals(await told("acpi-zero"), ["error hwmon:power_meter@ACPI000D:00/power1"]);
  assertEquals(await told("amd-threadripper-dies"), [
    "excluded rapl:package-0-die-1",
    "excluded rapl:package-0-die-1/core",
  ]);
  assertEquals(await told("intel-client-mmio"), [
    "excluded rapl:package-0@intel-rapl-mmio:0",
    "excluded rapl:psys",
  ]);
  assertEquals(await told("intel-server-two-platforms"), ["excluded rapl:psys", "excluded rapl:psys-1"]);
  assertEquals(await told("jetson-thor"), ["excluded power_supply:ucsi-source-psy-2-00081"]);
  assertEquals(await told("tablet-one-battery-twice"), ["excluded power_supply:max17042_battery"]);
  assertEquals(await told("openwrt-ina3221"), []);
});

Deno.test("recorded ThinkPad: the battery that is discharged is the machine; the zone that was made as a duplicate is one", async () => {
  const { kind, scope, counted, all, told } = await look(`${recorded}intel-thinkpad-procfs`);
  assertEquals([kind, scope, counted], ["measured", "board", [["battery", 4.83]]]);
  assertEquals(all.toSorted(), ["battery", "rapl:package-0", "rapl:package-0/core"]);
  assertEquals(told, ["excluded rapl:package-10"]);
});

Deno.test("constructed trees: AMD, Intel laptop on mains, both Jetson layouts, battery by current, USB contracts", async () => {
  const seen = async (name: string) => {
    const { scope, counted, told } = await look(`${recorded}constructed/${name}`);
    return [scope, counted, told];
  };
  assertEquals(await seen("amd-ryzen-rapl"), ["package", [rapl0], []]);
  assertEquals(await seen("intel-laptop-psys-dram"), ["board", [["rapl:psys", "counter"]], []]);
  assertEquals(await seen("jetson-nano-jp4"), ["board", [["jetson:POM_5V_IN", 2.499]], []]);
  assertEquals(await seen("jetson-orin-nano"), ["board", [["jetson:VDD_IN", 4.909696]], []]);
  assertEquals(await seen("battery-charge-only"), ["board", [["battery", 8.4474]], []]);
  assertEquals(await seen("usb-pd-negotiated-only"), [
    undefined,
    [],
    ["excluded power_supply:tcpm-source-psy-4-0022"],
  ]);
});

Deno.test("the cases of Kepler: disabled channels, shunt voltages, averages, duplicates", async () => {
  const { all, told } = await look(`${recorded}kepler-cases`);
  const ofChip = (name: string) => all.filter((id) => id.startsWith(`hwmon:${name}`));
  assertEquals(ofChip("energy_meter"), ["hwmon:energy_meter@hwmon_energy/Total"]);
  assertEquals(ofChip("energy_with_enable").map((id) => id.split("/")[1]), ["Rail_A", "Rail_B"]);
  assertEquals(ofChip("ina226"), ["hwmon:ina226@hwmon_ina226/curr1"]);
  assertEquals(ofChip("ina3221@hwmon_ina3221").length, 3);
  assertEquals(ofChip("ina3221@hwmon_disabled_channel").map((id) => id.split("/")[1]), [
    "channel_1",
    "channel_2",
  ]);
  assertEquals(ofChip("unknown_chip").length, 2);
  assertEquals(ofChip("k10temp").map((id) => id.split("/")[1]), ["Package"]);
  assertEquals(told, ["excluded rapl:package-0@intel-rapl-mmio:0", "excluded rapl:package-10"]);
});

Deno.test("the owner's word: a sensor, a chip, several sensors, and what was taken for the board before", async () => {
  const declare = async (name: string, ids: readonly string[]) => {
    await using tree = await openTree(await storedTree(name));
    const { scope, counted } = await look(tree.path, ids);
    return [scope, counted];
  };
  assertEquals(await declare("odroid-xu3", ["hwmon:ina231@0-0040"]), [
    "board",
    [["hwmon:ina231@0-0040/power1", 2.4]],
  ]);
  assertEquals(await declare("openwrt-ina3221", ["hwmon:ina3221@0-0040/curr1"]), [
    "board",
    [["hwmon:ina3221@0-0040/curr1", 3.7324]],
  ]);
  assertEquals(await declare("ltc2992", ["hwmon:ltc2992@5-0067"]), [
    "board",
    [["hwmon:ltc2992@5-0067/power1+hwmon:ltc2992@5-0067/power2", 22]],
  ]);
  assertEquals(await declare("jetson-tx2-jp4", ["jetson:VDD_MUX"]), ["board", [["jetson:VDD_MUX", 4.003]]]);
  assertEquals(await declare("odroid-xu3", ["hwmon:ina231@0-004"]), await declare("odroid-xu3", []));
});

Deno.test("a tree that moves: readings follow files that are overwritten in place", async () => {
  await using tree = await openTree(await storedTree("openwrt-ina226"));
  const world = fakeWorld();
  const files = openSystemFiles({ sysfs: tree.path, procfs: "/nowhere" });
  const [finding] = findMonitors(world, files, []);
  assert(finding?.state === "ok");
  const [channel] = finding.source.channels;
  for (const microwatts of [7_230_000, 12_000_000, 900_000, 11_500_000]) {
    tree.set("class/hwmon/hwmon1/power1_input", microwatts);
    assertEquals(channel!.read()?.value, BigInt(microwatts));
  }
  await finding.source[Symbol.asyncDispose]();
});
