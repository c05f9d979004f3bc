/**
 * What a node tells while it runs.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../base/tensor.ts";
import type { EngineName } from "../compute/backend.ts";

/** What is served, once it is chosen. */
export interface ServedModel {
  /** Id on every API. */
  readonly model: string;
  readonly prefix: string;
  readonly blocks: BlockRange;
  readonly engine: EngineName;
}

/** One thing that came true. */
export type NodeEvent =
  | { readonly kind: "listening"; readonly peerId: PeerId; readonly addresses: readonly string[] }
  /** `share`: how much of it is done, where that grows; such a text stands until the next one. */
  | { readonly kind: "progress"; readonly text: string; readonly share?: number }
  /** The local API answers, whatever else is still missing. */
  | { readonly kind: "answering"; readonly api: string }
  | ({ readonly kind: "loaded"; readonly weightBytes: number; readonly loadMs: number } & ServedModel)
  | {
    readonly kind: "announced";
    readonly blocks: BlockRange;
    /** Peers that stored at least one key. */
    readonly acceptedBy: readonly PeerId[];
    /** Whether `_petals.models` was written by this round. */
    readonly modelInfo: boolean;
    readonly expiresAtMs: number;
    /** Keys in our own storage, and how many have not expired. */
    readonly entries: number;
    readonly valid: number;
  }
  | {
    readonly kind: "ready";
    readonly peerId: PeerId;
    readonly addresses: readonly string[];
    /** Base URL of the local API. */
    readonly api: string;
    readonly served: ServedModel | undefined;
    readonly version: string;
  }
  | { readonly kind: "degraded"; readonly what: string; readonly why: string }
  | { readonly kind: "recovered"; readonly what: string };

/** Hears events, in order. Must not throw. */
export type Tell = (event: NodeEvent) => void;
