/**
 * Figures for Prometheus and OpenMetrics. Only what is known has a series: a missing figure is no 0. Nothing here names a
 * request, a prompt, a peer or a session.
 *
 * @module
 */
import { Counter, Gauge, Registry } from "prom-client";
import type { CarbonMetrics, MetricsInput } from "./metrics_input.ts";
import type { StatusDocument } from "./status.ts";

/** An exposition and its type. */
export interface Exposition {
  readonly text: string;
  readonly contentType: string;
}

type Labels = Readonly<Record<string, string>>;

/** One metric's values as they come. */
class Page {
  readonly #registry: Registry;

  constructor(openMetrics: boolean) {
    this.#registry = new Registry();
    if (openMetrics) this.#registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  }

  /** Values by labels; nothing where none is known. */
  put(
    kind: "counter" | "gauge",
    name: string,
    help: string,
    values: readonly (readonly [labels: Labels, value: number | null | undefined])[],
  ): void {
    const known = values.filter((entry): entry is readonly [Labels, number] => Number.isFinite(entry[1]));
    if (known.length === 0) return;
    const options = { name, help, labelNames: Object.keys(known[0]![0]), registers: [this.#registry] };
    if (kind === "counter") {
      const counter = new Counter(options);
      for (const [labels, value] of known) counter.inc(labels, Math.max(0, value));
    } else {
      const gauge = new Gauge(options);
      for (const [labels, value] of known) gauge.set(labels, value);
    }
  }

  async text(): Promise<Exposition> {
    // empty lines between metrics tell a parser nothing
    const text = (await this.#registry.metrics()).replaceAll("\n\n", "\n");
    return { text, contentType: this.#registry.contentType };
  }
}

/** Whether a client asks for OpenMetrics. */
export const wantsOpenMetrics = (accept: string | null | undefined): boolean =>
  accept?.includes("application/openmetrics-text") ?? false;

/** All figures in the text format that the client asked for. */
export async function exposition(input: MetricsInput, openMetrics: boolean): Promise<Exposition> {
  const page = new Page(openMetrics);
  putNode(page, input.status);
  putEnergy(page, input);
  if (input.carbon !== undefined) putCarbon(page, input.carbon);
  return await page.text();
}

function putNode(
  page: Page,
  { version, network, dht, serving, work, readiness, uptimeSeconds }: StatusDocument,
): void {
  page.put("gauge", "kwaai_build_info", "Version and network.", [[
    { version, network },
    1,
  ]]);
  page.put("gauge", "kwaai_ready", "1: all that was asked for runs.", [[
    {},
    readiness.ready ? 1 : 0,
  ]]);
  page.put("gauge", "kwaai_uptime_seconds", "Time since the start.", [[{}, uptimeSeconds]]);
  page.put("gauge", "kwaai_dht_peers", "Peers known.", [[{}, dht.peers]]);
  page.put("gauge", "kwaai_dht_entries", "Records kept for others.", [[{}, dht.entries]]);
  page.put("gauge", "kwaai_sessions", "Open sessions.", [[{}, serving?.sessions]]);
  page.put("gauge", "kwaai_cache_tokens_left", "Free attention memory.", [[
    {},
    serving?.cacheTokensLeft,
  ]]);
  page.put("counter", "kwaai_steps_total", "Steps by outcome.", [
    [{ outcome: "ok" }, work.steps - work.failedSteps],
    [{ outcome: "failed" }, work.failedSteps],
  ]);
  page.put("counter", "kwaai_tokens_total", "Positions computed.", [
    [{ phase: "prefill" }, work.prefillTokens],
    [{ phase: "decode" }, work.tokens - work.prefillTokens],
  ]);
  page.put("counter", "kwaai_bytes_total", "Bytes of requests and replies.", [
    [{ direction: "in" }, work.bytesIn],
    [{ direction: "out" }, work.bytesOut],
  ]);
  page.put("counter", "kwaai_compute_seconds_total", "Steps in engine and queue.", [
    [{}, work.computeMs / 1000],
  ]);
}

function putEnergy(page: Page, { energy, sums, byKind }: MetricsInput): void {
  const { sources, recentJoulesPerToken, samplerSeconds, idleWatts } = energy;
  const working = sources.filter(({ state }) => state === "ok" || state === "excluded");
  const labelled = <T>(pick: (source: typeof working[number]) => T) =>
    working.map((source) => {
      const { id, domain, scope, kind } = source;
      const [family = id, device = ""] = id.split(/:(.*)/s);
      return [
        { source: family, device, domain: shortDomain(domain ?? ""), scope, kind },
        pick(source),
      ] as const;
    });
  page.put(
    "counter",
    "kwaai_energy_joules_total",
    "Energy by source: never add up.",
    labelled(({ joules }) => joules),
  );
  page.put(
    "gauge",
    "kwaai_power_watts",
    "Power by source: never add up.",
    labelled(({ watts }) => watts),
  );
  page.put(
    "gauge",
    "kwaai_energy_relative_uncertainty",
    "Half of the 95 % interval.",
    // of those that make up the figure: what a page holds is bounded
    labelled(({ uncertainty, counted }) => counted ? uncertainty : null),
  );
  page.put(
    "counter",
    "kwaai_energy_node_joules_total",
    "The node: add up the kinds.",
    [...byKind].filter(([kind]) => kind !== "none").map((
      [kind, microjoules],
    ) => [{ kind }, joules(microjoules)]),
  );
  page.put("gauge", "kwaai_node_power_watts", "The node now.", [
    [{ kind: energy.node.kind, scope: energy.node.scope ?? "" }, energy.node.watts],
  ]);
  page.put("gauge", "kwaai_idle_power_watts", "The machine at rest.", [[
    {},
    idleWatts,
  ]]);
  if (energy.accounts !== undefined) {
    const { serve, idle, other } = sums.accounts;
    page.put(
      "counter",
      "kwaai_energy_attributed_joules_total",
      "What it went to, settled.",
      [
        [{ account: "serve" }, joules(serve)],
        [{ account: "idle" }, joules(idle)],
        [{ account: "other" }, joules(other - sums.overhead)],
        [{ account: "node_overhead" }, joules(sums.overhead)],
      ],
    );
  }
  page.put(
    "gauge",
    "kwaai_energy_joules_per_token",
    "A position through the served blocks.",
    [
      [{ window: "5m", basis: "dynamic" }, recentJoulesPerToken?.dynamic],
      [{ window: "5m", basis: "full" }, recentJoulesPerToken?.full],
    ],
  );
  page.put(
    "gauge",
    "kwaai_energy_source_up",
    "1: it gives values.",
    sources.filter(({ state }) => state !== "absent").map((
      { id, state },
    ) => [{ source: id, state }, state === "ok" ? 1 : 0]),
  );
  page.put(
    "counter",
    "kwaai_energy_sensor_errors_total",
    "Reads that gave nothing.",
    sources.flatMap(({ id, failures }) =>
      Object.entries(failures).map(([reason, count]) => [{ source: id, reason }, count] as const)
    ),
  );
  page.put("counter", "kwaai_energy_sampler_seconds_total", "Spent on sampling.", [[
    {},
    samplerSeconds,
  ]]);
}

function putCarbon(page: Page, { snapshot, locationGrams, marketGrams, localRatio }: CarbonMetrics): void {
  const { intensity, zone, quality, renewableRatio } = snapshot;
  page.put("counter", "kwaai_carbon_grams_total", "gCO2e of hours that are over.", [
    [{ method: "location" }, locationGrams],
    [{ method: "market" }, marketGrams],
  ]);
  page.put("gauge", "kwaai_grid_intensity_grams_per_kwh", "gCO2e, the grid now.", [
    [{ zone: zone ?? "", quality: quality ?? "" }, intensity],
  ]);
  page.put("gauge", "kwaai_renewable_ratio", "Renewable share.", [
    [{ basis: "grid" }, renewableRatio],
    [{ basis: "local" }, localRatio],
  ]);
}

/** Nearly all lie on the board: what leads there is left out, so that `socket0/package0` and `rail/VDD_IN` remain. */
const shortDomain = (domain: string): string =>
  domain.replace(/^wall\/board\/(?:platform\/)?/, "").replace(/^wall\/(?=board$)/, "");

const joules = (microjoules: bigint): number => Number(microjoules) / 1e6;
