import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findJetson } from "../../src/energy/sources/jetson.ts";
import { findMonitors } from "../../src/energy/sources/monitors.ts";
import type { Finding } from "../../src/energy/types.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { storedTree } from "../support/sysfs_tree.ts";
import { fakeWorld } from "../support/world.ts";

const look = (files: FakeFiles) => {
  const { findings, claimed } = findJetson(fakeWorld(), files);
  return { findings, claimed, seen: findings.map(tell) };
};

/** `scope id watts`, or `state id`. */
function tell(finding: Finding): string {
  if (finding.state !== "ok") return `${finding.state} ${finding.id}`;
  const { scope, id, channels } = finding.source;
  return `${scope} ${id} ${channels.reduce((sum, channel) => sum + Number(channel.read()!.value), 0) / 1e6}`;
}

Deno.test("Jetson: a rail that cannot be read is an error and leaves the others; then nothing is the board", async () => {
  const text = await storedTree("jetson-xavier-nx");
  const folder = "/sys/bus/i2c/drivers/ina3221/7-0040/hwmon/hwmon6";
  const soc = new FakeFiles(text);
  soc.fail(`${folder}/curr3_input`, "io");
  assertEquals(look(soc).seen, [
    "board jetson:VDD_IN 3.9",
    "part jetson:VDD_CPU_GPU_CV 0.79872",
    "error jetson:VDD_SOC",
  ]);
  const total = new FakeFiles(text);
  total.fail(`${folder}/in1_input`, "busy");
  assertEquals(look(total).seen, [
    "error jetson:VDD_IN",
    "part jetson:VDD_CPU_GPU_CV 0.79872",
    "part jetson:VDD_SOC 1.19808",
  ]);
});

Deno.test("Jetson AGX: a sum that lacks a rail is not the board", async () => {
  const text = await storedTree("jetson-agx-xavier-jp4");
  const off = new FakeFiles(text.replace("rail_name_1 = VDDRQ", "rail_name_1 = NC"));
  assertEquals(look(off).seen.filter((line) => !line.startsWith("part")), []);
  const broken = new FakeFiles(text);
  broken.fail("/sys/bus/i2c/drivers/ina3221x/1-0041/iio:device1/in_power1_input", "io");
  assertEquals(look(broken).seen.filter((line) => !line.startsWith("part")), [
    "error jetson:rails",
    "error jetson:VDDRQ",
  ]);
});

Deno.test("Jetson: rails under iio and under hwmon at once are counted once", async () => {
  const old = await storedTree("jetson-tx2-jp4");
  const twice = old + `
class/hwmon/hwmon1/name = ina3221
class/hwmon/hwmon1/in1_label = VDD_IN
class/hwmon/hwmon1/in1_input = 19000
class/hwmon/hwmon1/curr1_input = 128
`;
  const findings = findMonitors(fakeWorld(), new FakeFiles(twice), []);
  const totals = findings.map(tell).filter((line) => line.includes("VDD_IN"));
  assertEquals(totals, ["board jetson:VDD_IN 2.437"]);
});

Deno.test("Jetson: rails that lie in the total are asked once a second, the total as often as it changes", async () => {
  const { findings } = look(new FakeFiles(await storedTree("jetson-xavier-nx")));
  const periods = findings.flatMap((one) =>
    one.state === "ok" ? one.source.channels.map((c) => c.minPeriodMs) : []
  );
  assertEquals(periods, [20, 1000, 1000]);
});

Deno.test("Jetson: files that may not be read are denied with the udev rule", async () => {
  const files = new FakeFiles(await storedTree("jetson-tx2-jp4"));
  for (const path of files.paths) if (/in_power\d_input/.test(path)) files.deny(path);
  const { findings } = look(files);
  assert(findings.every(({ state }) => state === "denied"));
  const [first] = findings;
  assert(first?.state === "denied");
  assertStringIncludes(
    first.reason,
    'SUBSYSTEM=="iio", RUN+="/usr/bin/chgrp kwaainet-sensors /sys%p/in_power0_input"',
  );
});

Deno.test("Jetson: other boards are left to hwmon, and an unknown monitor on a Jetson too", async () => {
  const router = look(new FakeFiles(await storedTree("openwrt-ina3221")));
  assertEquals([router.seen, router.claimed.size], [[], 0]);
  const text = await storedTree("jetson-thor") + `
class/hwmon/hwmon7/device -> ../../../9-0041
class/hwmon/hwmon7/name = ina3221
class/hwmon/hwmon7/in1_input = 12000
class/hwmon/hwmon7/curr1_input = 100
`;
  const all = findMonitors(fakeWorld(), new FakeFiles(text), []).map(tell);
  assertEquals(all[0], "board jetson:VIN 45.54");
  assertEquals(all.at(-1), "part hwmon:ina3221@9-0041/curr1 1.2");
});

Deno.test("Jetson without a driver for its monitors says so; an unlabelled INA238 is an input on Thor only", () => {
  const model = { "firmware/devicetree/base/model": "NVIDIA Jetson Orin NX" };
  assertEquals(look(new FakeFiles(model)).seen, ["absent jetson"]);
  const added = { "class/hwmon/hwmon0/name": "ina238", "class/hwmon/hwmon0/power1_input": "5000000" };
  assertEquals(look(new FakeFiles({ ...model, ...added })).seen, ["absent jetson"]);
});

Deno.test("Jetson by its model under /proc, where there is one", () => {
  const files = new FakeFiles({
    "class/hwmon/hwmon0/name": "ina3221",
    "class/hwmon/hwmon0/in1_label": "VDD_IN",
  });
  files.set("/sys/class/hwmon/hwmon0/in1_input", 5000);
  files.set("/sys/class/hwmon/hwmon0/curr1_input", 1000);
  assertEquals(look(files).seen, []);
  files.set("/proc/device-tree/model", "NVIDIA Jetson Orin Nano");
  assertEquals(look(files).seen, ["board jetson:VDD_IN 5"]);
});
