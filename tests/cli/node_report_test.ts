import { assertEquals } from "@std/assert";
import { reportJson, reportLines } from "../../src/cli/node_report.ts";
import { Output } from "../../src/cli/output.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { fakeWorld } from "../support/world.ts";

const blocks = { start: 0, end: 8 };
const served = { model: "tiny", prefix: "tiny-hf", blocks, engine: "ggml" } as const;
const announced: NodeEvent = {
  kind: "announced",
  blocks,
  acceptedBy: ["A", "B"],
  modelInfo: true,
  expiresAtMs: 1_700_000_240_000.5,
  entries: 9,
  valid: 9,
};
const EVENTS: NodeEvent[] = [
  { kind: "listening", peerId: "P", addresses: ["/ip4/1.2.3.4/tcp/5/p2p/P"] },
  { kind: "progress", text: "Loading blocks 0:8" },
  { kind: "answering", api: "http://127.0.0.1:8080" },
  { kind: "degraded", what: "network", why: "nobody answers" },
  { kind: "degraded", what: "engine", why: "it died" },
  { kind: "recovered", what: "engine" },
  { kind: "recovered", what: "network" },
  { kind: "loaded", ...served, weightBytes: 2_500_000, loadMs: 1234.5 },
  announced,
  {
    kind: "ready",
    peerId: "P",
    addresses: ["/ip4/1.2.3.4/tcp/5/p2p/P"],
    api: "http://127.0.0.1:8080",
    served,
    version: "0.1.0",
  },
  announced,
];

function written(make: (output: Output) => (event: NodeEvent) => void): { out: string[]; err: string[] } {
  const texts = { out: "", err: "" };
  const sink = (name: "out" | "err") => ({
    writeSync: (bytes: Uint8Array) => {
      texts[name] += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  const tell = make(new Output(sink("out"), sink("err")));
  for (const event of EVENTS) tell(event);
  return { out: texts.out.trim().split("\n"), err: texts.err.trim().split("\n") };
}

Deno.test("reportLines prints the four lines of a serving node in their order and once", () => {
  const { out, err } = written(reportLines);
  assertEquals(err, ["Loading blocks 0:8"]);
  assertEquals(out, [
    "Listening on /ip4/1.2.3.4/tcp/5/p2p/P",
    "Degraded: network: nobody answers",
    "Local API at http://127.0.0.1:8080 (it answers meanwhile)",
    "Degraded: engine: it died",
    "Recovered: engine",
    "Recovered: network",
    "Loaded blocks 0:8 of tiny with ggml (2.5 MB, 1.2 s)",
    "Announced 8 blocks to 2 bootstrap peers",
    "Announced model info to _petals.models",
    "DHT storage: 9 entries, 9 valid",
    "[STATUS] Node is running!",
    "Local API at http://127.0.0.1:8080",
  ]);
});

Deno.test("reportJson writes every event with the fields that the contract names, and nothing else on stdout", () => {
  const { out } = written((output) => reportJson(output, fakeWorld().clock));
  const objects = out.map((line) => JSON.parse(line));
  assertEquals(objects.map(({ event }) => event), [
    "listening",
    "degraded",
    "degraded",
    "recovered",
    "recovered",
    "loaded",
    "announced",
    "ready",
    "announced",
  ]);
  const at = 1_700_000_000_000;
  const fields = { model: "tiny", prefix: "tiny-hf", blocks: [0, 8], engine: "ggml" };
  assertEquals(objects.slice(5, 8), [
    { event: "loaded", at, ...fields, weightBytes: 2_500_000, loadMs: 1235 },
    { event: "announced", at, blocks: [0, 8], acceptedBy: ["A", "B"], expiresAt: 1_700_000_240_001 },
    {
      event: "ready",
      at,
      peerId: "P",
      addresses: ["/ip4/1.2.3.4/tcp/5/p2p/P"],
      api: "http://127.0.0.1:8080",
      ...fields,
      version: "0.1.0",
    },
  ]);
});
