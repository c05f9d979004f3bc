/** A swarm in one process: an in-memory DHT, servers that speak `rpc_inference` over a toy model, and faults on demand. */
import {
  type Activations,
  type BlockRange,
  fromFloat32,
  type PeerId,
  toFloat32,
} from "../../../src/base/tensor.ts";
import { firstTokens } from "../../../src/petals/client/activations.ts";
import type { KvCache, LoadedBlocks } from "../../../src/compute/backend.ts";
import type { World } from "../../../src/base/world.ts";
import type { Dht, DhtEntry, DhtRecord, Expiring, StoreOutcome } from "../../../src/dht/dht.ts";
import type { RpcContext } from "../../../src/p2p/rpc.ts";
import { type Swarm, swarmOf, type SwarmOptions } from "../../../src/petals/client/swarm.ts";
import { parseSpan, uidsOf } from "../../../src/petals/uid.ts";
import { decodeExpertRequest, encodeExpertResponse } from "../../../src/petals/wire/expert.ts";
import { idOf, nextServersOf, numberOf, readMetadata } from "../../../src/petals/wire/metadata.ts";
import { encodeServerInfo, type ServerInfo } from "../../../src/petals/wire/server_info.ts";
import { decodeTensor, encodeTensor } from "../../../src/petals/wire/tensor.ts";
import { MemoryNetwork } from "../../support/memory_rpc.ts";

export const PREFIX = "toy";
export const HIDDEN = 4;

/** Keeps what it is told; everybody sees the same. */
export class ToyDht implements Dht {
  readonly entries = new Map<string, Map<string, Expiring<Uint8Array>>>();
  gets = 0;
  get(keys: readonly string[]): Promise<ReadonlyMap<string, DhtEntry>> {
    this.gets++;
    const found = new Map<string, DhtEntry>();
    for (const key of keys) {
      const subkeys = this.entries.get(key);
      if (subkeys !== undefined) {
        found.set(key, { kind: "dictionary", subkeys: new Map(subkeys), expiresAtMs: 0 });
      }
    }
    return Promise.resolve(found);
  }
  store(records: readonly DhtRecord[]): Promise<StoreOutcome> {
    for (const { key, subkey, ...record } of records) {
      const subkeys = this.entries.get(key) ?? new Map();
      this.entries.set(key, subkeys.set(subkey!, record));
    }
    return Promise.resolve({ acceptedBy: ["dht"], stored: new Set(records.keys()) });
  }
  status = () => ({ peers: 0, entries: 0, valid: 0 });

  announce(peer: PeerId, range: BlockRange, info: Partial<ServerInfo>, expiresAtMs: number): void {
    const value = encodeServerInfo({
      state: "online",
      throughput: 1,
      startBlock: range.start,
      endBlock: range.end,
      adapters: [],
      ...info,
    });
    this.store(uidsOf(PREFIX, range).map((key) => ({ key, subkey: peer, value, expiresAtMs })));
  }
}

/** Blocks that remember: each adds its number and a quarter of the sum of all its inputs so far. */
export class ToyBlocks {
  readonly #sums: Float32Array[];
  #fed: Activations[] = [];
  constructor(readonly range: BlockRange, batch = 1) {
    this.#sums = Array.from({ length: range.end - range.start }, () => new Float32Array(batch * HIDDEN));
  }
  get position(): number {
    return this.#fed.reduce((sum, { tokens }) => sum + tokens, 0);
  }
  /** Forgets what came from `position` on. */
  rewind(position: number): void {
    const kept = firstTokens(this.#fed, position);
    this.#fed = [];
    for (const sums of this.#sums) sums.fill(0);
    for (const input of kept) this.step(input);
  }
  step(input: Activations): Activations {
    this.#fed.push(input);
    const data = input.data.slice();
    this.#sums.forEach((sums, index) => {
      for (let i = 0; i < data.length; i++) {
        const row = Math.floor(i / (input.tokens * HIDDEN));
        const at = row * HIDDEN + i % HIDDEN;
        sums[at] = (sums[at]! + data[i]!) % 1024;
        data[i] = (data[i]! + this.range.start + index + sums[at]! / 4) % 1024;
      }
    });
    return { ...input, data };
  }
}

/** One request as a toy server saw it. */
export interface Seen {
  readonly session: string | undefined;
  readonly step: string | undefined;
  readonly maxLength: number | undefined;
  readonly tokens: number;
  readonly bytes: number;
  readonly next: readonly PeerId[];
  readonly startFrom: number | undefined;
  readonly allocationSeconds: number | undefined;
}

/** What a toy server does instead of answering. `undefined` = it answers as it should. */
export type Fault = (
  about: { readonly request: number; readonly output: Activations; readonly context: RpcContext },
) => Uint8Array | "close" | "silence" | Error | undefined;

/** A server of the swarm. Requests are numbered from 0 over all its sessions. */
export class ToyServer {
  readonly seen: Seen[] = [];
  /** Sessions that ended with the client's empty request. */
  ended = 0;
  open = 0;
  fault: Fault = () => undefined;
  /** Answers no question either. */
  isAway = false;

