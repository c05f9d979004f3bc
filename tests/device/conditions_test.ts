import { assertEquals } from "@std/assert";
import { readConditions } from "../../src/device/conditions.ts";
import { openOtherLoad } from "../../src/device/other_load.ts";
import { diskFreeBytes } from "../../src/device/disk.ts";
import { watchThrottled } from "../../src/device/throttled.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { openSystemFiles, type TextFiles } from "../../src/device/sysfs.ts";

/** Files by path; folders are what their names say. */
function filesOf(texts: Readonly<Record<string, string>>): TextFiles {
  return {
    readText: (path) => texts[path],
    list: (
      path,
    ) => [
      ...new Set(
        Object.keys(texts).filter((name) => name.startsWith(`${path}/`)).map((name) =>
          name.slice(path.length + 1).split("/")[0]!
        ),
      ),
    ],
  };
}
const supply = "/sys/class/power_supply";

Deno.test("readConditions knows battery, level and charger; other devices' batteries do not count", () => {
  const laptop = {
    [`${supply}/BAT0/type`]: "Battery",
    [`${supply}/BAT0/status`]: "Discharging",
    [`${supply}/BAT0/capacity`]: "37",
    [`${supply}/BAT0/temp`]: "312",
    [`${supply}/AC/type`]: "Mains",
    [`${supply}/AC/online`]: "0",
    [`${supply}/mouse/type`]: "Battery",
    [`${supply}/mouse/scope`]: "Device",
    [`${supply}/mouse/status`]: "Discharging",
    [`${supply}/mouse/capacity`]: "3",
  };
  assertEquals(readConditions(filesOf(laptop)), {
    onBattery: true,
    batteryPercent: 37,
    batteryCelsius: 31.2,
  });
  assertEquals(readConditions(filesOf({ ...laptop, [`${supply}/AC/online`]: "1" })).onBattery, false);
  assertEquals(readConditions(filesOf({ ...laptop, [`${supply}/AC/online`]: "2" })).onBattery, false);
  assertEquals(readConditions(filesOf({})), {});
});

Deno.test("readConditions takes the level from charge or energy where the driver tells no percent", () => {
  const battery = (more: Readonly<Record<string, string>>) => ({
    [`${supply}/BAT1/type`]: "Battery",
    [`${supply}/BAT1/status`]: "Not charging",
    ...Object.fromEntries(Object.entries(more).map(([name, text]) => [`${supply}/BAT1/${name}`, text])),
  });
  const level = (more: Readonly<Record<string, string>>) =>
    readConditions(filesOf(battery(more))).batteryPercent;
  assertEquals(level({ charge_now: "2000000", charge_full: "4000000" }), 50);
  assertEquals(level({ energy_now: "30000000", energy_full: "40000000" }), 75);
  assertEquals(level({ energy_now: "41000000", energy_full: "40000000" }), 100);
  assertEquals(level({ energy_now: "41000000", energy_full: "0" }), undefined);
  for (const capacity of ["900", "", "-1", "full"]) assertEquals(level({ capacity }), undefined, capacity);
});

Deno.test("readConditions knows the recorded machines' batteries, and that a contract of USB is none", () => {
  const tree = (name: string) => {
    const sysfs = new URL(`../vectors/energy/sysfs/${name}`, import.meta.url).pathname;
    const { onBattery, batteryPercent } = readConditions(openSystemFiles({ sysfs, procfs: "/nonexistent" }));
    return [onBattery, batteryPercent && Math.round(batteryPercent)];
  };
  assertEquals(tree("intel-thinkpad-procfs"), [true, 98]);
  assertEquals(tree("constructed/battery-charge-only"), [true, 71]);
  assertEquals(tree("constructed/usb-pd-negotiated-only"), [undefined, undefined]);
});

Deno.test("readConditions finds the hottest zone and leaves out sensors that are broken", () => {
  const zones = {
    "/sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "/sys/class/thermal/thermal_zone0/temp": "61234",
    "/sys/class/thermal/thermal_zone1/type": "gpu-thermal",
    "/sys/class/thermal/thermal_zone1/temp": "70000",
    "/sys/class/thermal/thermal_zone2/type": "broken",
    "/sys/class/thermal/thermal_zone2/temp": "-274000",
  };
  assertEquals(readConditions(filesOf(zones)), { celsius: 70, hottest: "gpu-thermal" });
  // as on a Jetson Nano
  const jetson = {
    "/sys/class/thermal/thermal_zone0/type": "CPU-therm",
    "/sys/class/thermal/thermal_zone0/temp": "34000",
    "/sys/class/thermal/thermal_zone4/type": "PMIC-Die",
    "/sys/class/thermal/thermal_zone4/temp": "100000",
  };
  assertEquals(readConditions(filesOf(jetson)), { celsius: 34, hottest: "CPU-therm" });
  for (const text of ["", "hot", "0x30"]) {
    assertEquals(
      readConditions(filesOf({ ...jetson, "/sys/class/thermal/thermal_zone0/temp": text })),
      {},
      text,
    );
  }
  const chip = { "/sys/class/hwmon/hwmon2/name": "k10temp", "/sys/class/hwmon/hwmon2/temp1_input": "55500" };
  assertEquals(readConditions(filesOf(chip)), { celsius: 55.5, hottest: "k10temp" });
});

