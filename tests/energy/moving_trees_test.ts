/** Sensors of the kernel under the meter: which counts while they move, contradict each other, come and go. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { openMeter } from "../../src/energy/meter.ts";
import { findBatteries } from "../../src/energy/sources/battery.ts";
import { findMonitors } from "../../src/energy/sources/monitors.ts";
import { findRapl } from "../../src/energy/sources/rapl.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { storedTree } from "../support/sysfs_tree.ts";
import { fakeWorld } from "../support/world.ts";

/** A meter over a tree; counters go on by their watts while the clock does. */
function run(files: FakeFiles, watts: Record<string, number>) {
  const world = fakeWorld();
  const findings = [
    ...findRapl(world, files),
    ...findMonitors(world, files, []),
    ...findBatteries(world, files),
  ];
  const meter = openMeter(world, findings);
  const energy = new Map<string, number>();
  const advance = async (seconds: number) => {
    for (let i = 0; i < seconds * 10; i++) {
      for (const [entry, power] of Object.entries(watts)) {
        const path = `/sys/class/powercap/${entry}/energy_uj`;
        const value = (energy.get(path) ?? Number(files.readText(path))) + power * 1e5;
        energy.set(path, value);
        files.set(path, Math.round(value));
      }
      await world.clock.advance(100);
    }
  };
  const sourceOf = (id: string) => meter.snapshot().sources.find((source) => source.id === id);
  return { meter, world, watts, advance, sourceOf };
}

const zone = (entry: string, name: string, joules: number) => ({
  [`class/powercap/${entry}/name`]: name,
  [`class/powercap/${entry}/energy_uj`]: `${joules * 1e6}`,
  [`class/powercap/${entry}/max_energy_range_uj`]: "262143328850",
});

Deno.test("dies that repeat one counter with another start are one after three seconds, with what lies in them", async () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0-die-0", 10_000),
    ...zone("intel-rapl:1", "package-0-die-1", 30_000),
    ...zone("intel-rapl:1:0", "core", 500),
  });
  const { meter, advance, sourceOf } = run(files, {
    "intel-rapl:0": 68,
    "intel-rapl:1": 68,
    "intel-rapl:1:0": 3,
  });
  await using _ = meter;
  await advance(10);
  assertAlmostEquals(meter.figure.watts!, 68, 0.5);
  assertEquals(meter.figure.source, "rapl:package-0-die-0");
  assertEquals(sourceOf("rapl:package-0-die-1")?.state, "excluded");
  assertEquals(sourceOf("rapl:package-0-die-1/core")?.counted, false);
});

Deno.test("two sockets of the same power both count", async () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0", 10_000),
    ...zone("intel-rapl:1", "package-1", 30_000),
  });
  const { meter, advance } = run(files, { "intel-rapl:0": 65, "intel-rapl:1": 65.1 });
  await using _ = meter;
  await advance(60);
  assertAlmostEquals(meter.figure.watts!, 130.1, 0.5);
});

Deno.test("a platform counter counts while it holds its package, and not when it stands still", async () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0", 5000),
    ...zone("intel-rapl:1", "psys", 9000),
  });
  const { meter, watts, advance } = run(files, { "intel-rapl:0": 9, "intel-rapl:1": 14 });
  await using _ = meter;
  await advance(5);
  assertEquals([meter.figure.source, meter.figure.scope], ["rapl:psys", "board"]);
  assertAlmostEquals(meter.figure.watts!, 14, 0.2);
  watts["intel-rapl:1"] = 0;
  await advance(90);
  assertEquals([meter.figure.source, meter.figure.scope], ["rapl:package-0", "package"]);
});

Deno.test("a battery counts while it is discharged, before a platform counter that shows more; else the processor does", async () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0", 5000),
    ...zone("intel-rapl:1", "psys", 9000),
    "class/power_supply/BAT0/type": "Battery",
    "class/power_supply/BAT0/status": "Discharging",
    "class/power_supply/BAT0/power_now": "9300000",
  });
  const { meter, advance } = run(files, { "intel-rapl:0": 4, "intel-rapl:1": 12.2 });
  await using _ = meter;
  await advance(60);
  assertEquals([meter.figure.source, meter.figure.watts], ["battery", 9.3]);
  files.set("/sys/class/power_supply/BAT0/status", "Charging");
  await advance(10);
  assertEquals(meter.figure.source, "rapl:psys");
  files.set("/sys/class/power_supply/BAT0/status", "Discharging");
  await advance(10);
  assertEquals(meter.figure.source, "battery");
});

Deno.test("a Jetson whose input rail fails is told by its parts until it answers again, and joules never go back", async () => {
  const files = new FakeFiles(await storedTree("jetson-xavier-nx"));
  const { meter, advance } = run(files, {});
  await using _ = meter;
  await advance(5);
  assertEquals([meter.figure.source, meter.figure.scope], ["jetson:VDD_IN", "board"]);
  const before = meter.figure.joules!;
  const path = "/sys/bus/i2c/drivers/ina3221/7-0040/hwmon/hwmon6/in1_input";
  files.fail(path, "io");
  await advance(15);
  assertEquals(meter.figure.scope, "part");
  assert(meter.figure.joules! >= before);
  files.heal(path);
  await advance(20);
  assertEquals(meter.figure.source, "jetson:VDD_IN");
});

Deno.test("a card that wakes up adds to the processor, and leaves again when it sleeps", async () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0", 5000),
    "class/hwmon/hwmon0/name": "amdgpu",
    "class/hwmon/hwmon0/fan1_input": "0",
    "class/hwmon/hwmon0/power1_average": "30000000",
    "class/hwmon/hwmon0/device/power/runtime_status": "suspended",
  });
  const { meter, advance } = run(files, { "intel-rapl:0": 20 });
  await using _ = meter;
  await advance(5);
  assertEquals(meter.figure.source, "rapl:package-0");
  files.set("/sys/class/hwmon/hwmon0/device/power/runtime_status", "active");
  await advance(5);
  assertEquals(meter.figure.source, "rapl:package-0+hwmon:amdgpu@hwmon0/power1");
  assertAlmostEquals(meter.figure.watts!, 50, 0.5);
  files.set("/sys/class/hwmon/hwmon0/device/power/runtime_status", "suspended");
  await advance(10);
  assertEquals(meter.figure.source, "rapl:package-0");
});
