import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findHwmon, type HwmonOptions } from "../../src/energy/sources/hwmon.ts";
import type { EnergySource, Finding } from "../../src/energy/types.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { draws } from "../support/moving_sensor.ts";
import { storedTree, storedTrees } from "../support/sysfs_tree.ts";
import { fakeWorld } from "../support/world.ts";

type Values = Readonly<Record<string, string | number>>;

/** One chip under an entry, as files. */
const chip = (n: number, files: Values): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).map(([name, value]) => [`class/hwmon/hwmon${n}/${name}`, `${value}`]),
  );

const at = (n: number, file: string): string => `/sys/class/hwmon/hwmon${n}/${file}`;

const find = (files: FakeFiles, options: HwmonOptions = {}) => findHwmon(fakeWorld(), files, options);

const sourcesOf = (findings: readonly Finding[]): EnergySource[] =>
  findings.flatMap((finding) => finding.state === "ok" ? [finding.source] : []);

const tell = (finding: Finding): string =>
  finding.state === "ok" ? `ok ${finding.source.id}` : `${finding.state} ${finding.id}`;

/** `scope id watts` of all sources. */
const seen = (findings: readonly Finding[]): string[] =>
  sourcesOf(findings).map(({ scope, id, channels }) => {
    const sum = channels.reduce((all, channel) => all + Number(channel.read()!.value), 0);
    return `${scope} ${id} ${sum / 1e6}`;
  });

const ina3221: Values = {
  name: "ina3221",
  ...{
    in1_input: 5000,
    curr1_input: 100,
    in2_input: 5000,
    curr2_input: 200,
    in3_input: 5000,
    curr3_input: 300,
  },
};

Deno.test("hwmon: one broken channel of a chip leaves the others as they are", () => {
  for (const [file, lost] of [["in1_input", 0], ["curr2_input", 1], ["curr3_input", 2]] as const) {
    for (const failure of ["io", "gone", "busy", "malformed"] as const) {
      const files = new FakeFiles(chip(0, ina3221));
      files.fail(at(0, file), failure);
      const all = [
        "part hwmon:ina3221@hwmon0/curr1 0.5",
        "part hwmon:ina3221@hwmon0/curr2 1",
        "part hwmon:ina3221@hwmon0/curr3 1.5",
      ];
      const findings = find(files);
      assertEquals(seen(findings), all.filter((_, i) => i !== lost));
      assertEquals(findings.filter(({ state }) => state === "error").length, 1);
    }
  }
});

Deno.test("hwmon: a sensor that is busy at first is found, and one that always is is an error", () => {
  const content = chip(0, { name: "ina219", power1_input: 2_000_000 });
  const files = new FakeFiles(content);
  files.fail(at(0, "power1_input"), "busy", "busy", "busy");
  assertEquals(find(files).map(tell), ["error hwmon:ina219@hwmon0/power1"]);
  const later = new FakeFiles(content);
  const read = later.openNumber.bind(later);
  let left = 2;
  later.openNumber = (path) => {
    const file = read(path);
    return {
      ...file,
      read: () => left-- > 0 ? undefined : file.read(),
      get failure() {
        return "busy" as const;
      },
    };
  };
  assertEquals(find(later).map(tell), ["ok hwmon:ina219@hwmon0/power1"]);
});

Deno.test("hwmon: energy before power before volts times amperes, and what is amiss in the better one is told", () => {
  const content = chip(0, {
    name: "meter",
    ...{
      energy1_input: 5_000_000,
      power1_input: 7_000_000,
      power1_average: 8_000_000,
      in1_input: 12_000,
      curr1_input: 750,
    },
  });
  const without = (...broken: readonly string[]) => {
    const files = new FakeFiles(content);
    for (const file of broken) files.fail(at(0, file), "io");
    const findings = find(files);
    return [
      sourcesOf(findings).map(({ channels: [channel] }) => `${channel!.type} ${channel!.read()!.value}`),
      findings.length,
    ];
  };
  assertEquals(without(), [["counter 5000000"], 1]);
  assertEquals(without("energy1_input"), [["gauge 7000000"], 2]);
  assertEquals(without("energy1_input", "power1_input"), [["gauge 8000000"], 2]);
  assertEquals(without("energy1_input", "power1_input", "power1_average"), [["gauge 9000000"], 3]);
  assertEquals(without("energy1_input", "power1_input", "power1_average", "in1_input"), [[], 3]);
});

