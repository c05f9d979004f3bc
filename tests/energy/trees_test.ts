/** Recorded and faithfully made sensor trees: the right total, scope and label on each. */
import { assertEquals } from "@std/assert";
import { openSystemFiles } from "../../src/device/sysfs.ts";
import { chooseSources } from "../../src/energy/select.ts";
import { findBatteries } from "../../src/energy/sources/battery.ts";
import { findMonitors } from "../../src/energy/sources/monitors.ts";
import { findRapl } from "../../src/energy/sources/rapl.ts";
import type { Finding } from "../../src/energy/types.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";

const recorded = new URL("../vectors/energy/sysfs/", import.meta.url).pathname;

/** What is found, and what would count. Watts of gauges; counters by their ids. */
async function look(sysfs: string, boardSensors: readonly string[] = []) {
  const world = fakeWorld();
  const files = openSystemFiles({ sysfs, procfs: "/nowhere" });
  const findings = [
    ...findRapl(world, files),
    ...findMonitors(world, files, boardSensors),
    ...findBatteries(world, files),
  ];
  const sources = findings.flatMap((finding) => finding.state === "ok" ? [finding.source] : []);
  const current = sources.filter(({ channels }) => channels.every((channel) => channel.read() !== undefined));
  const choice = chooseSources(current.map((source) => ({ ...source, relativeUncertainty: 0.05 })));
  const watts = (id: string) => {
    const { channels } = sources.find((source) => source.id === id)!;
    if (channels.some(({ type }) => type === "counter")) return "counter";
    return channels.reduce((sum, channel) => sum + Number(channel.read()!.value), 0) / 1e6;
  };
  const told = (state: Finding["state"]) =>
    findings.flatMap((finding) => finding.state === state && finding.state !== "ok" ? [finding.id] : []);
  const seen = {
    kind: choice.kind,
    scope: choice.scope,
    counted: choice.parts.map(({ id }) => [id, watts(id)] as const),
    all: sources.map(({ id }) => id),
    told,
  };
  for (const source of sources) await source[Symbol.asyncDispose]();
  return seen;
}

