import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findBatteries } from "../../src/energy/sources/battery.ts";
import type { Finding } from "../../src/energy/types.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { fakeWorld } from "../support/world.ts";

const supply = (name: string, files: Record<string, string | number>) =>
  Object.fromEntries(
    Object.entries(files).map(([file, text]) => [`class/power_supply/${name}/${file}`, `${text}`]),
  );
const battery = (name: string, status: string, files: Record<string, string | number>) =>
  supply(name, { type: "Battery", status, ...files });

function open(content: Record<string, string>, denied: readonly string[] = []) {
  const files = new FakeFiles(content);
  for (const path of denied) files.deny(`/sys/class/power_supply/${path}`);
  const world = fakeWorld();
  const findings = findBatteries(world, files);
  const source = findings.flatMap((finding) => finding.state === "ok" ? [finding.source] : [])[0];
  const [channel] = source?.channels ?? [];
  const read = async () => {
    await world.clock.advance(1000);
    return channel?.read()?.value;
  };
  const set = (name: string, file: string, text: string | number) =>
    files.set(`/sys/class/power_supply/${name}/${file}`, text);
  return { files, findings, source, channel, read, set };
}

const tell = (finding: Finding): string =>
  finding.state === "ok" ? `ok ${finding.source.id}` : `${finding.state} ${finding.id}`;

Deno.test("a battery that is discharged is the board; while it is charged or full it has no value, and stays", async () => {
  const { source, channel, read, set } = open(battery("BAT0", "Discharging", { power_now: 9_000_000 }));
  assertEquals([source?.scope, source?.domain, channel?.minPeriodMs], ["board", "wall/board", 1000]);
  assertEquals(await read(), 9_000_000n);
  for (const status of ["Charging", "Full", "Not charging", "Unknown", "", "?"]) {
    set("BAT0", "status", status);
    assertEquals([await read(), channel?.failure], [undefined, undefined], status);
  }
  set("BAT0", "status", "Discharging");
  set("BAT0", "power_now", 12_000_000);
  assertEquals(await read(), 12_000_000n);
});

Deno.test("a battery found while it is charged is a source from then on", async () => {
  const { read, set, findings } = open(battery("BAT0", "Charging", { power_now: 30_000_000 }));
  assertEquals([findings.map(tell), await read()], [["ok battery"], undefined]);
  set("BAT0", "status", "Discharging");
  assertEquals(await read(), 30_000_000n);
});

Deno.test("power is told by current and voltage where there is no power, whatever the sign", async () => {
  const { read, set } = open(
    battery("BAT1", "Discharging", { voltage_now: 11_400_000, current_now: 741_000 }),
  );
  assertEquals(await read(), 8_447_400n);
  set("BAT1", "current_now", -741_000);
  assertEquals(await read(), 8_447_400n);
});

Deno.test("a power that cannot be read, or is 0, is replaced by current and voltage; 0 of both is none", async () => {
  const { files, channel, read, set } = open(
    battery("BAT1", "Discharging", { power_now: 0, voltage_now: 12_000_000, current_now: 500_000 }),
  );
  assertEquals(await read(), 6_000_000n);
  files.fail("/sys/class/power_supply/BAT1/power_now", "gone");
  assertEquals(await read(), 6_000_000n);
  set("BAT1", "current_now", 0);
  assertEquals([await read(), channel?.failure], [undefined, "implausible"]);
});

Deno.test("batteries that are discharged add up; one that rests gives nothing; one that is charged spoils it", async () => {
  const { read, set } = open({
    ...battery("BAT0", "Discharging", { power_now: 5_000_000 }),
    ...battery("BAT1", "Discharging", { power_now: 3_000_000 }),
  });
  assertEquals(await read(), 8_000_000n);
  set("BAT1", "status", "Not charging");
  assertEquals(await read(), 5_000_000n);
  set("BAT1", "status", "Charging");
  assertEquals(await read(), undefined);
});

Deno.test("where mains or USB feed the machine as well, a battery tells only a part", async () => {
  for (const [type, online] of [["Mains", "1"], ["USB", "1"], ["USB", "2"], ["Wireless", "1"]] as const) {
    const { read, set } = open({
      ...battery("BAT0", "Discharging", { power_now: 5_000_000 }),
      ...supply("X", { type, online }),
    });
    assertEquals(await read(), undefined, type);
    set("X", "online", "0");
    assertEquals(await read(), 5_000_000n);
  }
});

Deno.test("batteries of other devices, contracts and supplies without figures are told, and are none", () => {
  const { findings, source } = open({
    ...battery("hidpp_battery_0", "Discharging", { scope: "Device", power_now: 1 }),
    ...battery("BAT9", "Discharging", { capacity: 50 }),
    ...supply("tcpm-source-psy-4-0022", {
      type: "USB",
      online: 1,
      voltage_now: 12_000_000,
      current_now: 3_000_000,
    }),
    ...supply("ucsi-source-psy-USBC000:001", { type: "USB", online: 0, voltage_now: 5_000_000 }),
  });
  assertEquals(source, undefined);
  assertEquals(findings.map(tell), [
    "excluded power_supply:BAT9",
    "excluded power_supply:hidpp_battery_0",
    "excluded power_supply:tcpm-source-psy-4-0022",
    "excluded power_supply:ucsi-source-psy-USBC000:001",
  ]);
});

Deno.test("an empty bay and no battery at all are absent", () => {
  assertEquals(open({}).findings.map(tell), ["absent battery"]);
  assertEquals(open(battery("BAT1", "Unknown", { present: 0 })).findings.map(tell), ["absent battery"]);
});

Deno.test("a battery that may not be read is denied with the cure: nothing is known while it is discharged", async () => {
  const { files, findings, source, channel, read, set } = open({
    ...battery("BAT0", "Discharging", { power_now: 5_000_000 }),
    ...battery("BAT1", "Discharging", { power_now: 3_000_000 }),
  }, ["BAT1/power_now"]);
  assertEquals(findings.map(tell), ["ok battery", "denied power_supply:BAT1"]);
  const denied = findings[1]!;
  assert(denied.state === "denied");
  assertStringIncludes(denied.reason, 'SUBSYSTEM=="power_supply"');
  assertEquals([await read(), channel?.failure], [undefined, "io"]);
  set("BAT1", "status", "Not charging");
  assertEquals(await read(), 5_000_000n);
  await source![Symbol.asyncDispose]();
  assertEquals(files.opened, 0);
});

Deno.test("a battery that is put in makes the sum unknown until it is looked for again; a mouse does not", async () => {
  const { files, channel, read } = open(battery("BAT0", "Discharging", { power_now: 5_000_000 }));
  const add = (content: Record<string, string>) => {
    for (const [path, text] of Object.entries(content)) files.set(`/sys/${path}`, text);
  };
  add(battery("hidpp_battery_0", "Discharging", { scope: "Device", power_now: 1 }));
  assertEquals(await read(), 5_000_000n);
  add(battery("BAT1", "Discharging", { power_now: 3_000_000 }));
  assertEquals([await read(), channel?.failure], [undefined, "changed"]);
});

Deno.test("a battery that is taken out leaves the one that is discharged", async () => {
  const { files, channel, read } = open({
    ...battery("BAT0", "Discharging", { power_now: 5_000_000 }),
    ...battery("BAT1", "Unknown", { power_now: 0 }),
  });
  files.remove("/sys/class/power_supply/BAT1");
  assertEquals(await read(), 5_000_000n);
  files.remove("/sys/class/power_supply/BAT0");
  assertEquals([await read(), channel?.failure], [undefined, undefined]);
});