Deno.test("hwmon: files that may not be read are denied with the udev rule of just that chip and file", () => {
  const files = new FakeFiles({
    ...chip(0, { name: "amd_energy", energy1_label: "Esocket0", energy1_input: 5 }),
    ...chip(1, { name: "ina219", power1_input: 2_000_000 }),
  });
  files.deny(at(0, "energy1_input"));
  const findings = find(files);
  assertEquals(findings.map(tell), [
    "denied hwmon:amd_energy@hwmon0/Esocket0",
    "ok hwmon:ina219@hwmon1/power1",
  ]);
  const [denied] = findings;
  assert(denied?.state === "denied");
  assertStringIncludes(
    denied.reason,
    'SUBSYSTEM=="hwmon", ATTR{name}=="amd_energy", RUN+="/usr/bin/chgrp kwaainet-sensors /sys%p/energy1_input", ' +
      'RUN+="/usr/bin/chmod g+r /sys%p/energy1_input"',
  );
});

Deno.test("hwmon: channels that are switched off, not connected or no power at all are left out", () => {
  const files = new FakeFiles({
    ...chip(0, { ...ina3221, in1_label: "NC", in2_enable: 0, in3_label: "VDD" }),
    ...chip(1, { name: "x", power1_input: 5, power1_enable: 0, energy1_input: 7, energy1_enable: 0 }),
    ...chip(2, { name: "sfp_2", power1_label: "RX_power", power1_input: 500 }),
    ...chip(3, { name: "y", power1_label: "TX_power", power1_input: 500 }),
    ...chip(4, { name: "ucsi_source_psy_USBC000:001", in0_input: 5000, curr0_input: 900 }),
    ...chip(5, { name: "rpi_volt", in0_lcrit_alarm: 0 }),
  });
  assertEquals(find(files).map(tell), ["ok hwmon:ina3221@hwmon0/VDD"]);
});

Deno.test("hwmon: the entry's number means nothing: two chips of a kind are told apart by their devices", () => {
  const tree = (first: number, second: number) => `
class/hwmon/hwmon${first}/device -> ../../../1-0040
class/hwmon/hwmon${first}/name = ina219
class/hwmon/hwmon${first}/power1_input = 1000000
class/hwmon/hwmon${second}/device -> ../../../1-0041
class/hwmon/hwmon${second}/name = ina219
class/hwmon/hwmon${second}/power1_input = 2000000`;
  const expected = ["part hwmon:ina219@1-0040/power1 1", "part hwmon:ina219@1-0041/power1 2"];
  assertEquals(seen(find(new FakeFiles(tree(3, 4)))).toSorted(), expected);
  assertEquals(seen(find(new FakeFiles(tree(9, 2)))).toSorted(), expected);
});

Deno.test("hwmon: a chip that is shown by its class and by its bus is one, in whichever way a tree tells", () => {
  const name = chip(1, { name: "ina226", power1_input: 3_000_000 });
  const onBus = Object.fromEntries(
    Object.entries(name).map((
      [path, text],
    ) => [path.replace("class/hwmon", "bus/i2c/devices/0-0040/hwmon"), text]),
  );
  for (const content of [name, onBus, { ...name, ...onBus }]) {
    const ids = find(new FakeFiles(content)).map(tell);
    assertEquals(ids, [`ok hwmon:ina226@${content === name ? "hwmon1" : "0-0040"}/power1`]);
  }
});

