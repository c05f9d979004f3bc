/**
 * The three calls of hivemind's DHT as a callee. Every readable request is answered: what is wrong with one entry
 * refuses that entry only.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { RpcContext } from "../p2p/rpc.ts";
import { BUCKET_SIZE, MAX_FIND_KEYS, MAX_REPLY_BYTES, MAX_STORE_ENTRIES } from "./constants.ts";
import { type DhtId, dhtIdFromBytes } from "./id.ts";
import {
  decodeFindRequest,
  decodePingRequest,
  decodeStoreRequest,
  encodeFindResponse,
  encodeFindResult,
  encodePingResponse,
  encodeStoreResponse,
  type FindResult,
  type NodeInfo,
  type StoreRequest,
} from "./messages.ts";
import { type DhtProtocol, FIND, PING, STORE } from "./protocol.ts";
import {
  decodeDictionary,
  DICTIONARY_OVERHEAD_BYTES,
  encodeDictionary,
  entryBytes,
  type Held,
  PLAIN_SUBKEY,
  subkeyOrUndefined,
} from "./record.ts";
import type { Storage } from "./storage.ts";

/** Serves the three calls until disposed. */
export function serveDht(protocol: DhtProtocol): Disposable {
  const handlers = [
    protocol.rpc.serveUnary(PING, (bytes, context) => answerPing(protocol, bytes, context)),
    protocol.rpc.serveUnary(STORE, (bytes, context) => answerStore(protocol, bytes, context)),
    protocol.rpc.serveUnary(FIND, (bytes, context) => Promise.resolve(answerFind(protocol, bytes, context))),
  ];
  return {
    [Symbol.dispose]() {
      for (const handler of handlers) handler[Symbol.dispose]();
    },
  };
}

/** Who we are; with `validate`, whether a call back reaches the id that the caller claims. */
async function answerPing(protocol: DhtProtocol, bytes: Uint8Array, context: RpcContext): Promise<Bytes> {
  const { peer, validate } = decodePingRequest(bytes);
  const available = validate && await canCallBack(protocol, peer, context);
  if (available || !validate) protocol.called(context.peer, peer);
  return encodePingResponse({ peer: protocol.nodeInfo, dhtTime: protocol.now(), available });
}

async function canCallBack(protocol: DhtProtocol, claimed: NodeInfo, context: RpcContext): Promise<boolean> {
  if (claimed === undefined || claimed.nodeId.length === 0) return false;
  try {
    const { id } = await protocol.ping(context.peer, false, context.signal);
    return id !== undefined && id === dhtIdFromBytes(claimed.nodeId);
  } catch (error) {
    if (error instanceof NodeError && !context.signal.aborted) return false;
    throw error;
  }
}

/** Holds what may be held. A request whose lists differ in length is refused whole: nobody can say what belongs together. */
async function answerStore(protocol: DhtProtocol, bytes: Uint8Array, context: RpcContext): Promise<Bytes> {
  const request = decodeStoreRequest(bytes);
  protocol.called(context.peer, request.peer);
  const count = request.keys.length;
  const isAligned = [request.subkeys, request.values, request.expirations, request.inCache]
    .every((list) => list.length === count);
  const stored: boolean[] = [];
  for (let i = 0; i < count; i++) {
    stored.push(isAligned && i < MAX_STORE_ENTRIES && await storeEntry(protocol, request, i, context.peer));
  }
  return encodeStoreResponse({ stored, peer: protocol.nodeInfo });
}

