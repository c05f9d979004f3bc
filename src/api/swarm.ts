/**
 * The swarm as this node sees it: models, who serves which blocks, and the peers it knows.
 *
 * @module
 */
import { Hono } from "hono";
import type { PeerId } from "../base/tensor.ts";
import type { NetworkName } from "../config/network_profile.ts";
import type { RouteEnvironment } from "./route_parts.ts";

/** What kind of program a server is, by the version it announces. */
export type ServerProfile = "kwaainet" | "petals" | "other";

/** A server of some blocks, by its own record in the DHT. */
export interface SwarmServerDocument {
  readonly peerId: PeerId;
  /** Name that it shows; null without one. */
  readonly name: string | null;
  readonly version: string | null;
  readonly profile: ServerProfile;
  readonly state: "online" | "joining";
  /** Half-open. */
  readonly blocks: readonly [start: number, end: number];
  /** Tokens a second, as it announces them. */
  readonly throughput: number;
  readonly inferenceRps: number | null;
  /** Positions of attention memory, over all its blocks. */
  readonly cacheTokensLeft: number | null;
  readonly dtype: string | null;
  readonly quantisation: string | null;
  /** Whether it is reached over a relay; null where it does not say. */
  readonly usingRelay: boolean | null;
  /** Unix ms. */
  readonly expiresAt: number;
  /** By this node's own measure: null where it was not asked. */
  readonly reachable: boolean | null;
  /** Milliseconds there and back; null where it was not measured. */
  readonly rttMs: number | null;
  /** Whether it is this node. */
  readonly self: boolean;
  /** A pledge that was checked; a later version fills it. */
  readonly pledge: null;
}

/** A model that somebody serves, or that is announced. */
export interface SwarmModelDocument {
  readonly prefix: string;
  readonly repository: string | null;
  readonly blocks: number;
  /** Servers online of each block, without those that gave this node no answer; its length is `blocks`. */
  readonly coverage: readonly number[];
  /** Half-open runs of blocks that nobody serves. */
  readonly missing: readonly (readonly [start: number, end: number])[];
  /** Those of them that are announced all the same, by servers that gave this node no answer. */
  readonly silent: readonly (readonly [start: number, end: number])[];
  readonly servers: readonly SwarmServerDocument[];
}

/** The answer of `/api/v1/swarm`. */
export interface SwarmDocument {
  readonly schema: 1;
  readonly network: NetworkName;
  readonly self: PeerId;
  /** Unix ms: when the DHT was read. */
  readonly readAt: number;
  readonly models: readonly SwarmModelDocument[];
}

/** A peer that this node knows. */
export interface PeerDocument {
  readonly peerId: PeerId;
  readonly connected: boolean;
  readonly addresses: readonly string[];
  /** Program, by its own words; null where it did not say. */
  readonly agent: string | null;
  readonly rttMs: number | null;
}

/** The answer of `/api/v1/peers`. */
export interface PeersDocument {
  readonly schema: 1;
  readonly self: PeerId;
  readonly peers: readonly PeerDocument[];
}

/** Where the answers come from. */
export interface SwarmSource {
  /** The swarm, read within the last half minute. Throws what the DHT throws, and the reason of `signal`. */
  swarm(signal: AbortSignal): Promise<SwarmDocument>;
  peers(): Promise<PeersDocument>;
}

/** `/api/v1/swarm[?model=PREFIX]` and `/api/v1/peers`. */
export function swarmRoutes(source: SwarmSource): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>();
  app.get("/swarm", async (call) => {
    const document = await source.swarm(call.env.signal);
    const wanted = call.req.query("model");
    if (wanted === undefined) return call.json(document);
    return call.json({ ...document, models: document.models.filter(({ prefix }) => prefix === wanted) });
  });
  app.get("/peers", async (call) => call.json(await source.peers()));
  return app;
}
