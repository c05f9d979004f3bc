/**
 * The msgpack map that comes with a request of Petals (petals 2.2 `client/inference_session.py` writes it).
 *
 * @module
 */
import { decodeUtf8, encodeUtf8 } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";
import { Float, pack, type Packable, Tuple, tuple, unpack } from "../../base/msgpack.ts";
import type { PeerId } from "../../base/tensor.ts";

/** Longest session and step id; Petals sends uuids of 36 characters. */
const MAX_ID = 200;
/** Places that `args_structure` may name. */
const MAX_ARGUMENTS = 16;
/** Longest text of a peer id. */
const MAX_PEER = 96;
/** Highest block number believed. */
const MAX_BLOCK = 100_000;

/** A map as it was sent: key order kept, floats wrapped, so that it packs again to the same bytes. */
export type Metadata = ReadonlyMap<Packable, Packable>;

/** One server further down a chain, and the session it holds for this client. */
export interface NextServer {
  readonly peer: PeerId;
  readonly sessionId: string;
  readonly start: number;
  readonly end: number;
}

/** Reads the map; no bytes are an empty one. Throws `NodeError` `malformed`. */
export function readMetadata(bytes: Uint8Array): Metadata {
  if (bytes.length === 0) return new Map();
  const value = unpack(bytes, { floats: "wrapped" });
  if (!(value instanceof Map)) throw malformed("it is no map");
  return value;
}

/** The value of a text key; `undefined` for nil as well. */
export function valueOf(metadata: Metadata, key: string): Packable | undefined {
  return metadata.get(key) ?? undefined;
}

/** A session or step id, `undefined` when there is none. Throws `NodeError` `malformed` for another type. */
export function idOf(metadata: Metadata, key: "session_id" | "step_id"): string | undefined {
  const value = valueOf(metadata, key);
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value.length > MAX_ID) {
    throw malformed(`${key} is ${pythonText(value)}, wanted text of at most ${MAX_ID} characters`);
  }
  return value;
}

/** An integer or a float as a number; `undefined` when absent. Throws `NodeError` `malformed` for another type. */
export function numberOf(metadata: Metadata, key: string): number | undefined {
  const value = valueOf(metadata, key);
  if (value === undefined || typeof value === "number") return value;
  if (value instanceof Float) return value.value;
  if (typeof value === "bigint") return Number(value);
  throw malformed(`${key} is ${pythonText(value)}, wanted a number`);
}

/** Whether another server handed this step on. */
export const isPushed = (metadata: Metadata): boolean => metadata.get("pushed") === true;

/** `output_compression`: one number for each tensor of the reply. Throws `NodeError` `malformed`. */
export function outputCompressionOf(metadata: Metadata): readonly number[] | undefined {
  const value = valueOf(metadata, "output_compression");
  if (value === undefined) return undefined;
  const items = itemsOf(value);
  if (items === undefined) throw new NodeError("malformed", "output_compression must be a tuple/list");
  if (items.length > MAX_ARGUMENTS || !items.every((item) => typeof item === "number")) {
    throw new NodeError("malformed", "output_compression must contain integers");
  }
  return items;
}

/** Who comes next in the chain, nearest first. Throws `NodeError` `malformed`. */
export function nextServersOf(metadata: Metadata): readonly NextServer[] {
  const value = valueOf(metadata, "next_servers");
  if (value === undefined) return [];
  const items = itemsOf(value);
  if (items === undefined) throw malformed("next_servers is no list");
  return items.map(nextServerOf);
}

function nextServerOf(value: Packable): NextServer {
  const [peer, sessionId, start, end] = itemsOf(value) ?? [];
  const good = typeof peer === "string" && peer.length <= MAX_PEER && typeof sessionId === "string" &&
    sessionId.length <= MAX_ID && isBlock(start) && isBlock(end) && start < end;
  if (!good) throw malformed("next_servers holds what is not (peer, session, start, end)");
  return { peer, sessionId, start, end };
}

const isBlock = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= MAX_BLOCK;

/** The entries by which a client lets servers hand outputs on. */
export const packNextServers = (servers: readonly NextServer[]): Packable =>
  servers.map(({ peer, sessionId, start, end }) => tuple(peer, sessionId, start, end));

/**
 * The map that goes on to the first of `next_servers`: the step's own, with that server's session, the servers after
 * it and the mark. What the client's list was, list or tuple, it stays.
 */
export function pushedMetadata(metadata: Metadata): Uint8Array<ArrayBuffer> {
  const [next] = nextServersOf(metadata);
  if (next === undefined) throw new RangeError("Cannot push: the step names no next server");
  const servers = metadata.get("next_servers")!;
  const rest = servers instanceof Tuple ? new Tuple(servers.items.slice(1)) : itemsOf(servers)!.slice(1);
  const pushed = new Map(metadata);
  pushed.set("session_id", next.sessionId).set("next_servers", rest).set("pushed", true);
  return pack(pushed);
}

/** `((b"__T0", …), {})`: which tensor stands at which argument. */
export const argumentsStructure = (count: number): Packable =>
  tuple(new Tuple(Array.from({ length: count }, (_, i) => encodeUtf8(`__T${i}`))), {});

/**
 * Which of `count` tensors stands at which argument (petals 2.2 `utils/packaging.py`): a client may send equal tensors
 * once, in any order. Places that hold no tensor are `undefined`. Without a structure they stand as sent. Throws
 * `NodeError` `malformed`.
 */
export function placesOf(count: number, structure: Packable | undefined): readonly (number | undefined)[] {
  if (structure === undefined || structure === null) return Array.from({ length: count }, (_, i) => i);
  const places = itemsOf(itemsOf(structure)?.[0]);
  if (places === undefined || places.length > MAX_ARGUMENTS) {
    throw malformed(`args_structure is not (arguments, keywords) with at most ${MAX_ARGUMENTS} arguments`);
  }
  return places.map((place) => {
    if (!(place instanceof Uint8Array)) return undefined;
    const match = /^__T(\d{1,4})$/.exec(decodeUtf8(place.subarray(0, 16)));
    const index = match === null ? count : Number(match[1]);
    if (index >= count) throw malformed("args_structure names a tensor that was not sent");
    return index;
  });
}

/** Tensors at the places of their arguments: {@linkcode placesOf}. */
export const arrange = <T>(
  tensors: readonly T[],
  structure: Packable | undefined,
): readonly (T | undefined)[] =>
  placesOf(tensors.length, structure).map((place) => place === undefined ? undefined : tensors[place]);

/** Items of a list or tuple. */
function itemsOf(value: Packable | undefined): readonly Packable[] | undefined {
  return value instanceof Tuple ? value.items : Array.isArray(value) ? value : undefined;
}

/** A value as Python's `str` would show it in an error, cut short. */
export function pythonText(value: Packable | undefined): string {
  if (value === undefined || value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value instanceof Float) {
    return Number.isInteger(value.value) ? value.value.toFixed(1) : `${value.value}`;
  }
  if (typeof value === "string") return value.slice(0, 100);
  if (typeof value === "number" || typeof value === "bigint") return `${value}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value instanceof Tuple ? "a tuple" : Array.isArray(value) ? "a list" : "a dict";
}

const malformed = (what: string) => new NodeError("malformed", `Cannot read metadata: ${what}`);