Deno.test("readConditions reads what a Raspberry Pi tells of its supply", () => {
  const bits = (value: string) => ({ "/sys/devices/platform/soc/soc:firmware/get_throttled": value });
  assertEquals(readConditions(filesOf(bits("50000"))), { undervolted: false, throttled: false });
  assertEquals(readConditions(filesOf(bits("50005"))), { undervolted: true, throttled: true });
  const five = "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled";
  assertEquals(readConditions(filesOf({ [five]: "4" })), { undervolted: false, throttled: true });
  const alarm = {
    "/sys/class/hwmon/hwmon1/name": "rpi_volt",
    "/sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1",
  };
  assertEquals(readConditions(filesOf(alarm)), { undervolted: true });
});

Deno.test("readConditions tells cable, Wi-Fi and cellular links by the default route", () => {
  const route = (name: string) => ({
    "/proc/net/route": `Iface\tDestination\n${name}\t00000000\t0100A8C0\n`,
  });
  assertEquals(readConditions(filesOf(route("eth0"))).link, "wired");
  assertEquals(
    readConditions(
      filesOf({ ...route("wlan0"), "/sys/class/net/wlan0/uevent": "DEVTYPE=wlan\nINTERFACE=wlan0" }),
    ).link,
    "wifi",
  );
  assertEquals(readConditions(filesOf(route("wwan0"))).link, "cellular");
  assertEquals(readConditions(filesOf({ "/proc/net/route": "Iface\tDestination\n" })).link, undefined);
});

Deno.test("readConditions takes the best of several default routes, and IPv6 where there is no other", () => {
  const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
  const line = (name: string, destination: string, metric: number, mask: string) =>
    `${name}\t${destination}\t0100A8C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`;
  const both = head + line("eth0", "00000000", 100, "00000000") + line("wwan0", "00000000", 700, "00000000");
  assertEquals(readConditions(filesOf({ "/proc/net/route": both })).link, "wired");
  // half of all addresses, as some VPNs write it, is not the default
  const half = head + line("wwan0", "00000000", 0, "00000080") + line("eth0", "00000000", 100, "00000000");
  assertEquals(readConditions(filesOf({ "/proc/net/route": half })).link, "wired");
  const zero = "0".repeat(32);
  const six = `fe80${"0".repeat(28)} 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001     eth0\n` +
    `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo\n` +
    `${zero} 00 ${zero} 00 fe80${"0".repeat(28)} 00000400 00000001 00000000 00000003    wwan0\n`;
  assertEquals(readConditions(filesOf({ "/proc/net/ipv6_route": six })).link, "cellular");
});

Deno.test("readConditions reads the pressure on memory where the kernel counts it", () => {
  const at = (text: string) => readConditions(filesOf({ "/proc/pressure/memory": text }));
  const text =
    "some avg10=40.00 avg60=0.12 avg300=0.08 total=1234567\nfull avg10=12.50 avg60=0.05 avg300=0.02 total=3";
  assertEquals(at(text), { memoryPressure: 0.125 });
  for (const bad of ["", "some avg10=40.00 avg60=1", "full avg10=900.00 avg60=1", "full avg10=x "]) {
    assertEquals(at(bad), {}, bad);
  }
});

Deno.test("this machine's own facts can be read", () => {
  const files = openSystemFiles({ sysfs: "/sys", procfs: "/proc" });
  readConditions(files);
  using load = openOtherLoad(files);
  assertEquals(load.read(), undefined);
  assertEquals(diskFreeBytes("/nonexistent"), undefined);
});

Deno.test("watchThrottled asks vcgencmd on a Raspberry Pi whose kernel shows nothing, and nobody elsewhere", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(
    `${folder.path}/vcgencmd`,
    "#!/bin/sh\n[ $1 = get_throttled ] && echo throttled=0x50005\n",
    {
      mode: 0o755,
    },
  );
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `${folder.path}:${path}`);
  try {
    const world = openSystemWorld({ level: "error", json: false });
    await using pi = watchThrottled(
      world,
      filesOf({ "/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4" }),
    );
    for (let i = 0; i < 100 && pi.now === undefined; i++) await world.clock.sleep(20);
    assertEquals(pi.now, { undervolted: true, throttled: true });
    await using pc = watchThrottled(world, filesOf({}));
    await world.clock.sleep(20);
    assertEquals(pc.now, undefined);
  } finally {
    Deno.env.set("PATH", path);
  }
});
