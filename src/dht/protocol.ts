/**
 * The three calls of hivemind's DHT as a caller, and the state that both roles share (`dht/protocol.py`).
 *
 * @module
 */
import type { WireRecord } from "./batches.ts";
import { openDeadline } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import { peerIdFromBytes } from "../base/peer_id.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Rpc } from "../p2p/rpc.ts";
import { Background } from "./background.ts";
import { Blacklist } from "./blacklist.ts";
import type { ClockReading } from "./clock_rule.ts";
import { BUCKET_SIZE, CALL_TIMEOUT_MS, ID_BYTES } from "./constants.ts";
import { HandOver } from "./hand_over.ts";
import { type Contact, type DhtId, dhtIdFromBytes, dhtIdToBytes } from "./id.ts";
import {
  decodeFindResponse,
  decodePingResponse,
  decodeStoreResponse,
  encodeFindRequest,
  encodePingRequest,
  encodeStoreRequest,
  type FindResult,
  type NodeInfo,
  type PingResponse,
} from "./messages.ts";
import { type Held, PLAIN_SUBKEY, readDictionary } from "./record.ts";
import { RoutingTable } from "./routing_table.ts";
import { CACHE_LIMITS, Storage, STORAGE_LIMITS, type StorageLimits } from "./storage.ts";
import type { RecordValidator } from "./validators.ts";

/** Names of the three calls. */
export const PING = "DHTProtocol.rpc_ping";
/** Stores records. */
export const STORE = "DHTProtocol.rpc_store";
/** Asks for records and neighbours. */
export const FIND = "DHTProtocol.rpc_find";

/** How a node behaves. */
export interface ProtocolOptions {
  /** Serves nobody and is in nobody's table: for nodes that cannot be called. */
  readonly clientMode: boolean;
  readonly validator?: RecordValidator | undefined;
  readonly storageLimits?: StorageLimits | undefined;
}

/** What a ping brought. */
export interface PingAnswer {
  /** `undefined` for a peer in client mode. */
  readonly id: DhtId | undefined;
  readonly clock: ClockReading;
  /** Whether the peer could call us back; false unless asked to try. */
  readonly available: boolean;
}

/** What a peer knows of one key. */
export interface Found {
  readonly held: Held | undefined;
  readonly nearest: readonly Contact[];
}

/** What a peer knows, by key; the id it gave itself, if any. */
export interface FindAnswer {
  readonly id: DhtId | undefined;
  readonly found: ReadonlyMap<DhtId, Found>;
}

/** Calls of others, the table they fill, and what is held. Every call and every answer updates the table. */
export class DhtProtocol implements AsyncDisposable {
  readonly table: RoutingTable;
  readonly storage: Storage;
  readonly cache: Storage;
  readonly blacklist: Blacklist;
  readonly background: Background;
  readonly validator: RecordValidator | undefined;
  /** How we name ourselves: without an id in client mode. */
  readonly nodeInfo: NonNullable<NodeInfo>;
  readonly #handOver: HandOver;

  constructor(
    readonly world: Pick<World, "clock" | "log">,
    readonly rpc: Rpc,
    readonly self: Contact,
    readonly options: ProtocolOptions,
  ) {
    this.table = new RoutingTable(self);
    this.storage = new Storage(this.now, options.storageLimits ?? STORAGE_LIMITS);
    this.cache = new Storage(this.now, CACHE_LIMITS);
    this.blacklist = new Blacklist(world.clock);
    this.background = new Background((error) =>
      world.log.debug("DHT work beside a request failed", { error: messageOf(error) })
    );
    this.validator = options.validator;
    this.nodeInfo = { nodeId: options.clientMode ? new Uint8Array(0) : dhtIdToBytes(self.id) };
    this.#handOver = new HandOver(this);
  }

  /** Unix seconds. */
  readonly now = (): number => this.world.clock.now() / 1000;

  /** Asks who a peer is; with `validate` also whether it can call us. Throws `NodeError`. */
  async ping(peer: PeerId, validate: boolean, signal: AbortSignal): Promise<PingAnswer> {
    const askedAt = this.now();
    const request = encodePingRequest({ peer: this.nodeInfo, validate });
    const response = await this.#call(peer, PING, request, readPingResponse, signal);
    return {
      id: this.#answered(peer, response.peer),
      clock: { askedAt, theirs: response.dhtTime, answeredAt: this.now() },
      available: response.available,
    };
  }