  constructor(
    readonly peerId: PeerId,
    readonly range: BlockRange,
    readonly dtype: "float32" | "float16" = "float32",
  ) {}

  async *inference(requests: AsyncIterable<Uint8Array>, context: RpcContext): AsyncGenerator<Uint8Array> {
    let blocks: ToyBlocks | undefined;
    this.open++;
    try {
      for await (const bytes of requests) {
        const request = decodeExpertRequest(bytes);
        if (request.uid === "" && request.tensors.length === 0) {
          this.ended++;
          return;
        }
        const hidden = decodeTensor(request.tensors[0]!);
        const [batch, tokens, width] = hidden.shape as [number, number, number];
        blocks ??= new ToyBlocks(parseSpan(request.uid, PREFIX, this.range), batch);
        const metadata = readMetadata(request.metadata);
        this.seen.push({
          session: idOf(metadata, "session_id"),
          step: idOf(metadata, "step_id"),
          maxLength: numberOf(metadata, "max_length"),
          tokens,
          bytes: bytes.length,
          next: nextServersOf(metadata).map(({ peer }) => peer),
          startFrom: numberOf(metadata, "start_from_position"),
          allocationSeconds: numberOf(metadata, "alloc_timeout"),
        });
        const startFrom = numberOf(metadata, "start_from_position");
        if (startFrom !== undefined) blocks.rewind(startFrom);
        const output = blocks.step({ batch, tokens, hidden: width, data: toFloat32(hidden) });
        const fault = this.fault({ request: this.seen.length - 1, output, context });
        if (fault instanceof Error) throw fault;
        if (fault === "close") return;
        if (fault === "silence") continue;
        yield fault ?? this.reply(output);
      }
    } finally {
      this.open--;
    }
  }

  reply({ data, batch, tokens, hidden }: Activations): Uint8Array {
    return encodeExpertResponse({
      tensors: [encodeTensor(fromFloat32(data, [batch, tokens, hidden], this.dtype))],
    });
  }
}

/** All of it, with a client named `client`. */
export class ToySwarm {
  readonly network = new MemoryNetwork();
  readonly dht = new ToyDht();
  readonly client = this.network.join("client");
  readonly swarm: Swarm;

  constructor(readonly world: World, readonly blocks: number) {
    this.swarm = swarmOf(world, { rpc: this.client, dht: this.dht, prefix: PREFIX, blocks });
  }

  /** The swarm of a client that holds blocks itself. */
  swarmWith(more: Partial<SwarmOptions>): Swarm {
    const { client: rpc, dht, blocks } = this;
    return swarmOf(this.world, { rpc, dht, prefix: PREFIX, blocks, ...more });
  }

  add(peerId: PeerId, start: number, end: number, info: Partial<ServerInfo> = {}): ToyServer {
    const range = { start, end };
    const server = new ToyServer(peerId, range, info.torchDtype === "float16" ? "float16" : "float32");
    const rpc = this.network.join(peerId);
    rpc.serveStream(
      "TransformerConnectionHandler.rpc_inference",
      (requests, context) => server.inference(requests, context),
    );
    rpc.serveUnary(
      "TransformerConnectionHandler.rpc_info",
      () => server.isAway ? new Promise(() => {}) : Promise.resolve(new Uint8Array(0)),
    );
    this.dht.announce(peerId, range, info, this.world.clock.now() + 240_000);
    return server;
  }
}

/** Hidden states that differ from token to token. */
export function toyInput(tokens: number, seed = 1, batch = 1): Activations {
  const data = Float32Array.from({ length: batch * tokens * HIDDEN }, (_, i) => (seed * 7 + i * 3) % 16);
  return { batch, tokens, hidden: HIDDEN, data };
}

/** Blocks of the toy as an engine of this process would hold them. */
export function loadedToy(range: BlockRange): LoadedBlocks & { caches: number } {
  const blocks: LoadedBlocks & { caches: number } = {
    engine: "reference",
    device: "toy",
    range,
    hiddenSize: HIDDEN,
    dtype: "float32",
    weightBytes: 0,
    cacheBytesPerToken: 0,
    caches: 0,
    openCache(size) {
      blocks.caches++;
      const toy = new ToyBlocks(size.range, size.batch);
      return Promise.resolve({
        ...size,
        get length() {
          return toy.position;
        },
        toy,
        [Symbol.asyncDispose]: () => Promise.resolve(void blocks.caches--),
      });
    },
    forward: () => Promise.reject(new RangeError("not here")),
    step: ({ input, rewindTo }, cache) => {
      const { toy } = cache as KvCache & { toy: ToyBlocks };
      if (rewindTo !== undefined && !(rewindTo >= 0)) return Promise.reject(new RangeError("rewind"));
      if (rewindTo !== undefined) toy.rewind(rewindTo);
      return Promise.resolve(toy.step(input).data);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return blocks;
}