Deno.test("hwmon: a whole machine that takes nothing, or more than any does, is a meter that does not work", () => {
  const state = (watts: number, values: Values) =>
    find(new FakeFiles(chip(0, { ...values, power1_input: watts * 1e6 })))[0]!.state;
  const meter = { name: "power_meter" };
  assertEquals([0, 0.5, 1, 181, 10_000, 10_001, 4_294_967].map((watts) => state(watts, meter)), [
    ...["error", "error", "ok", "ok", "ok", "error", "error"] as const,
  ]);
  const labelled = { name: "ina226", power1_label: "VDD_IN" };
  assertEquals([0, 0.3].map((watts) => state(watts, labelled)), ["error", "ok"]);
  // a rail may be off
  assertEquals(state(0, { name: "ina226", power1_label: "VDD_CAM" }), "ok");
});

Deno.test("hwmon: a lone supply monitor is the board's, but not beside a processor or another monitor, nor one with several channels", () => {
  const scopes = (content: Record<string, string>, options: HwmonOptions = {}) =>
    sourcesOf(find(new FakeFiles(content), options)).map(({ scope }) => scope);
  const lone = chip(0, { name: "ina230", in1_input: 12_000, curr1_input: 500 });
  assertEquals(scopes(lone), ["board"]);
  assertEquals(scopes(lone, { mayBeBoard: false }), ["part"]);
  assertEquals(scopes({ ...lone, ...chip(1, { name: "ina219", power1_input: 5 }) }), ["part", "part"]);
  assertEquals(scopes(chip(0, ina3221)), ["part", "part", "part"]);
  assertEquals(scopes(chip(0, { name: "ltc2945", power1_input: 5_000_000 })), ["part"]);
  assertEquals(scopes(chip(0, { name: "whatever", power1_input: 5_000_000 })), ["part"]);
});

Deno.test("hwmon: PMBus labels say which side of a converter it is, and never that it is the board's", () => {
  const files = new FakeFiles({
    ...chip(0, {
      name: "isl68137",
      ...{
        in1_label: "vin1",
        in1_input: 12_000,
        in2_label: "vout1",
        in2_input: 1000,
        in3_label: "vout2",
        in3_input: 2000,
      },
      ...{ curr1_label: "iout1", curr1_input: 9000, curr2_label: "iout2", curr2_input: 4000 },
    }),
    ...chip(1, {
      name: "tps546d24",
      ...{ in1_label: "vin", in1_input: 12_000, in2_label: "vout1", in2_input: 1000 },
      ...{ curr1_label: "iin", curr1_input: 500, curr2_label: "iout1", curr2_input: 5000 },
    }),
  });
  assertEquals(seen(find(files)), [
    "part hwmon:isl68137@hwmon0/pout1 9",
    "part hwmon:isl68137@hwmon0/pout2 8",
    "part hwmon:tps546d24@hwmon1/pin 6",
  ]);
});

Deno.test("hwmon: power supplies that cannot all be read are not the wall", () => {
  const psu = (n: number, watts: number) =>
    chip(n, {
      name: "cffps2",
      power1_label: "pin",
      power1_input: watts * 1e6,
      power2_label: "pout1",
      power2_input: 1,
    });
  const both = new FakeFiles({ ...psu(0, 90), ...psu(1, 80) });
  assertEquals(seen(find(both)), ["wall hwmon:cffps2@hwmon0/pin+hwmon:cffps2@hwmon1/pin 170"]);
  // one that rests takes nothing
  const resting = new FakeFiles({ ...psu(0, 170), ...psu(1, 0) });
  assertEquals(seen(find(resting)), ["wall hwmon:cffps2@hwmon0/pin+hwmon:cffps2@hwmon1/pin 170"]);
  const broken = new FakeFiles({ ...psu(0, 90), ...psu(1, 80) });
  broken.fail(at(1, "power1_input"), "io");
  assertEquals(seen(find(broken)), ["part hwmon:cffps2@hwmon0/pin 90"]);
});

