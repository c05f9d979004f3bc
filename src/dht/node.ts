/**
 * A node of hivemind's DHT.
 *
 * @module
 */
import { fromHex, toHex } from "../base/bytes.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Rpc } from "../p2p/rpc.ts";
import { BUCKET_SIZE } from "./constants.ts";
import type { Dht, DhtEntry, DhtRecord, DhtStatus, Expiring, StoreOutcome } from "./dht.ts";
import { dhtIdFromBytes, dhtIdOf, dhtIdOfPeer, dhtIdToBytes } from "./id.ts";
import { type JoinReport, pingBootstraps, unreachableError } from "./join.ts";
import { DhtProtocol } from "./protocol.ts";
import { Reader } from "./reader.ts";
import { type Held, PLAIN_SUBKEY, subkeyText, textSubkey } from "./record.ts";
import { findNearest } from "./search.ts";
import { serveDht } from "./serve.ts";
import type { StorageLimits } from "./storage.ts";
import type { RecordValidator } from "./validators.ts";
import { type OwnRecord, Writer } from "./writer.ts";

/** A peer of the routing table as plain data, to be kept over a restart. */
export interface KnownPeer {
  readonly peer: PeerId;
  /** 40 hexadecimal digits. */
  readonly nodeId: string;
}

const NODE_ID = /^[0-9a-f]{40}$/;

/** How a node behaves; nothing need be given. */
export interface DhtNodeOptions {
  /** Serves nobody and enters nobody's table: for nodes that others cannot call. Default false. */
  readonly clientMode?: boolean;
  /** Peers known from an earlier run. Those that do not answer drop out when they are first called. */
  readonly known?: readonly KnownPeer[];
  /** A rule for records; default none, as in Petals' networks. */
  readonly validator?: RecordValidator;
  /** What strangers may make us hold. Default `STORAGE_LIMITS`. */
  readonly storageLimits?: StorageLimits;
}

/** Opens a node on `rpc`. It serves at once, and knows nobody until `join`, unless `known` peers are given. */
export async function openDhtNode(
  world: World,
  rpc: Rpc,
  options: DhtNodeOptions,
  signal: AbortSignal,
): Promise<DhtNode> {
  signal.throwIfAborted();
  const self = { id: await dhtIdOfPeer(rpc.self), peer: rpc.self };
  const protocol = new DhtProtocol({ clock: world.clock, log: world.log.child("dht") }, rpc, self, {
    clientMode: options.clientMode ?? false,
    validator: options.validator,
    storageLimits: options.storageLimits,
  });
  for (const known of options.known ?? []) takeKnown(protocol, known);
  return new DhtNode(protocol);
}

/** Takes a peer of an earlier run into the table; a damaged entry is left out. */
function takeKnown(protocol: DhtProtocol, { peer, nodeId }: KnownPeer): void {
  if (!NODE_ID.test(nodeId)) return;
  try {
    protocol.table.seen({ peer, id: dhtIdFromBytes(fromHex(nodeId)) });
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
  }
}

/** A running node: get, store, join. Disposing it stops serving and ends what runs in the background. */
export class DhtNode implements Dht, AsyncDisposable {
  readonly #protocol: DhtProtocol;
  readonly #serving: Disposable | undefined;
  readonly #reader: Reader;
  readonly #writer: Writer;
  #bootstraps: readonly PeerId[] = [];

  /** Use {@linkcode openDhtNode}. */
  constructor(protocol: DhtProtocol) {
    this.#protocol = protocol;
    this.#reader = new Reader(protocol, () => this.#bootstraps);
    this.#writer = new Writer(protocol, () => this.#bootstraps);
    this.#serving = protocol.options.clientMode ? undefined : serveDht(protocol);
  }

