/** Handlers of the local API over a node that does nothing. */
import { apiHandler, type ApiOptions } from "../../src/api/handler.ts";
import type { EnergyDocument } from "../../src/api/energy.ts";
import type { StatusDocument } from "../../src/api/status.ts";
import { fakeWorld } from "../support/world.ts";

/** Options of an API that is asked for nothing but what `more` has. */
export function apiOptions(more: Partial<ApiOptions> = {}): ApiOptions {
  const world = fakeWorld();
  const never = () => {
    throw new TypeError("nobody was to ask");
  };
  return {
    world,
    log: world.log,
    status: never,
    energy: never,
    metrics: never,
    allowedHosts: [],
    maxBodyBytes: 4 << 20,
    ...more,
  };
}

/** Asks a handler of its own; `body` is sent as JSON. */
export function asker(more: Partial<ApiOptions> = {}) {
  const handler = apiHandler(apiOptions(more));
  return (path: string, { json, headers = {}, ...init }: AskInit = {}): Promise<Response> =>
    handler(
      new Request(`http://x${path}`, {
        ...(json === undefined ? {} : { method: "POST", body: JSON.stringify(json) }),
        ...init,
        headers: { host: "127.0.0.1:8080", "content-type": "application/json", ...headers },
      }),
    );
}

interface AskInit extends Omit<RequestInit, "headers"> {
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a private node without blocks tells of itself. */
export const statusDocument = (change: Partial<StatusDocument> = {}): StatusDocument => ({
  schema: 1,
  version: "0.1.0",
  peerId: "12D3KooTest",
  addresses: ["/ip4/127.0.0.1/tcp/1/p2p/12D3KooTest"],
  network: "private",
  reachability: { state: "unknown", reason: "nobody was asked" },
  dht: { peers: 2, entries: 3, valid: 3, lastAnnounceAt: null },
  serving: null,
  energy: {
    watts: null,
    joules: null,
    kind: "none",
    scope: null,
    source: null,
    uncertainty: null,
    coverage: 0,
  },
  work: { steps: 0, failedSteps: 0, tokens: 0, prefillTokens: 0, bytesIn: 0, bytesOut: 0, computeMs: 0 },
  policy: { action: "contribute", share: 1, because: [], until: null },
  readiness: { ready: true },
  degraded: [],
  uptimeSeconds: 5,
  ...change,
});

/** What a node without sensors tells of its energy. */
export const energyOf = (status: StatusDocument): EnergyDocument => ({
  schema: 1,
  node: status.energy,
  sources: [],
  tokens: 0,
  idleWatts: null,
});