Deno.test("hwmon: of converters behind one another only the first count; mains are known by their voltage", () => {
  const converter = (n: number, name: string, millivolts: number, watts: number) =>
    chip(n, {
      name,
      in1_label: "vin",
      in1_input: millivolts,
      power1_label: "pin",
      power1_input: watts * 1e6,
    });
  const domains = (content: Record<string, string>) =>
    sourcesOf(find(new FakeFiles(content))).map(({ scope, domain }) => `${scope} ${domain}`);
  assertEquals(domains({ ...converter(0, "bmr491", 48_000, 100), ...converter(1, "isl68137", 12_000, 50) }), [
    "part wall/board/rail/hwmon0/pin",
    "part wall/board/rail/hwmon0/pin/hwmon1/pin",
  ]);
  assertEquals(
    domains({ ...converter(0, "isl68137", 12_000, 40), ...converter(1, "isl68137", 11_900, 50) }),
    [
      "part wall/board/rail/hwmon0/pin",
      "part wall/board/rail/hwmon1/pin",
    ],
  );
  assertEquals(domains({ ...converter(0, "isl68137", 12_000, 40), ...converter(1, "adm1278", 12_000, 90) }), [
    "part wall/board/rail/hwmon1/pin/hwmon0/pin",
    "part wall/board/rail/hwmon1/pin",
  ]);
  assertEquals(domains(converter(0, "pmbus", 229_000, 300)), ["wall wall"]);
  assertEquals(domains(converter(0, "pmbus", 54_000, 300)), ["part wall/board/rail/hwmon0/pin"]);
});

Deno.test("hwmon: of unknown chips volts and amperes of one number belong together only if their labels agree", () => {
  const pairs = (values: Values) =>
    find(new FakeFiles(chip(0, { name: "x", in1_input: 12_000, curr1_input: 500, ...values })));
  assertEquals(seen(pairs({})), ["part hwmon:x@hwmon0/curr1 6"]);
  assertEquals(seen(pairs({ in1_label: "Pump voltage", curr1_label: "Pump current" })), [
    "part hwmon:x@hwmon0/Pump_voltage 6",
  ]);
  assertEquals(pairs({ in1_label: "+12V", curr1_label: "CPU 0 VRM" }).map(tell), ["absent hwmon"]);
});

Deno.test("hwmon: graphics by attributes that only cards or only processors have", () => {
  const scope = (values: Values) =>
    seen(find(new FakeFiles(chip(0, { name: "amdgpu", power1_input: 9_000_000, ...values }))))[0]!.split(
      " ",
    )[0];
  assertEquals(scope({ power1_label: "PPT" }), "package");
  assertEquals(scope({ power1_label: "PPT", in1_label: "vddnb", in1_input: 700 }), "package");
  assertEquals(scope({ power1_label: "slowPPT", power1_cap: 15_000_000 }), "package");
  assertEquals(scope({ power1_label: "PPT", power1_cap: 200_000_000 }), "accelerator");
  assertEquals(scope({ power1_label: "PPT", fan1_input: 900 }), "accelerator");
  assertEquals(scope({ power1_label: "PPT", temp2_input: 50_000 }), "accelerator");
  assertEquals(scope({ power1_label: "GPU" }), "accelerator");
  assertEquals(scope({}), "accelerator");
});

Deno.test("hwmon: a card that sleeps is a source without a value, which is not woken up", () => {
  const files = new FakeFiles({
    ...chip(0, { name: "amdgpu", power1_average: 30_000_000, fan1_input: 0 }),
    "class/hwmon/hwmon0/device/power/runtime_status": "suspended",
  });
  const [source] = sourcesOf(find(files));
  assertEquals([source?.scope, source?.channels[0]?.read()], ["accelerator", undefined]);
  assertEquals(files.reads.size, 0);
});

Deno.test("hwmon: figures with the same label have ids of their own, without white space", () => {
  const files = new FakeFiles(chip(0, {
    name: "my chip",
    ...{ power1_label: "Core / Rail", power1_input: 1, power2_label: "Core / Rail", power2_input: 2 },
    ...{ power3_label: `${"x".repeat(500)}\u0007`, power3_input: 3 },
  }));
  const ids = sourcesOf(find(files)).map(({ id }) => id);
  assertEquals(ids.slice(0, 2), ["hwmon:my_chip@hwmon0/Core_Rail", "hwmon:my_chip@hwmon0/Core_Rail#2"]);
  assert(ids.every((id) => /^\S{1,200}$/.test(id)));
});