async function storeEntry(
  protocol: DhtProtocol,
  request: StoreRequest,
  index: number,
  owner: PeerId,
): Promise<boolean> {
  const storage = request.inCache[index]! ? protocol.cache : protocol.storage;
  const [field, value, expiration] = [
    request.subkeys[index]!,
    request.values[index]!,
    request.expirations[index]!,
  ];
  try {
    const id = dhtIdFromBytes(request.keys[index]!);
    if (field.length === 0) return await storeDictionary(protocol, storage, id, value, owner);
    const isPlain = field.length === 1 && field[0] === PLAIN_SUBKEY[0];
    const subkey = isPlain ? undefined : subkeyOrUndefined(field);
    if (subkey === undefined && !isPlain) return false;
    if (!await protocol.isValid(id, field, value, expiration)) return false;
    return storage.store({ id, subkey, value, expiration }, owner);
  } catch (error) {
    if (error instanceof NodeError) return false; // an id or a dictionary that cannot be read
    throw error;
  }
}

/** Stores every entry that may be; true only when all were. */
async function storeDictionary(
  protocol: DhtProtocol,
  storage: Storage,
  id: DhtId,
  packed: Uint8Array,
  owner: PeerId,
): Promise<boolean> {
  const entries = decodeDictionary(packed);
  let accepted = 0;
  for (const { subkey: field, value, expiration } of entries) {
    const subkey = subkeyOrUndefined(field);
    if (subkey === undefined || !await protocol.isValid(id, field, value, expiration)) continue;
    if (storage.store({ id, subkey, value, expiration }, owner)) accepted++;
  }
  return accepted > 0 && accepted === entries.length;
}

/** What we hold and whom we know, within the size of one message. */
function answerFind(protocol: DhtProtocol, bytes: Uint8Array, context: RpcContext): Bytes {
  const { keys, peer } = decodeFindRequest(bytes);
  protocol.called(context.peer, peer);
  let room = MAX_REPLY_BYTES - FIELD_BYTES * keys.length;
  const results = keys.map((key, i) => {
    const result = i < MAX_FIND_KEYS ? encodeFindResult(lookUp(protocol, key, context.peer, room)) : NOTHING;
    if (result.length > room) return NOTHING;
    room -= result.length;
    return result;
  });
  return encodeFindResponse(results, protocol.nodeInfo);
}

const NOTHING_FOUND = { kind: "none", value: new Uint8Array(0), expiration: 0 } as const;
/** A result that says "not found" and names nobody. */
const NOTHING = encodeFindResult({ ...NOTHING_FOUND, nearestNodeIds: [], nearestPeerIds: [] });
/** Tag and length around a result. */
const FIELD_BYTES = 6;
/** What twenty neighbours take at most. */
const NEIGHBOUR_BYTES = BUCKET_SIZE * (22 + 66);

function lookUp(protocol: DhtProtocol, key: Uint8Array, asker: PeerId, room: number): FindResult {
  if (key.length > 20) return { ...NOTHING_FOUND, nearestNodeIds: [], nearestPeerIds: [] };
  const id = dhtIdFromBytes(key);
  const nearest = protocol.table.nearest(id, BUCKET_SIZE, asker);
  return {
    ...valueWithin(laterOf(protocol.storage.get(id), protocol.cache.get(id)), room - NEIGHBOUR_BYTES),
    nearestNodeIds: nearest.map(({ idBytes }) => idBytes),
    nearestPeerIds: nearest.map(({ peerBytes }) => peerBytes),
  };
}

const laterOf = (a: Held | undefined, b: Held | undefined): Held | undefined =>
  a === undefined || (b !== undefined && b.expiration > a.expiration) ? b : a;

/**
 * A value as it travels. When several keys of one request together pass the size of a message, a dictionary is sent in
 * part, and a value that does not fit is "not found" here: other replicas have it, and a reply that is too large would
 * never arrive.
 */
function valueWithin(
  held: Held | undefined,
  room: number,
): Pick<FindResult, "kind" | "value" | "expiration"> {
  if (held === undefined) return NOTHING_FOUND;
  if (held.kind === "value") return held.value.length <= room ? held : NOTHING_FOUND;
  if (DICTIONARY_OVERHEAD_BYTES + entryBytes(held.entries[0]!) > room) return NOTHING_FOUND;
  return { kind: "dictionary", value: encodeDictionary(held.entries, room), expiration: held.expiration };
}
