/**
 * Who serves a model, as the DHT tells.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { Lane } from "../../base/lane.ts";
import type { BlockRange } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { Dht } from "../../dht/dht.ts";
import { uidsOf } from "../uid.ts";
import { decodeModelInfo, type ModelInfo, MODELS_KEY } from "../wire/server_info.ts";
import { serversIn, type SwarmServer } from "./announced.ts";

/** Models read of the list that anyone may write to. */
const MAX_MODELS = 1000;
/** Age up to which what was read of the DHT is used: petals' `update_period`. */
export const VIEW_AGE_MS = 60_000;
/** Models named in an error. */
const MODELS_SHOWN = 8;

/** Which model is looked up. */
export interface DirectoryOptions {
  readonly prefix: string;
  /** Blocks of the whole model. */
  readonly blocks: number;
}

/** What is known of a model's servers. */
export interface SwarmView {
  /** Online, and not expired when asked for. */
  readonly servers: readonly SwarmServer[];
  /** Still load their blocks. */
  readonly joining: readonly SwarmServer[];
  /** When the DHT was read, monotonic ms. */
  readonly readAtMs: number;
}

/** The servers of one model, read from the DHT when what is known is too old. */
export class Directory {
  readonly prefix: string;
  readonly blocks: number;
  readonly #world: World;
  readonly #dht: Dht;
  readonly #reads = new Lane();
  #view: SwarmView | undefined;

  constructor(world: World, dht: Dht, options: DirectoryOptions) {
    this.#world = world;
    this.#dht = dht;
    this.prefix = options.prefix;
    this.blocks = options.blocks;
  }

  /**
   * Servers as read at most `maxAgeMs` ago; 0 reads now. Callers that come while another reads share its view where that
   * is young enough. Throws what the DHT throws.
   */
  async view(maxAgeMs: number, signal: AbortSignal): Promise<SwarmView> {
    const { clock } = this.#world;
    const askedAtMs = clock.monotonic();
    const isYoung = (view: SwarmView | undefined): view is SwarmView =>
      view !== undefined && (view.readAtMs > askedAtMs || askedAtMs - view.readAtMs < maxAgeMs);
    const view = isYoung(this.#view) ? this.#view : await this.#reads.run(async () => {
      if (!isYoung(this.#view)) this.#view = await this.#read(signal);
      return this.#view;
    }, signal);
    const now = clock.now();
    const alive = ({ expiresAtMs }: SwarmServer) => expiresAtMs > now;
    return { ...view, servers: view.servers.filter(alive), joining: view.joining.filter(alive) };
  }

  /** What was read last, whenever that was; nothing is read. */
  get known(): readonly SwarmServer[] {
    const now = this.#world.clock.now();
    return this.#view?.servers.filter(({ expiresAtMs }) => expiresAtMs > now) ?? [];
  }

  /** Who was loading blocks when the DHT was read last. */
  get joining(): readonly SwarmServer[] {
    const now = this.#world.clock.now();
    return this.#view?.joining.filter(({ expiresAtMs }) => expiresAtMs > now) ?? [];
  }

  /** The error for blocks without a server, which says what to do. */
  async nobodyServes(missing: readonly BlockRange[], signal: AbortSignal): Promise<NodeError> {
    const blocks = missing.map(blockText).join(", ");
    return new NodeError(
      "not_found",
      `Cannot generate: blocks ${blocks} of ${this.prefix} are served by nobody, ${await this.#cure(
        missing,
        signal,
      )}`,
    );
  }

  async #cure(missing: readonly BlockRange[], signal: AbortSignal): Promise<string> {
    const { servers, joining } = await this.view(Infinity, signal);
    const coming = joining.find(({ range }) => missing.some((gap) => overlap(range, gap)));
    if (coming !== undefined) {
      return `wanted a server for each: ${coming.peerId} is loading ${
        blockText(coming.range)
      }, try again soon`;
    }
    if (servers.some(({ range }) => missing.some((gap) => overlap(range, gap)))) {
      return "wanted a server whose answers can be used: those that announce them failed a moment ago";
    }
    const cure = `wanted a server for each: start one with \`kwaainet start --blocks ${
      blockText(missing[0]!)
    }\``;
    if (servers.length > 0) return cure;
    const known = [...(await readModels(this.#dht, signal)).keys()].filter((name) => name !== this.prefix);
    if (known.length === 0) return cure;
    const shown = known.slice(0, MODELS_SHOWN).join(", ");
    return `${cure}, or name another with --dht-prefix: this network knows ${shown}`;
  }

  async #read(signal: AbortSignal): Promise<SwarmView> {
    const { clock, log } = this.#world;
    const keys = uidsOf(this.prefix, { start: 0, end: this.blocks });
    const entries = await this.#dht.get(keys, signal);
    const { online: servers, joining } = serversIn(keys.map((key) => {
      const entry = entries.get(key);
      return entry?.kind === "dictionary" ? entry.subkeys : new Map();
    }));
    log.debug("Servers read", { prefix: this.prefix, keys: entries.size, servers: servers.length });
    return { servers, joining, readAtMs: clock.monotonic() };
  }
}

const blockText = ({ start, end }: BlockRange): string => `${start}:${end}`;
const overlap = (a: BlockRange, b: BlockRange): boolean => a.start < b.end && b.start < a.end;

/** Models the network lists under `_petals.models`, by prefix. Records that cannot be read are skipped. */
export async function readModels(dht: Dht, signal: AbortSignal): Promise<ReadonlyMap<string, ModelInfo>> {
  const entry = (await dht.get([MODELS_KEY], signal)).get(MODELS_KEY);
  const models = new Map<string, ModelInfo>();
  if (entry?.kind !== "dictionary") return models;
  for (const [prefix, { value }] of [...entry.subkeys].slice(0, MAX_MODELS)) {
    if (!/^[^.\s\p{C}]{1,200}$/u.test(prefix)) continue;
    try {
      models.set(prefix, decodeModelInfo(value));
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
    }
  }
  return models;
}
