import { assert, assertEquals, assertMatch } from "@std/assert";
import { exposition, wantsOpenMetrics } from "../../src/api/metrics.ts";
import type { MetricsInput } from "../../src/api/metrics_input.ts";
import type { SourceFigure } from "../../src/energy/types.ts";

const source = (id: string, change: Partial<SourceFigure> = {}): SourceFigure => ({
  id,
  kind: "measured",
  scope: "package",
  domain: "wall/board/platform/socket0/package",
  watts: 12.5,
  joules: 1234.5,
  uncertainty: 0.05,
  state: "ok",
  counted: true,
  failures: {},
  ...change,
});

const SIX = [
  source("rapl:package-0"),
  source("rapl:package-0/core", { scope: "part", counted: false }),
  source("rapl:psys", { scope: "board", failures: { io: 3, busy: 1 } }),
  source("hwmon:ina3221@1-0040/VDD_CPU", { scope: "part" }),
  source("shelly:192.0.2.7", { scope: "wall", watts: null }),
  source("battery", { state: "denied", watts: null, joules: null, uncertainty: null, domain: null }),
];

function input(sources: readonly SourceFigure[], change: Partial<MetricsInput["energy"]> = {}): MetricsInput {
  const node = {
    watts: 12.5,
    joules: 1234.5,
    kind: "measured" as const,
    scope: "package" as const,
    source: "rapl:package-0",
    uncertainty: 0.05,
    coverage: 1,
  };
  return {
    status: {
      schema: 1,
      version: "0.1.0",
      peerId: "12D3KooSecret",
      addresses: ["/ip4/192.0.2.9/tcp/1"],
      network: "private",
      reachability: { state: "unknown", reason: "" },
      dht: { peers: 3, entries: 9, valid: 9, lastAnnounceAt: null },
      serving: null,
      energy: node,
      work: {
        steps: 7,
        failedSteps: 2,
        tokens: 30,
        prefillTokens: 20,
        bytesIn: 5,
        bytesOut: 6,
        computeMs: 1500,
      },
      policy: { action: "contribute", share: 1, because: [] },
      readiness: { ready: true },
      degraded: [],
      uptimeSeconds: 60,
    },
    energy: {
      node,
      sources,
      accounts: { serve: 10, idle: 20, other: 30 },
      tokens: 30,
      joulesPerToken: { dynamic: 0.3, full: 41.15 },
      recentJoulesPerToken: { dynamic: 0.3, full: null },
      idleWatts: 3,
      samples: 600,
      samplerSeconds: 0.06,
      ...change,
    },
    sums: {
      accounts: { serve: 9_000_000n, idle: 20_000_000n, other: 30_000_000n },
      overhead: 4_000_000n,
      tokens: 30,
      blockTokens: 60,
      measuredMs: 1,
      elapsedMs: 1,
      kind: "measured",
      uncertainty: 0.05,
    },
    byKind: new Map([["measured", 1_234_500_000n]]),
  };
}

Deno.test("exposition tells energy in base units, settled where it must not go back, and nothing where nothing is known", async () => {
  const { text, contentType } = await exposition(input(SIX), false);
  assertMatch(contentType, /^text\/plain/);
  const lines = text.split("\n");
  for (
    const line of [
      'kwaai_energy_node_joules_total{kind="measured"} 1234.5',
      'kwaai_energy_attributed_joules_total{account="serve"} 9',
      'kwaai_energy_attributed_joules_total{account="other"} 26',
      'kwaai_energy_attributed_joules_total{account="node_overhead"} 4',
      'kwaai_tokens_total{phase="decode"} 10',
      'kwaai_steps_total{outcome="failed"} 2',
      'kwaai_energy_joules_per_token{window="5m",basis="dynamic"} 0.3',
      'kwaai_energy_sensor_errors_total{source="rapl:psys",reason="io"} 3',
      "kwaai_compute_seconds_total 1.5",
      'kwaai_energy_source_up{source="battery",state="denied"} 0',
      'kwaai_energy_joules_total{source="shelly",device="192.0.2.7",domain="wall/board/platform/socket0/package",scope="wall",kind="measured"} 1234.5',
    ]
  ) assert(lines.includes(line), `${line}\nin\n${text}`);
  // unknown figures have no series at all
  assertEquals(lines.filter((line) => line.startsWith('kwaai_power_watts{source="shelly"')), []);
  assertEquals(lines.filter((line) => line.includes('basis="full"')), []);
  assertEquals(lines.filter((line) => line.includes("kwaai_sessions ")), []);
  assert(!text.includes("12D3Koo") && !text.includes("192.0.2.9"), "no peer and no address of ours");
});

Deno.test("exposition of six sources takes less than 6 kB, and none tells none", async () => {
  const { text } = await exposition(input(SIX), false);
  assert(text.length <= 6000, `${text.length} bytes`);
  const none = await exposition(input([], { idleWatts: null }), false);
  assert(!/kwaai_energy_joules_total|kwaai_idle_power_watts/.test(none.text));
});

Deno.test("exposition escapes what a sensor's name may hold", async () => {
  const { text } = await exposition(input([source('hwmon:x@"y"\\z\n{}/a')]), false);
  assert(text.includes('device="x@\\"y\\"\\\\z\\n{}/a"'), text);
});

Deno.test("exposition in OpenMetrics ends as it must, and is given to who asks", async () => {
  const { text, contentType } = await exposition(input(SIX), true);
  assertMatch(contentType, /^application\/openmetrics-text/);
  assert(text.endsWith("# EOF\n"));
  assert(wantsOpenMetrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
  assert(!wantsOpenMetrics("text/plain") && !wantsOpenMetrics(undefined));
});
