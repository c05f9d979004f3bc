/**
 * What metering costs: processor time of this process with a meter of eight files at 10 Hz, beside that of a process
 * that only wakes ten times a second, and of one that sleeps. `deno run -A tests/bench/energy_bench.ts [SECONDS]`; prints one JSON object.
 */
import process from "node:process";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { openCpuLoad } from "../../src/device/cpu_load.ts";
import { openSystemFiles } from "../../src/device/sysfs.ts";
import { openMeter } from "../../src/energy/meter.ts";
import type { EnergyChannel, Finding } from "../../src/energy/types.ts";

const seconds = Number(Deno.args[0] ?? 30);
const CHANNELS = 8;
const world = openSystemWorld({ level: "warn", json: false });
const root = await Deno.makeTempDir();
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Percent of one core that passes while `seconds` do. */
async function corePercent(): Promise<number> {
  const before = process.cpuUsage(), startedAt = performance.now();
  await pause(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 10 / (performance.now() - startedAt);
}

const files = openSystemFiles({ sysfs: root, procfs: "/proc" });
const channels: EnergyChannel[] = [];
for (let i = 0; i < CHANNELS; i++) {
  await Deno.writeTextFile(`${root}/energy${i}`, "123456789012\n");
  const file = files.openNumber(`/sys/energy${i}`);
  channels.push({
    id: `energy${i}`,
    type: "counter",
    minPeriodMs: 1,
    relativeUncertainty: 0.05,
    read() {
      const value = file.read();
      const atMs = world.clock.monotonic();
      // the file stands still, what it stands for does not
      return value === undefined ? undefined : { atMs, value: value + BigInt(Math.round(atMs * 1000)) };
    },
  });
}
await pause(2000);
const asleep = await corePercent();
const end = new AbortController();
const waking = (async () => {
  while (!end.signal.aborted) await world.clock.sleep(100, end.signal).catch(() => {});
})();
await pause(2000);
const timer = await corePercent();
end.abort();
await waking;
const cpu = openCpuLoad(files);
const finding: Finding = {
  state: "ok",
  source: {
    id: "eight",
    kind: "measured",
    scope: "board",
    domain: "wall/board",
    channels,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  },
};
const rssBefore = Deno.memoryUsage().rss;
await using meter = openMeter(world, [finding], { cpu, rates: { servingMs: 100, idleMs: 100 } });
// the compiler has work to do at first
await pause(60_000);
const withMeter = await corePercent();
const { samples, samplerSeconds } = meter.snapshot();
const said = JSON.stringify({
  deno: Deno.version.deno,
  channels: CHANNELS,
  seconds,
  corePercentAsleep: +asleep.toFixed(3),
  corePercentOfTimer: +timer.toFixed(3),
  corePercentOfMeter: +withMeter.toFixed(3),
  microsecondsPerSample: +(samplerSeconds / samples * 1e6).toFixed(1),
  samples,
  rssGrowthKiB: Math.round((Deno.memoryUsage().rss - rssBefore) / 1024),
});
Deno.stdout.writeSync(new TextEncoder().encode(`${said}\n`));
await Deno.remove(root, { recursive: true });
