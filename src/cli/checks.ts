/**
 * What `doctor` looks at. A check tells what it found; whatever is wrong comes with its cause and what to do.
 *
 * @module
 */
import type { EnergyDocument } from "../api/energy.ts";
import type { StatusDocument } from "../api/status.ts";
import type { World } from "../base/world.ts";
import type { LocalAddress } from "../device/addresses.ts";
import type { NodeVerdicts, StandInVerdicts } from "../node/probe_inbound.ts";
import type { SwarmProbe } from "../node/probe_swarm.ts";
import type { Settings } from "./settings.ts";

/**
 * How bad it is: `fail` keeps something that was asked for from working, `warn` makes it worse, `info` is worth knowing,
 * `unknown` is what could not be found out.
 */
export type Severity = "ok" | "info" | "warn" | "fail" | "unknown";

/** One thing that was found. */
export interface Diagnosis {
  readonly check: string;
  readonly severity: Severity;
  /** What is, and why. */
  readonly says: string;
  /** What to do, in lines; absent where nothing is to be done. */
  readonly cure?: string;
}

/** Whether a node runs on the data folder, and what it says. */
export type NodeAnswer =
  | { readonly state: "running"; readonly status: StatusDocument }
  | { readonly state: "none" }
  /** It holds the folder and does not answer as it should. */
  | { readonly state: "silent"; readonly why: string };

/** The engine that was chosen, and why. */
export interface EngineFacts {
  readonly name: string;
  readonly reason: string;
}

/** A model that a node would open. */
export interface ModelFacts {
  readonly id: string;
  readonly blocks: number;
}

/** What takes long, is asked for by several checks and is then found out once. */
export interface Lookouts {
  /** A visit to the swarm. */
  swarm(): Promise<SwarmProbe>;
  /** What peers say of the running node. */
  askAboutNode(signal: AbortSignal): Promise<NodeVerdicts>;
  /** What peers say of a stand-in. */
  askAboutStandIn(signal: AbortSignal): Promise<StandInVerdicts>;
  /** Where somebody else holds the key of this data folder. */
  findTwin(peer: string, own: readonly string[], signal: AbortSignal): Promise<string | undefined>;
  /** Starts an engine and ends it. Throws `NodeError`. */
  engine(signal: AbortSignal): Promise<EngineFacts>;
  /** Opens the model that is called `name`; `undefined` where the first start would fetch it. Throws `NodeError`. */
  model(name: string, signal: AbortSignal): Promise<ModelFacts | undefined>;
  /** Peer id of the key in the data folder; `undefined` without one. Throws `NodeError`. */
  identity(): Promise<string | undefined>;
}

/** What checks may use. */
export interface CheckContext {
  readonly world: World;
  /** Those of the node that runs here, but for flags that say otherwise. */
  readonly settings: Settings;
  /** Which were taken from the node, in one sentence. */
  readonly taken?: string | undefined;
  /** What is known of energy: by the running node, or by sensors opened for this; absent where none ended in time. */
  readonly energy: EnergyDocument | undefined;
  readonly node: NodeAnswer;
  /** Multiaddrs of the bootstraps: the named ones, else the network's. */
  readonly bootstraps: readonly string[];
  /** Addresses of this machine. */
  readonly addresses: readonly LocalAddress[];
  readonly lookouts: Lookouts;
}

/** One check. Must not throw for what it looks for. */
export interface Check {
  readonly name: string;
  /** Longest time it may take; some seconds where absent. */
  readonly limitMs?: number;
  run(context: CheckContext, signal: AbortSignal): Diagnosis[] | Promise<Diagnosis[]>;
}

/** Time for a check that goes through the network: others' patience is part of it. */
export const NETWORK_LIMIT_MS = 25_000;

/** How a check tells what it found. */
export type Tell = (severity: Severity, says: string, cure?: string) => Diagnosis;

/** Diagnoses of the check `name`. */
export const tellOf = (check: string): Tell => (severity, says, cure) => ({
  check,
  severity,
  says,
  ...(cure === undefined ? {} : { cure }),
});

/** What helps where nobody could be asked. */
export const nobodyCure = ({ bootstraps }: Pick<CheckContext, "bootstraps">): string =>
  bootstraps.length === 0
    ? "name a node that runs with --initial-peers, or start a second one, and ask again"
    : "make a bootstrap answer (see bootstraps)";

/** A finding as `--json` tells it: the state in four words, its cause, and the cure where there is one. */
export interface Finding extends Diagnosis {
  readonly state: "ok" | "warn" | "fail" | "unknown";
  readonly cause: string;
}

/** What `--json` shows of a diagnosis: what is worth knowing is as it should be. */
export const findingOf = (diagnosis: Diagnosis): Finding => ({
  ...diagnosis,
  state: diagnosis.severity === "info" ? "ok" : diagnosis.severity,
  cause: diagnosis.says,
});