/** A tree of files by path under its root. */
async function tree(files: Readonly<Record<string, string>>) {
  const folder = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    const full = `${folder.path}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(full, `${text}\n`);
  }
  return folder;
}

const chip = (n: number, files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`class/hwmon/hwmon${n}/${name}`, text]));

Deno.test("recorded ThinkPad: the battery that is discharged is the machine; packages lie in it", async () => {
  const { kind, scope, counted, all } = await look(`${recorded}intel-thinkpad-procfs`);
  assertEquals([kind, scope, counted], ["measured", "board", [["battery", 4.83]]]);
  assertEquals(all.sort(), ["battery", "rapl:package-0", "rapl:package-0/core", "rapl:package-10"]);
});

Deno.test("AMD: the package counts and the core that lies in it does not", async () => {
  const { scope, counted, all } = await look(`${recorded}constructed/amd-ryzen-rapl`);
  assertEquals([scope, counted], ["package", [["rapl:package-0", "counter"]]]);
  assertEquals(all, ["rapl:package-0", "rapl:package-0/core"]);
});

Deno.test("Intel laptop on mains: the platform holds package, graphics and memory", async () => {
  const { scope, counted } = await look(`${recorded}constructed/intel-laptop-psys-dram`);
  assertEquals([scope, counted], ["board", [["rapl:psys", "counter"]]]);
});

Deno.test("Jetson Nano, JetPack 4: the input rail in milliwatts is the board", async () => {
  const { kind, scope, counted, all } = await look(`${recorded}constructed/jetson-nano-jp4`);
  assertEquals([kind, scope, counted], ["measured", "board", [["jetson:POM_5V_IN", 2.499]]]);
  assertEquals(all.length, 3);
});

Deno.test("Jetson Orin Nano: VDD_IN alone counts, and its chip is read once", async () => {
  const { scope, counted, all } = await look(`${recorded}constructed/jetson-orin-nano`);
  assertEquals([scope, counted], ["board", [["jetson:VDD_IN", 5.072 * 0.968]]]);
  assertEquals(all, ["jetson:VDD_IN", "jetson:VDD_CPU_GPU_CV", "jetson:VDD_SOC"]);
});

Deno.test("Jetson AGX Orin: no rail holds the others, so they add up, without the one that is fed by another", async () => {
  await using folder = await tree({
    "firmware/devicetree/base/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
    ...chip(3, {
      "name": "ina3221",
      ...{ in1_label: "VDD_GPU_SOC", in1_input: "19000", curr1_input: "200" },
      ...{ in2_label: "VDD_CPU_CV", in2_input: "19000", curr2_input: "100" },
      ...{ in3_label: "VIN_SYS_5V0", in3_input: "5000", curr3_input: "700" },
    }),
    ...chip(4, {
      "name": "ina3221",
      ...{ in1_label: "NC", in1_input: "0", curr1_input: "0" },
      ...{ in2_label: "VDDQ_VDD2_1V8AO", in2_input: "5000", curr2_input: "150" },
      ...{ in3_label: "NC", in3_input: "0", curr3_input: "0" },
    }),
  });
  const { scope, counted } = await look(folder.path);
  assertEquals([scope, counted], ["board", [["jetson:rails", 3.8 + 1.9 + 3.5]]]);
});

Deno.test("a battery that shows volts and amperes only, and one that is charged or full", async () => {
  const { scope, counted } = await look(`${recorded}constructed/battery-charge-only`);
  assertEquals([scope, counted], ["board", [["battery", 8.4474]]]);
  for (const status of ["Charging", "Full", "Not charging", "Unknown"]) {
    await using folder = await tree({
      "class/power_supply/BAT0/type": "Battery",
      "class/power_supply/BAT0/status": status,
      "class/power_supply/BAT0/power_now": "9000000",
    });
    assertEquals((await look(folder.path)).kind, "none", status);
  }
});

Deno.test("two batteries, one of which rests, and a mouse's, which is another device's", async () => {
  await using folder = await tree({
    "class/power_supply/BAT0/type": "Battery",
    "class/power_supply/BAT0/status": "Discharging",
    "class/power_supply/BAT0/current_now": "-500000",
    "class/power_supply/BAT0/voltage_now": "12000000",
    "class/power_supply/BAT1/type": "Battery",
    "class/power_supply/BAT1/status": "Unknown",
    "class/power_supply/BAT1/power_now": "0",
    "class/power_supply/hid-1/type": "Battery",
    "class/power_supply/hid-1/scope": "Device",
    "class/power_supply/hid-1/status": "Discharging",
    "class/power_supply/hid-1/power_now": "1000000",
  });
  const { counted, told } = await look(folder.path);
  assertEquals([counted, told("excluded")], [[["battery", 6]], ["power_supply:hid-1"]]);
});

Deno.test("what USB power delivery agreed on is no measurement", async () => {
  const { kind, told } = await look(`${recorded}constructed/usb-pd-negotiated-only`);
  assertEquals([kind, told("excluded")], ["none", ["power_supply:tcpm-source-psy-4-0022"]]);
});

Deno.test("the cases of Kepler: disabled channels, shunt voltages, averages, duplicates", async () => {
  const { all, told } = await look(`${recorded}kepler-cases`);
  const ofChip = (name: string) => all.filter((id) => id.startsWith(`hwmon:${name}`));
  assertEquals(ofChip("energy_meter"), ["hwmon:energy_meter@hwmon_energy/Total"]);
  assertEquals(ofChip("energy_with_enable").map((id) => id.split("/")[1]), ["Rail_A", "Rail_B"]);
  assertEquals(ofChip("ina226"), ["hwmon:ina226@hwmon_ina226/curr1"]);
  assertEquals(ofChip("ina3221@hwmon_ina3221").length, 3);
  assertEquals(ofChip("ina3221@hwmon_disabled_channel").length, 2);
  assertEquals(ofChip("unknown_chip").length, 2);
  assertEquals(told("excluded").length, 1);
});

Deno.test("a router or board with one INA226 and nothing else is measured by it as a whole; beside a processor package it is a rail", async () => {
  const ina = chip(0, {
    name: "ina226",
    in0_input: "3",
    in1_input: "12050",
    curr1_input: "600",
    power1_input: "7230000",
  });
  await using router = await tree(ina);
  const alone = await look(router.path);
  assertEquals([alone.scope, alone.counted], ["board", [["hwmon:ina226@hwmon0/power1", 7.23]]]);
  await using pc = await tree({
    ...ina,
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "5",
  });
  assertEquals((await look(pc.path)).counted.map(([id]) => id), ["rapl:package-0"]);
  assertEquals((await look(pc.path, ["hwmon:ina226@hwmon0"])).counted.map(([id]) => id), [
    "hwmon:ina226@hwmon0/power1",
  ]);
});

Deno.test("a meter of ACPI is the machine, and one that shows 160 000 W is an error", async () => {
  await using good = await tree(chip(2, { name: "power_meter", power1_average: "181000000" }));
  assertEquals((await look(good.path)).counted, [["hwmon:power_meter@hwmon2/power1", 181]]);
  await using bad = await tree(chip(2, { name: "power_meter", power1_average: "160000000000" }));
  const { kind, told } = await look(bad.path);
  assertEquals([kind, told("error")], ["none", ["hwmon:power_meter@hwmon2/power1"]]);
});

Deno.test("PMBus: only what goes into a converter, never its output too", async () => {
  await using folder = await tree(chip(1, {
    name: "tps53679",
    ...{ in1_label: "vin", in1_input: "12000", in2_label: "vout1", in2_input: "1000" },
    ...{ curr1_label: "iin", curr1_input: "2000", curr2_label: "iout1", curr2_input: "20000" },
    ...{ power1_label: "pin", power1_input: "24000000", power2_label: "pout1", power2_input: "20000000" },
  }));
  assertEquals((await look(folder.path)).counted, [["hwmon:tps53679@hwmon1/pin", 24]]);
});

Deno.test("a card adds to the processor; graphics in the processor hold it", async () => {
  const rapl = {
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "5",
  };
  await using card = await tree({
    ...rapl,
    ...chip(0, { name: "amdgpu", power1_average: "30000000", power1_label: "PPT", power1_cap: "200000000" }),
  });
  assertEquals((await look(card.path)).counted.map(([id]) => id), [
    "rapl:package-0",
    "hwmon:amdgpu@hwmon0/PPT",
  ]);
  await using apu = await tree({
    ...rapl,
    ...chip(0, { name: "amdgpu", power1_input: "15000000", power1_label: "PPT" }),
  });
  assertEquals((await look(apu.path)).counted, [["hwmon:amdgpu@hwmon0/PPT", 15]]);
});

Deno.test("two chips of one kind are told apart by their devices, not by the number of the entry", async () => {
  await using folder = await tree(chip(5, { name: "ina219", power1_input: "1000000" }));
  await Deno.mkdir(`${folder.path}/class/hwmon/hwmon6`);
  for (const [name, text] of [["name", "ina219"], ["power1_input", "2000000"]] as const) {
    await Deno.writeTextFile(`${folder.path}/class/hwmon/hwmon6/${name}`, text);
  }
  await Deno.symlink("../../../1-0040", `${folder.path}/class/hwmon/hwmon5/device`);
  await Deno.symlink("../../../1-0041", `${folder.path}/class/hwmon/hwmon6/device`);
  const { counted } = await look(folder.path);
  assertEquals(counted, [["hwmon:ina219@1-0040/power1", 1], ["hwmon:ina219@1-0041/power1", 2]]);
});

Deno.test("a machine without any sensor has none, and each family says so", async () => {
  await using folder = await tree({
    "class/hwmon/hwmon0/name": "coretemp",
    "class/hwmon/hwmon0/temp1_input": "41000",
  });
  const { kind, told } = await look(folder.path);
  assertEquals([kind, told("absent")], ["none", ["rapl", "hwmon", "battery"]]);
});
