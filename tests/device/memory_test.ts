import { assertEquals } from "@std/assert";
import { readCpu } from "../../src/device/cpu.ts";
import { readMachine } from "../../src/device/machine.ts";
import { ownMemoryBytes, readMemory } from "../../src/device/memory.ts";
import { openSystemFiles, type TextFiles } from "../../src/device/sysfs.ts";

const filesOf = (texts: Record<string, string>): TextFiles => ({
  readText: (path) => texts[path],
  list: () => [],
});
const MIB = 2 ** 20;
const MEMINFO = `MemTotal:  ${4096 * 1024} kB\nMemFree: 1 kB\nMemAvailable:  ${2048 * 1024} kB\n`;

Deno.test("readMemory takes the tightest control group above the process, its file cache apart", () => {
  const files = filesOf({
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "0::/system.slice/kwaainet.service\n",
    "/sys/fs/cgroup/system.slice/kwaainet.service/memory.max": "max",
    "/sys/fs/cgroup/system.slice/memory.max": String(400 * MIB),
    "/sys/fs/cgroup/system.slice/memory.current": String(300 * MIB),
    "/sys/fs/cgroup/system.slice/memory.stat": `anon 5\ninactive_file ${100 * MIB}\n`,
  });
  assertEquals(readMemory(files), { totalBytes: 400 * MIB, availableBytes: 200 * MIB });
});

Deno.test("readMemory knows both versions of control groups and no limit at all", () => {
  const plain = filesOf({ "/proc/meminfo": MEMINFO });
  assertEquals(readMemory(plain), { totalBytes: 4096 * MIB, availableBytes: 2048 * MIB });
  const v1 = filesOf({
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "9:memory:/docker/x\n8:cpu,cpuacct:/docker/x",
    "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": String(1000 * MIB),
    "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": String(400 * MIB),
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
  });
  assertEquals(readMemory(v1), { totalBytes: 1000 * MIB, availableBytes: 600 * MIB });
  assertEquals(readMemory(filesOf({})), undefined);
});

Deno.test("readCpu counts the cores that affinity and quota leave", () => {
  const files = filesOf({
    "/proc/cpuinfo": "processor : 0\nmodel name\t: Some CPU @ 2 GHz\n",
    "/proc/self/status": "Name: x\nCpus_allowed_list:\t0-3,8\n",
    "/proc/self/cgroup": "0::/a",
    "/sys/fs/cgroup/a/cpu.max": "250000 100000",
  });
  assertEquals(readCpu(files, 16), { name: "Some CPU @ 2 GHz", cores: 2 });
  assertEquals(readCpu(filesOf({}), 4), { name: "unknown processor", cores: 4 });
});

Deno.test("openSystemFiles reads from given roots; what is absent is an answer", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/proc/device-tree`, { recursive: true });
    await Deno.writeTextFile(`${root}/proc/device-tree/model`, "Raspberry Pi 5 Model B Rev 1.0\0");
    const files = openSystemFiles({ sysfs: `${root}/sys`, procfs: `${root}/proc` });
    assertEquals(readMachine(files, "aarch64"), {
      arch: "aarch64",
      board: "Raspberry Pi 5 Model B Rev 1.0",
      openwrt: false,
    });
    assertEquals(files.list("/sys/class/thermal"), []);
    assertEquals(files.list("/proc/device-tree"), ["model"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("ownMemoryBytes tells the resident memory of this process, and nothing where that cannot be read", () => {
  const status = (text: string) => ownMemoryBytes(filesOf({ "/proc/self/status": text }));
  assertEquals(status("Name:\tdeno\nVmPeak:\t 9000 kB\nVmRSS:\t    1234 kB\nThreads:\t3"), 1234 * 1024);
  assertEquals([status("VmRSS:\t-1 kB"), status(""), ownMemoryBytes(filesOf({}))], [
    undefined,
    undefined,
    undefined,
  ]);
});
