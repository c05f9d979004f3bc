/**
 * What servers write into the DHT: `ServerInfo` under each block's key, `ModelInfo` under `_petals.models`
 * (petals 2.2 `data_structures.py`).
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { Float, pack, type Packable, Tuple, tuple, unpack } from "../../base/msgpack.ts";
import type { PeerId } from "../../base/tensor.ts";

/** Key of the record that lists models; the subkey is the prefix. */
export const MODELS_KEY = "_petals.models";

/** States by their numbers. KwaaiNet counts otherwise: its -1 for "offline" is no state here. */
const STATES = ["offline", "joining", "online"] as const;
/** Whether a server may be asked. */
export type ServerState = (typeof STATES)[number];

/** One server's record. What is `undefined` travels as nil. Rates are tokens a second, one block each. */
export interface ServerInfo {
  readonly state: ServerState;
  /** Tokens a second through an average run of the blocks; what blocks are chosen by. */
  readonly throughput: number;
  readonly startBlock?: number | undefined;
  readonly endBlock?: number | undefined;
  readonly publicName?: string | undefined;
  readonly version?: string | undefined;
  readonly networkRps?: number | undefined;
  readonly forwardRps?: number | undefined;
  readonly inferenceRps?: number | undefined;
  readonly adapters: readonly string[];
  readonly torchDtype?: string | undefined;
  readonly quantType?: string | undefined;
  readonly usingRelay?: boolean | undefined;
  /** Keys and values of all blocks count: twice blocks × free tokens. */
  readonly cacheTokensLeft?: number | undefined;
  /** Seconds of a round trip to servers of the blocks after these; infinite for those that do not answer. */
  readonly nextPings?: ReadonlyMap<PeerId, number> | undefined;
}

/** Writes a record in Petals' key order; `extra` fields follow, which Petals ignores. */
export function encodeServerInfo(
  info: ServerInfo,
  extra: Readonly<Record<string, Packable>> = {},
): Uint8Array<ArrayBuffer> {
  const pings = info.nextPings;
  const map = {
    start_block: info.startBlock,
    end_block: info.endBlock,
    public_name: info.publicName,
    version: info.version,
    network_rps: float(info.networkRps),
    forward_rps: float(info.forwardRps),
    inference_rps: float(info.inferenceRps),
    adapters: new Tuple(info.adapters),
    torch_dtype: info.torchDtype,
    quant_type: info.quantType,
    using_relay: info.usingRelay,
    cache_tokens_left: info.cacheTokensLeft,
    next_pings: pings && new Map([...pings].map(([peer, seconds]) => [peer, new Float(seconds)])),
    ...extra,
  };
  return pack(tuple(STATES.indexOf(info.state), new Float(info.throughput), map));
}

const float = (value: number | undefined) => value === undefined ? undefined : new Float(value);

/**
 * Reads a record as strictly as Petals does: wrong types, negative or infinite rates, unknown states fail; unknown keys
 * do not. Throws `NodeError` `malformed`.
 */
export function decodeServerInfo(bytes: Uint8Array): ServerInfo {
  const value = unpack(bytes, { floats: "wrapped" });
  const items = value instanceof Tuple ? value.items : Array.isArray(value) ? value : [];
  const state = typeof items[0] === "number" ? STATES[items[0]] : undefined;
  if (state === undefined) throw malformed("it does not begin with a state");
  const fields = new Fields(items[2] ?? new Map());
  return {
    state,
    throughput: rate(items[1], "throughput"),
    startBlock: fields.read("start_block", count),
    endBlock: fields.read("end_block", count),
    publicName: fields.read("public_name", text),
    version: fields.read("version", text),
    networkRps: fields.read("network_rps", rate),
    forwardRps: fields.read("forward_rps", rate),
    inferenceRps: fields.read("inference_rps", rate),
    adapters: fields.read("adapters", texts) ?? [],
    torchDtype: fields.read("torch_dtype", text),
    quantType: fields.read("quant_type", text),
    usingRelay: fields.read("using_relay", flag),
    cacheTokensLeft: fields.read("cache_tokens_left", count),
    nextPings: fields.read("next_pings", pingsOf),
  };
}

/** A record, or `undefined` for one that has to be skipped. */
export function serverInfoOrSkip(bytes: Uint8Array): ServerInfo | undefined {
  try {
    return decodeServerInfo(bytes);
  } catch (error) {
    if (error instanceof NodeError) return undefined;
    throw error;
  }
}

/** A record of `_petals.models`. */
export interface ModelInfo {
  readonly blocks: number;
  /** Web address of the repository; only `https://huggingface.co/…` is shown on public maps. */
  readonly repository?: string | undefined;
}

/** Writes a model's record. */
export const encodeModelInfo = ({ blocks, repository }: ModelInfo): Uint8Array<ArrayBuffer> =>
  pack({ num_blocks: blocks, repository });

/** Reads a model's record. Throws `NodeError` `malformed`. */
export function decodeModelInfo(bytes: Uint8Array): ModelInfo {
  const fields = new Fields(unpack(bytes, { floats: "wrapped" }));
  const blocks = fields.read("num_blocks", count);
  if (blocks === undefined || blocks === 0) throw malformed("num_blocks is not 1 or more");
  return { blocks, repository: fields.read("repository", text) };
}

/** A map's fields, nil and absent alike. */
class Fields {
  readonly #map: ReadonlyMap<Packable, Packable>;
  constructor(value: Packable) {
    if (!(value instanceof Map)) throw malformed("it holds no map");
    this.#map = value;
  }
  read<T>(key: string, as: (value: Packable, key: string) => T): T | undefined {
    const value = this.#map.get(key);
    return value === undefined || value === null ? undefined : as(value, key);
  }
}

function rate(value: Packable, key: string): number {
  if (value instanceof Float && Number.isFinite(value.value) && value.value >= 0) return value.value;
  throw malformed(`${key} is no finite float of 0 or more`);
}

function count(value: Packable, key: string): number {
  if (typeof value === "number" && value >= 0) return value;
  throw malformed(`${key} is no integer of 0 or more`);
}

function text(value: Packable, key: string): string {
  if (typeof value === "string") return value;
  throw malformed(`${key} is no text`);
}

function flag(value: Packable, key: string): boolean {
  if (typeof value === "boolean") return value;
  throw malformed(`${key} is neither true nor false`);
}

function texts(value: Packable, key: string): string[] {
  const items = value instanceof Tuple ? value.items : Array.isArray(value) ? value : undefined;
  if (items === undefined) throw malformed(`${key} is no list`);
  return items.map((item) => text(item, key));
}

function pingsOf(value: Packable, key: string): ReadonlyMap<PeerId, number> {
  if (!(value instanceof Map)) throw malformed(`${key} is no map`);
  return new Map([...value].map(([peer, seconds]) => {
    if (!(seconds instanceof Float) || !(seconds.value >= 0)) throw malformed(`${key} holds no seconds`);
    return [text(peer, key), seconds.value];
  }));
}

const malformed = (what: string) => new NodeError("malformed", `Cannot read record: ${what}`);
