import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findRapl } from "../../src/energy/sources/rapl.ts";
import type { EnergySource, Finding } from "../../src/energy/types.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { storedTree } from "../support/sysfs_tree.ts";
import { fakeWorld } from "../support/world.ts";

const zone = (entry: string, name: string, energy: number | bigint, range = "262143328850") => ({
  [`class/powercap/${entry}/name`]: name,
  [`class/powercap/${entry}/energy_uj`]: `${energy}`,
  [`class/powercap/${entry}/max_energy_range_uj`]: range,
});

const tell = (finding: Finding): string =>
  finding.state === "ok" ? `ok ${finding.source.id}` : `${finding.state} ${finding.id}`;

const sourcesOf = (findings: readonly Finding[]): EnergySource[] =>
  findings.flatMap((finding) => finding.state === "ok" ? [finding.source] : []);

const find = (files: FakeFiles) => findRapl(fakeWorld(), files);

Deno.test("findRapl gives counters with their range, and places what lies in what", () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0", 111_000_000_000n),
    ...zone("intel-rapl:0:0", "core", 5),
    ...zone("intel-rapl:0:1", "dram", 6, "65712999613"),
    ...zone("intel-rapl:1", "psys", 7, "not a number"),
    "class/powercap/intel-rapl/enabled": "1",
  });
  const sources = sourcesOf(find(files));
  assertEquals(sources.map(({ id, scope, domain }) => [id, scope, domain]), [
    ["rapl:package-0", "package", "wall/board/platform/socket0/package"],
    ["rapl:package-0/core", "part", "wall/board/platform/socket0/package/core"],
    ["rapl:package-0/dram", "part", "wall/board/platform/dram0"],
    ["rapl:psys", "board", "wall/board"],
  ]);
  const channels = sources.map(({ channels }) => channels[0]!);
  assertEquals(channels.map(({ type, maxMicrojoules }) => [type, maxMicrojoules]), [
    ["counter", 262_143_328_850n],
    ["counter", 262_143_328_850n],
    ["counter", 65_712_999_613n],
    ["counter", undefined],
  ]);
  assertEquals(channels.map(({ relativeUncertainty }) => relativeUncertainty), [0.05, 0.05, 0.05, 0.3]);
});

Deno.test("findRapl follows a counter that moves", () => {
  const files = new FakeFiles(zone("intel-rapl:0", "package-0", 1));
  const [{ channels: [channel] }] = sourcesOf(find(files)) as [EnergySource];
  for (const value of [5n, 262_143_328_849n, 3n]) {
    files.set("/sys/class/powercap/intel-rapl:0/energy_uj", value);
    assertEquals(channel!.read()?.value, value);
  }
});

Deno.test("findRapl tells of zones that only root may read, with the udev rule that lets a group", () => {
  const files = new FakeFiles({
    ...zone("intel-rapl:0", "package-0", 5),
    ...zone("intel-rapl:0:0", "core", 5),
  });
  for (const path of files.paths.filter((path) => path.endsWith("energy_uj"))) files.deny(path);
  const findings = find(files);
  assertEquals(findings.map(tell), ["denied rapl:package-0", "denied rapl:package-0/core"]);
  for (const finding of findings) {
    assert(finding.state === "denied");
    assertStringIncludes(
      finding.reason,
      'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", RUN+="/usr/bin/chgrp kwaainet-sensors /sys%p/energy_uj", ' +
        'RUN+="/usr/bin/chmod g+r /sys%p/energy_uj"',
    );
  }
  assertEquals(files.opened, 0);
});

Deno.test("findRapl reads a zone by its other interface where the first is denied or broken", () => {
  const content = {
    ...zone("intel-rapl:0", "package-0", 5_000_000_000n),
    ...zone("intel-rapl-mmio:0", "package-0", 5_000_000_001n),
  };
  const denied = new FakeFiles(content);
  denied.deny("/sys/class/powercap/intel-rapl:0/energy_uj");
  const broken = new FakeFiles(content);
  broken.fail("/sys/class/powercap/intel-rapl:0/energy_uj", "io");
  for (const files of [denied, broken]) {
    const findings = find(files);
    assertEquals(findings.map(tell).toSorted(), [
      "excluded rapl:package-0@intel-rapl:0",
      "ok rapl:package-0",
    ]);
    assertEquals(sourcesOf(findings)[0]!.channels[0]!.read()?.value, 5_000_000_001n);
  }
});