  /** 40 hexadecimal digits. */
  get nodeId(): string {
    return toHex(dhtIdToBytes(this.#protocol.self.id));
  }

  /**
   * Joins through bootstraps, each tried on its own, then looks for the nodes nearest to us. From then on every record
   * is stored at, and looked for at, those of `peers` whose clocks agree with ours, also those that were down. May be
   * called again. Throws `NodeError` `clock_wrong` when this machine's clock is wrong (the message says by how much and
   * the cure), `unreachable` when neither a bootstrap nor a known peer answered.
   */
  async join(peers: readonly PeerId[], signal: AbortSignal): Promise<JoinReport> {
    const report = await pingBootstraps(this.#protocol, peers, signal);
    this.#bootstraps = report.peers.filter(({ outcome }) => outcome !== "clock_wrong").map(({ peer }) =>
      peer
    );
    await findNearest(this.#protocol, [this.#protocol.self.id], { beam: BUCKET_SIZE }, signal);
    const isAlone = report.joined.length === 0 && this.#protocol.table.size === 0;
    if (isAlone && report.peers.length > 0) throw unreachableError(report);
    this.#protocol.world.log.info("DHT joined", {
      bootstraps: report.joined.length,
      tried: report.peers.length,
      isReachable: report.isReachable,
      peers: this.#protocol.table.size,
    });
    return report;
  }

  async get(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, DhtEntry>> {
    const ids = await Promise.all(keys.map(dhtIdOf));
    await this.#reconnect(signal);
    const held = await this.#reader.get(ids, signal);
    const entries = new Map<string, DhtEntry>();
    keys.forEach((key, i) => {
      const found = held.get(ids[i]!);
      if (found !== undefined) entries.set(key, this.#entryOf(found));
    });
    return entries;
  }

  async store(records: readonly DhtRecord[], signal: AbortSignal): Promise<StoreOutcome> {
    const own = await Promise.all(records.map(ownRecordOf));
    await this.#reconnect(signal);
    return await this.#writer.store(own, signal);
  }

  status(): DhtStatus {
    const { table, storage } = this.#protocol;
    return { peers: table.size, entries: storage.keys, valid: storage.countValid() };
  }

  /** The routing table as plain data: `options.known` of the next run. */
  peers(): readonly KnownPeer[] {
    return this.#protocol.table.contacts().map(({ id, peer }) => ({ peer, nodeId: toHex(dhtIdToBytes(id)) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#serving?.[Symbol.dispose]();
    await this.#protocol[Symbol.asyncDispose]();
  }

  /** After an outage that emptied the table: bootstraps are the way back. */
  async #reconnect(signal: AbortSignal): Promise<void> {
    if (this.#protocol.table.size > 0) return;
    await Promise.all(this.#bootstraps.map(async (peer) => {
      try {
        await this.#protocol.ping(peer, false, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#protocol.world.log.debug("Bootstrap does not answer", { peer, error: messageOf(error) });
      }
    }));
  }

  #entryOf(held: Held): DhtEntry {
    const strip = (value: Uint8Array) => this.#protocol.validator?.strip(value) ?? value;
    const expiresAtMs = held.expiration * 1000;
    if (held.kind === "value") return { kind: "value", value: strip(held.value), expiresAtMs };
    const subkeys = new Map<string, Expiring<Uint8Array>>();
    for (const { subkey, value, expiration } of held.entries) {
      const text = subkeyText(subkey);
      if (text !== undefined) subkeys.set(text, { value: strip(value), expiresAtMs: expiration * 1000 });
    }
    return { kind: "dictionary", subkeys, expiresAtMs };
  }
}

async function ownRecordOf(record: DhtRecord, index: number): Promise<OwnRecord> {
  if (!Number.isFinite(record.expiresAtMs)) {
    throw new RangeError(
      `Cannot store record: it expires at ${record.expiresAtMs}, wanted Unix milliseconds`,
    );
  }
  const id = await dhtIdOf(record.key);
  const subkey = record.subkey === undefined ? undefined : textSubkey(record.subkey);
  const expiration = record.expiresAtMs / 1000;
  const { value } = record;
  const wire = { id, subkey: subkey?.packed ?? PLAIN_SUBKEY, value, expiration };
  return { index, id, subkey, value, expiration, wire };
}
