/**
 * Telling the swarm what is served: records of each block, of the model, and on KwaaiNet one of the node.
 *
 * @module
 */
import { openDeadline, openFirstOf } from "../../base/deadline.ts";
import { codeOf, messageOf } from "../../base/errors.ts";
import type { BlockRange, PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { NetworkProfile } from "../../config/network_profile.ts";
import type { Dht, DhtRecord } from "../../dht/dht.ts";
import { requirePrefix, uidsOf } from "../uid.ts";
import {
  encodeModelInfo,
  encodeServerInfo,
  type ModelInfo,
  MODELS_KEY,
  type ServerInfo,
  type ServerState,
} from "../wire/server_info.ts";

/** KwaaiNet's key of all nodes; the subkey is the peer id. */
const KWAAI_NODES_KEY = "_kwaai.inference.nodes";
/** Rounds are shortened by up to this share, by peer id, so that nodes started together drift apart. */
const JITTER_SHARE = 0.1;
/** First wait after a round that stored less than all; doubled each time, up to the period. */
const RETRY_MS = 15_000;
/** How long saying goodbye may take. */
const GOODBYE_MS = 5_000;

/** The part of a record that changes from round to round. */
export type AnnouncedInfo = Omit<ServerInfo, "state" | "startBlock" | "endBlock">;

/** What is announced, where and how often. */
export interface AnnouncerOptions {
  readonly dht: Dht;
  readonly self: PeerId;
  /** Period, life of records, extra record. */
  readonly profile: Pick<NetworkProfile, "announcePeriodMs" | "recordLifeMs" | "kwaaiNodeRecord">;
  readonly prefix: string;
  readonly range: BlockRange;
  readonly model: ModelInfo;
  /** Asked before each round. */
  readonly info: () => AnnouncedInfo;
}

/** How the last round went. */
export interface AnnounceStatus {
  readonly state: ServerState;
  readonly blocks: BlockRange;
  /** Peers that took at least one record. */
  readonly acceptedBy: readonly PeerId[];
  /** Blocks whose record somebody took. */
  readonly storedBlocks: number;
  /** Unix ms; 0 before anything was stored. */
  readonly expiresAtMs: number;
}

/** Announces until disposed; then says OFFLINE, with a later expiration than anything said before. */
export interface Announcer extends AsyncDisposable {
  readonly status: AnnounceStatus;
  /** Changes the state and says so at once. A round that fails is tried again later; it never throws for that. */
  announce(state: ServerState, signal: AbortSignal): Promise<AnnounceStatus>;
}

/** Announces JOINING and goes on by itself. Throws `NodeError` `usage` for a bad prefix. */
export async function openAnnouncer(
  world: World,
  options: AnnouncerOptions,
  signal: AbortSignal,
): Promise<Announcer> {
  requirePrefix(options.prefix);
  const announcer = new Rounds(world, options);
  await announcer.announce("joining", signal);
  announcer.keepOn();
  return announcer;
}

class Rounds implements Announcer {
  #status: AnnounceStatus;
  #lastExpiryMs = 0;
  #saidAtMs = 0;
  #failures = 0;
  #wake = () => {};
  #round: Promise<unknown> = Promise.resolve();
  #loop: Promise<void> = Promise.resolve();
  readonly #closed = new AbortController();
  readonly #log;

  constructor(readonly world: World, readonly options: AnnouncerOptions) {
    this.#log = world.log.child("petals");
    this.#status = {
      state: "joining",
      blocks: options.range,
      acceptedBy: [],
      storedBlocks: 0,
      expiresAtMs: 0,
    };
  }

  get status(): AnnounceStatus {
    return this.#status;
  }

  async announce(state: ServerState, signal: AbortSignal): Promise<AnnounceStatus> {
    this.#status = { ...this.#status, state };
    await this.#say(signal);
    this.#wake();
    return this.#status;
  }

  /** Repeats the last state every period. */
  keepOn(): void {
    this.#loop = this.#repeat(this.#closed.signal);
  }

  async #repeat(signal: AbortSignal): Promise<void> {
    const { clock } = this.world;
    while (!signal.aborted) {
      const leftMs = this.#saidAtMs + this.#delayMs() - clock.monotonic();
      if (leftMs >= 1) {
        const woken = new AbortController();
        this.#wake = () => woken.abort(); // a round was made meanwhile: reckon anew
        using either = openFirstOf(signal, woken.signal);
        await clock.sleep(leftMs, either.signal).catch(() => {});
      } else {
        await this.#say(signal);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#loop;
    const { state, expiresAtMs, storedBlocks, blocks: { start, end } } = this.#status;
    if (expiresAtMs === 0) return; // nobody ever heard of us
    if (state === "offline" && storedBlocks === end - start) return; // everybody knows
    using deadline = openDeadline(this.world.clock, GOODBYE_MS, "announce OFFLINE");
    await this.announce("offline", deadline.signal);
  }

  #delayMs(): number {
    const { self, profile: { announcePeriodMs } } = this.options;
    const period = announcePeriodMs * (1 - JITTER_SHARE * fractionOf(self));
    return this.#failures === 0 ? period : Math.min(period, RETRY_MS * 2 ** (this.#failures - 1));
  }

  /** One round after the other: a later one must carry the later expiration. */
  #say(signal: AbortSignal): Promise<void> {
    const turn = this.#round.then(() => this.#store(signal));
    this.#round = turn;
    return turn;
  }

  async #store(signal: AbortSignal): Promise<void> {
    const { dht, range } = this.options;
    this.#saidAtMs = this.world.clock.monotonic();
    const { state } = this.#status;
    const expiresAtMs = Math.max(
      this.world.clock.now() + this.options.profile.recordLifeMs,
      this.#lastExpiryMs + 1000, // the clock may have been set back; only later expirations win
    );
    this.#lastExpiryMs = expiresAtMs;
    const records = recordsOf(this.options, state, expiresAtMs);
    const blocks = range.end - range.start;
    try {
      const { acceptedBy, stored } = await dht.store(records, signal);
      const storedBlocks = Array.from({ length: blocks }, (_, i) => stored.has(i)).filter(Boolean).length;
      this.#status = { state, blocks: range, acceptedBy, storedBlocks, expiresAtMs };
      this.#failures = storedBlocks === blocks ? 0 : this.#failures + 1;
      this.#log.debug("Blocks announced", { state, blocks, storedBlocks, peers: acceptedBy.length });
    } catch (error) {
      if (signal.aborted) return;
      this.#failures++;
      this.#log.warn("Blocks not announced", {
        state,
        code: codeOf(error, "aborted"),
        reason: messageOf(error),
      });
    }
  }
}

/** The records of one round; those of the blocks come first, in order. Offline, only the node's own are replaced. */
export function recordsOf(options: AnnouncerOptions, state: ServerState, expiresAtMs: number): DhtRecord[] {
  const { prefix, range, self, model, profile } = options;
  const offline = state === "offline";
  const info: ServerInfo = {
    ...options.info(),
    state,
    startBlock: range.start,
    endBlock: range.end,
    ...(offline && { nextPings: undefined }),
  };
  const value = encodeServerInfo(info);
  const records: DhtRecord[] = uidsOf(prefix, range).map((key) => ({
    key,
    subkey: self,
    value,
    expiresAtMs,
  }));
  if (!offline && !prefix.startsWith("_")) {
    records.push({ key: MODELS_KEY, subkey: prefix, value: encodeModelInfo(model), expiresAtMs });
  }
  if (profile.kwaaiNodeRecord) {
    // pings would make up most of a record that every node of the network reads
    const node = encodeServerInfo({ ...info, nextPings: undefined }, { peer_id: self, dht_prefix: prefix });
    records.push({ key: KWAAI_NODES_KEY, subkey: self, value: node, expiresAtMs });
  }
  return records;
}

/** A number from 0 to 1 that is the same for the same text (FNV-1a). */
function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}