Deno.test("findRapl: one broken zone leaves the others as they are", () => {
  const content = {
    ...zone("intel-rapl:0", "package-0", 5_000_000_000n),
    ...zone("intel-rapl:0:0", "dram", 4_000_000_000n),
    ...zone("intel-rapl:1", "package-1", 9_000_000_000n),
  };
  const all = ["ok rapl:package-0", "ok rapl:package-0/dram", "ok rapl:package-1"];
  for (const path of new FakeFiles(content).paths) {
    const isEnergy = path.endsWith("energy_uj");
    for (const harm of ["remove", "garble", "break"] as const) {
      const files = new FakeFiles(content);
      if (harm === "remove") files.remove(path);
      else if (harm === "garble") files.set(path, "\u0000?");
      else files.fail(path, "io");
      const found = find(files).map(tell).filter((line) => line.startsWith("ok"));
      const entry = path.split("/")[4]!;
      const hurt = isEnergy || path.endsWith("/name")
        ? ["intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"].indexOf(entry)
        : -1;
      for (const [i, line] of all.entries()) {
        // without its name a package cannot be told from another: what lies in it goes with it
        if (i !== hurt && !(entry === "intel-rapl:0" && path.endsWith("/name") && i === 1)) {
          assert(found.includes(line), `${harm} ${path}: ${line} is missing`);
        }
      }
    }
  }
});

Deno.test("findRapl: zones that show the same number are one, unless they have hardly begun", () => {
  const two = (value: bigint, apart: bigint) =>
    find(
      new FakeFiles({
        ...zone("intel-rapl:0", "package-0", value),
        ...zone("intel-rapl:1", "package-1", value + apart),
        ...zone("intel-rapl:1:0", "core", 77),
      }),
    ).map(tell);
  assertEquals(two(240_000_000_000n, 60_000n), [
    "ok rapl:package-0",
    "excluded rapl:package-1",
    "excluded rapl:package-1/core",
  ]);
  assertEquals(two(240_000_000_000n, 1_000_000n)[1], "ok rapl:package-1");
  assertEquals(two(500_000_000n, 0n)[1], "ok rapl:package-1");
  assertEquals(two(0n, 0n)[1], "ok rapl:package-1");
});

Deno.test("findRapl finds zones that lie only in their parents' folders, each once", () => {
  const nested = Object.fromEntries(
    Object.entries({
      ...zone("intel-rapl:0", "package-0", 5),
      ...zone("intel-rapl:0/intel-rapl:0:0", "core", 6),
    })
      .map(([path, text]) => [path.replace("powercap/", "powercap/intel-rapl/"), text]),
  );
  const both = { ...nested, ...zone("intel-rapl:0", "package-0", 5), ...zone("intel-rapl:0:0", "core", 6) };
  for (const content of [nested, both]) {
    assertEquals(find(new FakeFiles(content)).map(tell), ["ok rapl:package-0", "ok rapl:package-0/core"]);
  }
});

Deno.test("findRapl says so where there is nothing, and never throws for what it finds", () => {
  const [finding] = find(new FakeFiles());
  assertEquals(finding === undefined ? "" : tell(finding), "absent rapl");
  const odd = new FakeFiles({
    ...zone("intel-rapl:0", "../../etc", 5),
    ...zone("intel-rapl:1", "", 5),
    ...zone("intel-rapl:2", "package-99999999999999999999", -5),
    ...zone("intel-rapl:z:z", "core", 5),
    "class/powercap/intel-rapl:9:9:9/name": "core",
  });
  for (const one of find(odd)) assert(one.state !== "ok" || one.source.channels.length === 1);
});

Deno.test("findRapl closes what it excludes, and all of the rest when disposed", async () => {
  for (const name of ["amd-threadripper-dies", "intel-client-mmio", "intel-server-two-platforms"]) {
    const files = new FakeFiles(await storedTree(name));
    const sources = sourcesOf(find(files));
    assertEquals(files.opened, sources.length, name);
    for (const source of sources) await source[Symbol.asyncDispose]();
    assertEquals(files.opened, 0, name);
  }
});