Deno.test("hwmon: how often a chip has new values is taken from the chip", () => {
  const period = (values: Values) =>
    sourcesOf(find(new FakeFiles(chip(0, { power1_input: 5_000_000, ...values }))))[0]!.channels[0]!
      .minPeriodMs;
  assertEquals(period({ name: "ina226" }), 20);
  assertEquals(period({ name: "ina226", update_interval: 281 }), 281);
  assertEquals(period({ name: "ina226", update_interval: "fast" }), 20);
  assertEquals(period({ name: "power_meter", power1_average_interval: 3000 }), 3000);
  assertEquals(period({ name: "power_meter", power1_average_interval: 600_000 }), 10_000);
});

Deno.test("hwmon: a chip that vanishes has no value, and the others go on", () => {
  const files = new FakeFiles({
    ...chip(0, { name: "ina219", power1_input: 1_000_000 }),
    ...chip(1, { name: "ina219", power1_input: 2_000_000 }),
  });
  const [first, second] = sourcesOf(find(files)).map(({ channels }) => channels[0]!);
  files.remove("/sys/class/hwmon/hwmon0");
  assertEquals([first!.read(), first!.failure], [undefined, "gone"]);
  assertEquals(second!.read()?.value, 2_000_000n);
});

Deno.test("hwmon: nothing stays open, on all stored trees with each file broken in turn", async () => {
  for (const name of storedTrees()) {
    const text = await storedTree(name);
    const paths = new FakeFiles(text).paths.filter((path) => /_(?:input|average)$|name$|_label$/.test(path));
    for (const path of [undefined, ...paths]) {
      const files = new FakeFiles(text);
      if (path !== undefined) {
        [() => files.deny(path), () => files.fail(path, "io")][paths.indexOf(path) % 2]!();
      }
      const sources = sourcesOf(find(files));
      for (const source of sources) await source[Symbol.asyncDispose]();
      assertEquals(files.opened, 0, `${name} ${path}`);
    }
  }
});

Deno.test("hwmon: any tree is looked at without a failure, with ids of their own and figures that can be", () => {
  const draw = draws(42);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)]!;
  const names = [
    "ina3221",
    "amdgpu",
    "power_meter",
    "xe",
    "ltc2992",
    "adm1275",
    "k10temp",
    "ibmpowernv",
    "x y",
    "",
    "tps23861",
  ];
  const values = [
    "5",
    "-5",
    "",
    "x",
    "12000",
    "99999999999999999999",
    "0",
    "4294967295000",
    "1e3",
    " 7 ",
    "\u0000",
  ];
  const labels = ["VDD_IN", "vin", "iout1", "pin", "NC", "System", "Chip 0", "a/b", "", "Total", "PPT"];
  for (let i = 0; i < 400; i++) {
    const content: Record<string, string> = {};
    for (let n = 0; n < 4; n++) {
      Object.assign(content, chip(n, { name: pick(names) }));
      for (let f = 0; f < 12; f++) {
        const channel = `${pick(["in", "curr", "power", "energy"])}${Math.floor(draw() * 4)}`;
        const ending = pick(["input", "average", "label", "enable"]);
        Object.assign(
          content,
          chip(n, { [`${channel}_${ending}`]: pick(ending === "label" ? labels : values) }),
        );
      }
    }
    const files = new FakeFiles(content);
    for (const path of files.paths) if (draw() < 0.05) files.deny(path);
    const sources = sourcesOf(find(files));
    assertEquals(new Set(sources.map(({ id }) => id)).size, sources.length);
    for (const { id, domain, channels } of sources) {
      assert(/^\S+$/.test(id) && /^(?:wall|others)(?:\/|$)/.test(domain), `${id} ${domain}`);
      for (const channel of channels) assert((channel.read()?.value ?? 0n) >= 0n);
    }
  }
});