  /** Asks a peer to hold records; for each whether it does. Throws `NodeError`. */
  async store(
    peer: PeerId,
    records: readonly WireRecord[],
    signal: AbortSignal,
  ): Promise<readonly boolean[]> {
    const request = encodeStoreRequest({
      keys: records.map((record) => dhtIdToBytes(record.id)),
      subkeys: records.map((record) => record.subkey),
      values: records.map((record) => record.value),
      expirations: records.map((record) => record.expiration),
      inCache: records.map((record) => record.inCache ?? false),
      peer: this.nodeInfo,
    });
    const response = await this.#call(peer, STORE, request, (bytes) => {
      const decoded = decodeStoreResponse(bytes);
      if (decoded.stored.length !== records.length) throw misaligned(decoded.stored.length, records.length);
      return decoded;
    }, signal);
    this.#answered(peer, response.peer);
    return response.stored;
  }

  /** Asks a peer for keys and for the nodes nearest to them. Throws `NodeError`. */
  async find(peer: PeerId, keys: readonly DhtId[], signal: AbortSignal): Promise<FindAnswer> {
    const request = encodeFindRequest({ keys: keys.map(dhtIdToBytes), peer: this.nodeInfo });
    const response = await this.#call(peer, FIND, request, (bytes) => {
      const decoded = decodeFindResponse(bytes);
      if (decoded.results.length !== keys.length) throw misaligned(decoded.results.length, keys.length);
      return decoded;
    }, signal);
    const id = this.#answered(peer, response.peer);
    const found = new Map<DhtId, Found>();
    for (const [i, key] of keys.entries()) {
      const result = response.results[i]!;
      found.set(key, { held: await this.#held(key, result), nearest: contactsOf(result) });
    }
    return { id, found };
  }

  /** Notes that `peer` called us. One that we could not call lately does not enter the table by that. */
  called(peer: PeerId, node: NodeInfo): void {
    if (!this.blacklist.has(peer)) this.#seen(peer, node);
  }

  /** Notes that `peer` answered us. */
  #answered(peer: PeerId, node: NodeInfo): DhtId | undefined {
    this.blacklist.answered(peer);
    return this.#seen(peer, node);
  }

  /** Takes `peer` into the table under the id it gave. Returns that id; `undefined` for a client. */
  #seen(peer: PeerId, node: NodeInfo): DhtId | undefined {
    if (node === undefined || node.nodeId.length === 0 || node.nodeId.length > ID_BYTES) return undefined;
    const contact = { id: dhtIdFromBytes(node.nodeId), peer };
    const { isNew, ping } = this.table.seen(contact);
    if (isNew && !this.options.clientMode) this.#handOver.offer(contact);
    if (ping !== undefined && !this.background.run((signal) => this.ping(ping.peer, false, signal))) {
      this.table.release(ping.peer);
    }
    return contact.id;
  }

  /** Whether the network's rule, if it has one, permits a record of somebody else. */
  async isValid(id: DhtId, subkey: Uint8Array, value: Uint8Array, expiration: number): Promise<boolean> {
    if (this.validator === undefined) return true;
    return await this.validator.validate({ key: dhtIdToBytes(id), subkey, value, expiration });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.background[Symbol.asyncDispose]();
  }

  /** One call within 3 s; a peer that does not answer, or not in our language, leaves the table. */
  async #call<T>(
    peer: PeerId,
    method: string,
    request: Uint8Array,
    decode: (bytes: Uint8Array) => T,
    signal: AbortSignal,
  ): Promise<T> {
    using deadline = openDeadline(this.world.clock, CALL_TIMEOUT_MS, `call ${method} at ${peer}`, signal);
    try {
      return decode(await this.rpc.callUnary(peer, method, request, deadline.signal));
    } catch (error) {
      signal.throwIfAborted();
      this.table.remove(peer);
      this.blacklist.failed(peer);
      throw error;
    }
  }

  /** The value of a result, `undefined` when there is none that is alive, readable and permitted. */
  async #held(id: DhtId, { kind, value, expiration }: FindResult): Promise<Held | undefined> {
    const now = this.now();
    if (kind === "value") {
      if (!Number.isFinite(expiration) || expiration <= now) return undefined;
      return await this.isValid(id, PLAIN_SUBKEY, value, expiration)
        ? { kind, value, expiration }
        : undefined;
    }
    if (kind === "none") return undefined;
    try {
      const entries = [];
      for (const entry of readDictionary(value, now)) {
        if (await this.isValid(id, entry.subkey.packed, entry.value, entry.expiration)) entries.push(entry);
      }
      if (entries.length === 0) return undefined;
      return { kind, entries, expiration: Math.max(...entries.map((entry) => entry.expiration)) };
    } catch (error) {
      if (error instanceof NodeError) return undefined; // its neighbours are still of use
      throw error;
    }
  }
}

/** The neighbours in a result that can be read: at most a bucket of them. */
function contactsOf(result: FindResult): Contact[] {
  const contacts: Contact[] = [];
  const count = Math.min(result.nearestNodeIds.length, result.nearestPeerIds.length, BUCKET_SIZE);
  for (let i = 0; i < count; i++) {
    try {
      contacts.push({
        id: dhtIdFromBytes(result.nearestNodeIds[i]!),
        peer: peerIdFromBytes(result.nearestPeerIds[i]!),
      });
    } catch (error) {
      if (!(error instanceof NodeError)) throw error; // one unreadable neighbour does not spoil the others
    }
  }
  return contacts;
}

function readPingResponse(bytes: Uint8Array): PingResponse {
  const response = decodePingResponse(bytes);
  if (Number.isFinite(response.dhtTime)) return response;
  throw new NodeError("malformed", `Cannot read DHT time: got ${response.dhtTime}, wanted Unix seconds`);
}

const misaligned = (got: number, wanted: number) =>
  new NodeError("malformed", `Cannot read DHT answer: ${got} results, wanted ${wanted}`);
