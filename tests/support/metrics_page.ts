/** What pages of metrics are made from, for tests and benchmarks. */
import type { MetricsInput } from "../../src/api/metrics_input.ts";
import type { StatusDocument } from "../../src/api/status.ts";
import type { CarbonSnapshot } from "../../src/energy/carbon/books.ts";
import type { SourceFigure } from "../../src/energy/types.ts";

/** A source that gives values. */
export const source = (id: string, change: Partial<SourceFigure> = {}): SourceFigure => ({
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

const UNKNOWN = { watts: null, joules: null, uncertainty: null, domain: null } as const;

/** Six sources, of which some know nothing. */
export const SIX: readonly SourceFigure[] = [
  source("rapl:package-0"),
  source("rapl:package-0/core", { scope: "part", counted: false }),
  source("rapl:psys", { scope: "board", failures: { io: 3, busy: 1 } }),
  source("hwmon:ina3221@1-0040/VDD_CPU", { scope: "part" }),
  source("shelly:192.0.2.7", { scope: "wall", watts: null }),
  source("battery", { ...UNKNOWN, state: "denied" }),
];

/** A node of the DHT with these sources. */
export function input(
  sources: readonly SourceFigure[],
  change: Partial<MetricsInput["energy"]> = {},
): MetricsInput {
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
      policy: { action: "contribute", share: 1, because: [] } as unknown as StatusDocument["policy"],
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

const FULL = input([
  source("rapl:package-0"),
  source("rapl:package-0/core", {
    scope: "part",
    domain: "wall/board/platform/socket0/package/core",
    counted: false,
  }),
  source("rapl:psys", { scope: "board", domain: "wall/board", failures: { io: 3, busy: 1 } }),
  source("hwmon:ina3221@1-0040/VDD_CPU_GPU_CV", {
    scope: "part",
    domain: "wall/board/rail/VDD_CPU_GPU_CV",
    counted: false,
  }),
  source("shelly:192.0.2.7", { scope: "wall", domain: "wall", counted: false }),
  source("nvml:GPU-a1b2c3d4-e5f6-7890-abcd-ef1234567890", {
    scope: "accelerator",
    domain: "wall/board/accelerator0",
    counted: false,
  }),
  ...["battery", "hwmon", "amdsmi", "model"].map((id) => source(id, { ...UNKNOWN, state: "absent" })),
].map((one) => one.state === "ok" ? { ...one, joules: 123_456.789012, watts: 12.345678 } : one));
/** A node that serves and has carbon and own power, with figures as long as they get. */
export const FULL_NODE: MetricsInput = {
  ...FULL,
  status: {
    ...FULL.status,
    serving: { model: "m", prefix: "p", blocks: [0, 8], engine: "ggml", sessions: 3, cacheTokensLeft: 20480 },
    work: {
      steps: 712_345,
      failedSteps: 2,
      tokens: 812_345,
      prefillTokens: 212_345,
      bytesIn: 512_345_678,
      bytesOut: 512_345_678,
      computeMs: 15_001_234,
    },
    uptimeSeconds: 612_345.678,
  },
  carbon: {
    snapshot: {
      zone: "DE",
      intensity: 321.45,
      quality: "estimated",
      renewableRatio: 0.524,
    } as CarbonSnapshot,
    locationGrams: 12.345678901,
    marketGrams: 5.4321,
    localRatio: 0.25,
  },
};
