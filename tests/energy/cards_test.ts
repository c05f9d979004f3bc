import { assert, assertEquals, assertMatch } from "@std/assert";
import { findAmdsmi } from "../../src/energy/sources/amdsmi.ts";
import { openAmdsmi } from "../../src/energy/sources/amdsmi_ffi.ts";
import { findIpmi, parseDcmi } from "../../src/energy/sources/ipmi.ts";
import { findNvml } from "../../src/energy/sources/nvml.ts";
import { openNvml } from "../../src/energy/sources/nvml_ffi.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { fakeWorld } from "../support/world.ts";

const sourceOf = (name: string) => new URL(`../support/${name}.c`, import.meta.url).pathname;
const never = new AbortController().signal;
const compiler = await new Deno.Command("sh", {
  args: ["-c", "command -v cc || command -v gcc"],
  stdout: "piped",
})
  .output().then(({ stdout }) => new TextDecoder().decode(stdout).trim());
const ignore = compiler === "";
const WHY = ignore ? " (skipped: there is no C compiler)" : "";

/** A library that is called as the real one is. */
async function fakeLibrary(folder: string, name: string, ...flags: string[]): Promise<string> {
  const path = `${folder}/${name}.so`;
  const { success, stderr } = await new Deno.Command(compiler, {
    args: ["-shared", "-fPIC", ...flags, "-o", path, sourceOf(name)],
    stderr: "piped",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return path;
}

Deno.test({
  name: `findNvml takes a card's energy counter, and its power where it has none${WHY}`,
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    const path = await fakeLibrary(folder.path, "fake_nvml");
    const findings = await findNvml(fakeWorld(), () => openNvml(path));
    const seen: unknown[] = [];
    for (const finding of findings) {
      assert(finding.state === "ok");
      const { id, scope, channels: [channel], domain } = finding.source;
      await (channel as unknown as { asked: Promise<void> }).asked;
      seen.push([id, scope, domain, channel!.type, channel!.read()!.value]);
      await finding.source[Symbol.asyncDispose]();
    }
    assertEquals(seen, [
      // 500 mJ more with each reading: the second one
      ["nvml:GPU-one", "accelerator", "wall/board/accelerator/nvml:GPU-one", "counter", 2_000_000n],
      ["nvml:GPU-two", "accelerator", "wall/board/accelerator/nvml:GPU-two", "gauge", 60_000_000n],
    ]);
  },
});

Deno.test({
  name: `findNvml does not believe a library that starts and then supports nothing, as on Jetson${WHY}`,
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    const path = await fakeLibrary(folder.path, "fake_nvml", "-DJETSON");
    const [finding] = await findNvml(fakeWorld(), () => openNvml(path));
    assert(finding?.state === "error");
    assertMatch(
      finding.reason,
      /read energy by NVML: not supported; Cannot read power by NVML: not supported/,
    );
  },
});

Deno.test("findNvml says that there is no library where there is none", async () => {
  const [finding] = await findNvml(fakeWorld(), () => openNvml("/nowhere/libnvidia-ml.so.1"));
  assertEquals([finding!.state, finding!.state !== "ok" && finding!.reason], [
    "absent",
    "Cannot ask NVML: there is no /nowhere/libnvidia-ml.so.1",
  ]);
});

Deno.test({
  name:
    `findAmdsmi takes cards that count energy, in the library's own unit, and says of others why not${WHY}`,
  ignore,
  async fn() {
    await using folder = await temporaryFolder();
    const path = await fakeLibrary(folder.path, "fake_amdsmi");
    const [first, second] = await findAmdsmi(fakeWorld(), () => openAmdsmi(path));
    assert(first?.state === "ok" && second?.state === "error");
    const [channel] = first.source.channels;
    await (channel as unknown as { asked: Promise<void> }).asked;
    const microjoules = Number(channel!.read()!.value);
    assert(Math.abs(microjoules / (1_002_000 * 15.3) - 1) < 1e-6, `${microjoules}`);
    assertMatch(second.reason, /not supported/);
    await first.source[Symbol.asyncDispose]();
  },
});

Deno.test("parseDcmi reads what ipmitool prints, and refuses what is switched off or senseless", () => {
  const print = (watts: string, state = "activated") =>
    `\n    Instantaneous power reading:                   ${watts} Watts\n    Minimum during sampling period:                 10 Watts\n` +
    `    Power reading state is:                   ${state}\n`;
  assertEquals(parseDcmi(print("212")), 212_000_000n);
  for (const bad of [print("212", "deactivated"), print("999999"), print("-3"), "", "Watts"]) {
    let failed = false;
    try {
      parseDcmi(bad);
    } catch {
      failed = true;
    }
    assert(failed, bad);
  }
});

Deno.test("findIpmi asks ipmitool only where it is wanted", async () => {
  assertEquals(await findIpmi(fakeWorld(), { wanted: false, hasController: false }, never), []);
  await using folder = await temporaryFolder();
  const script =
    "#!/bin/sh\n[ \"$*\" = 'dcmi power reading' ] && echo ' Instantaneous power reading:   88 Watts'\n";
  await Deno.writeTextFile(`${folder.path}/ipmitool`, script, { mode: 0o755 });
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `${folder.path}:${path}`);
  try {
    const [finding] = await findIpmi(fakeWorld(), { wanted: true, hasController: false }, never);
    assert(finding?.state === "ok");
    assertEquals(finding.source.scope, "board");
    await finding.source[Symbol.asyncDispose]();
  } finally {
    Deno.env.set("PATH", path);
  }
  Deno.env.set("PATH", folder.path.slice(0, -1));
  try {
    const [finding] = await findIpmi(fakeWorld(), { wanted: true, hasController: false }, never);
    assert(finding?.state === "error");
    assertMatch(finding.reason, /no such program/);
  } finally {
    Deno.env.set("PATH", path);
  }
});
