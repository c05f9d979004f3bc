/**
 * A node of the DHT at rest: time from start to `listening`, and its memory after a minute with two peers.
 * `node_bench.ts [STARTS] [SECONDS]`; KWAAI_BINARY names a binary, else the source runs.
 */
import { fileURLToPath } from "node:url";

const binary = Deno.env.get("KWAAI_BINARY");
const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
const program = binary === undefined ? [Deno.execPath(), "run", "-A", "--no-check", main] : [binary];
const starts = Number(Deno.args[0] ?? "7");
const seconds = Number(Deno.args[1] ?? "60");

/** A running node, and how long it took to listen. */
async function start(more: readonly string[] = []) {
  const folder = await Deno.makeTempDir();
  const began = performance.now();
  const child = new Deno.Command(program[0]!, {
    args: [
      ...program.slice(1),
      ...[
        "start",
        "--no-serve",
        "--network",
        "private",
        "--listen",
        "/ip4/127.0.0.1/tcp/0",
        "--api",
        "127.0.0.1:0",
      ],
      ...["--data-dir", folder, "--json", ...more],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes('"listening"')) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The node ended before it listened: ${seen}`);
    seen += value;
  }
  const ms = performance.now() - began;
  (async () => {
    while (!(await reader.read()).done);
  })();
  const address = seen.match(/"(\/ip4\/127[^"]+)"/)![1]!;
  return {
    ms,
    address,
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const kilobytes = (text: string, name: string) =>
  Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0);

const times: number[] = [];
for (let i = 0; i < starts; i++) {
  const node = await start();
  times.push(node.ms);
  await node.stop();
}
times.sort((a, b) => a - b);
const hub = await start();
const peers = [await start(["--initial-peers", hub.address]), await start(["--initial-peers", hub.address])];
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const status = await Deno.readTextFile(`/proc/${hub.pid}/status`);
const rollup = await Deno.readTextFile(`/proc/${hub.pid}/smaps_rollup`);
const mib = (kb: number) => (kb / 1024).toFixed(0);
const lines = [
  `start to listening: median ${times[starts >> 1]!.toFixed(0)} ms, ${times[0]!.toFixed(0)} to ${
    times.at(-1)!.toFixed(0)
  }, ${starts} starts`,
  `idle node of the DHT, 2 peers, after ${seconds} s: RSS ${mib(kilobytes(status, "VmRSS"))} MiB, ` +
  `anonymous ${mib(kilobytes(status, "RssAnon"))} MiB, PSS ${mib(kilobytes(rollup, "Pss"))} MiB`,
];
for (const node of [...peers, hub]) await node.stop();
await Deno.stdout.write(
  new TextEncoder().encode(`${binary ?? `source, Deno ${Deno.version.deno}`}\n${lines.join("\n")}\n`),
);
