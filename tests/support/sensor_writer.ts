/**
 * A RAPL zone that moves: `sensor_writer.ts ROOT MAX_MICROJOULES`. It writes `class/powercap/intel-rapl:0` under ROOT every
 * millisecond or so, in place and at a fixed width, as a reader keeps the file open. Lines of stdin set the power in
 * watts, `reset` begins the counter anew; the end of stdin ends it. What the counter stood for goes to ROOT/exact.csv: Unix ms, joules since the start.
 */
const [root, range] = Deno.args as [string, string];
const zone = `${root}/class/powercap/intel-rapl:0`;
await Deno.mkdir(zone, { recursive: true });
const max = Number(range);
await Deno.writeTextFile(`${zone}/name`, "package-0\n");
await Deno.writeTextFile(`${zone}/max_energy_range_uj`, `${max}\n`);
const file = await Deno.open(`${zone}/energy_uj`, { write: true, create: true });
const log = await Deno.open(`${root}/exact.csv`, { write: true, create: true, append: true });
const encoder = new TextEncoder();

let watts = 3, microjoules = 0, offset = 0, last = performance.now(), logged = -Infinity, ended = false;
function write(): void {
  const now = performance.now();
  microjoules += watts * (now - last) * 1000;
  last = now;
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(encoder.encode(`${String(Math.floor(microjoules - offset) % max).padStart(15, "0")}\n`));
  if (now - logged < 5) return;
  logged = now;
  log.writeSync(encoder.encode(`${Date.now()},${(microjoules / 1e6).toFixed(6)}\n`));
}
write();
Deno.stdout.writeSync(encoder.encode("ready\n"));
const reading = (async () => {
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const line = chunk.trim().split("\n").at(-1)!;
    write();
    if (line === "reset") offset = microjoules;
    else if (line !== "") watts = Number(line);
  }
  ended = true;
})();
const until = performance.now() + 600_000;
while (!ended && performance.now() < until) {
  write();
  await new Promise((resolve) => setTimeout(resolve, 1));
}
await reading;
