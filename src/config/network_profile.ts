/**
 * Networks as data: where they begin, how they name models, how often they want to hear from a server.
 *
 * @module
 */

/** The networks a node can join. */
export type NetworkName = "kwaai" | "petals" | "private";

/** What differs between swarms that speak the same wire. */
export interface NetworkProfile {
  readonly name: NetworkName;
  /** Multiaddrs with `/p2p/`. */
  readonly bootstraps: readonly string[];
  /** Whether Llama prefixes end in `-hf`, as stock Petals clients expect. */
  readonly appendHf: boolean;
  /** Time between announcements. */
  readonly announcePeriodMs: number;
  /** Life of a record. */
  readonly recordLifeMs: number;
  /** Whether an extra record under `_kwaai.inference.nodes` makes the node visible to KwaaiNet's map. */
  readonly kwaaiNodeRecord: boolean;
}

/** KwaaiNet announces every 300 ± 30 s for 360 s; Petals' command line every 120 s for twice that. */
const PROFILES: Readonly<Record<NetworkName, NetworkProfile>> = {
  kwaai: {
    name: "kwaai",
    bootstraps: [
      "/dns/bootstrap-1.kwaai.ai/tcp/8000/p2p/QmQhRuheeCLEsVD3RsnknM75gPDDqxAb8DhnWgro7KhaJc",
      "/dns/bootstrap-2.kwaai.ai/tcp/8000/p2p/Qmd3A8N5aQBATe2SYvNikaeCS9CAKN4E86jdCPacZ6RZJY",
    ],
    appendHf: false,
    announcePeriodMs: 120_000,
    recordLifeMs: 360_000,
    kwaaiNodeRecord: true,
  },
  petals: {
    name: "petals",
    bootstraps: [
      "/dns/bootstrap1.petals.dev/tcp/31337/p2p/QmedTaZXmULqwspJXz44SsPZyTNKxhnnFvYRajfH7MGhCY",
      "/dns/bootstrap2.petals.dev/tcp/31338/p2p/QmQGTqmM7NKjV6ggU1ZCap8zWiyKR89RViDXiqehSiCpY5",
    ],
    appendHf: true,
    announcePeriodMs: 120_000,
    recordLifeMs: 240_000,
    kwaaiNodeRecord: false,
  },
  private: {
    name: "private",
    bootstraps: [],
    appendHf: true,
    announcePeriodMs: 120_000,
    recordLifeMs: 240_000,
    kwaaiNodeRecord: false,
  },
};

/** The profile of a name. */
export const networkProfile = (name: NetworkName): NetworkProfile => PROFILES[name];

/**
 * The DHT prefix of a model: the name after the last `/`, dots replaced, `-hf` appended where the network wants it
 * (Petals' rule for Llama; petals 2.2 `models/llama/config.py`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(dhtPrefixOf("meta-llama/Llama-3.1-8B", networkProfile("petals")), "Llama-3-1-8B-hf");
 * assertEquals(dhtPrefixOf("meta-llama/Llama-3.1-8B", networkProfile("kwaai")), "Llama-3-1-8B");
 * ```
 */
export function dhtPrefixOf(modelId: string, profile: NetworkProfile): string {
  const name = modelId.slice(modelId.lastIndexOf("/") + 1).replace(/[.\s]/g, "-");
  return profile.appendHf && !name.endsWith("-hf") ? `${name}-hf` : name;
}
