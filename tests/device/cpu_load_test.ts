import { assertEquals } from "@std/assert";
import { openCpuLoad, parseCpuTimes } from "../../src/device/cpu_load.ts";
import { openSystemFiles } from "../../src/device/sysfs.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

Deno.test("parseCpuTimes takes lines of old and new kernels, and nothing else", () => {
  assertEquals(parseCpuTimes("cpu  1 2 3 4\ncpu0 …"), { busyMs: 60, totalMs: 100 });
  assertEquals(parseCpuTimes("cpu  1 0 0 4 1 1 1 9 1 1 7\n"), { busyMs: 30, totalMs: 80 });
  for (
    const bad of [
      "",
      "cpu",
      "cpu  1 2 3\n",
      "cpu0 1 2 3 4\n",
      "cpu  1 2 -3 4\n",
      "cpu  1 2 3 4",
      "cpu  a b c d\n",
    ]
  ) {
    assertEquals(parseCpuTimes(bad), undefined);
  }
});

Deno.test("openCpuLoad follows a file that changes, and says nothing where there is none", async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  const files = openSystemFiles({ sysfs: "/sys", procfs: folder });
  using absent = openCpuLoad(files);
  assertEquals(absent.read(), undefined);
  await Deno.writeTextFile(`${folder}/stat`, `cpu  1 0 0 9\n${"cpu0 1 0 0 9\n".repeat(500)}`);
  using load = openCpuLoad(files);
  assertEquals(load.read(), { busyMs: 10, totalMs: 100 });
  const file = await Deno.open(`${folder}/stat`, { write: true });
  await file.write(new TextEncoder().encode("cpu  3 0 0 9\n"));
  file.close();
  assertEquals(load.read(), { busyMs: 30, totalMs: 120 });
});
