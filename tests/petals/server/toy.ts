/** Blocks that anyone can compute in the head, and clients that speak to a server of them. */
import { encodeUtf8 } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { Float, pack, type Packable, Tuple, tuple } from "../../../src/base/msgpack.ts";
import {
  type BlockRange,
  type FloatDType,
  fromFloat32,
  lengthOf,
  type Tensor,
  toFloat32,
} from "../../../src/base/tensor.ts";
import type { CacheStep, KvCache, LoadedBlocks } from "../../../src/compute/backend.ts";
import type { RpcStream } from "../../../src/p2p/rpc.ts";
import type { StepReport } from "../../../src/petals/report.ts";
import { type BlockServerOptions, openBlockServer } from "../../../src/petals/server/block_server.ts";
import type { ServerLimits } from "../../../src/petals/server/limits.ts";
import { decodeExpertResponse, encodeExpertRequest } from "../../../src/petals/wire/expert.ts";
import { decodeTensor, encodeTensor } from "../../../src/petals/wire/tensor.ts";
import { MemoryNetwork, type MemoryRpc } from "../../support/memory_rpc.ts";
import { fakeWorld } from "../../support/world.ts";

export const HIDDEN = 4;
export const P = "TransformerConnectionHandler.";
/** Real peer ids, since reachability speaks of them in bytes. */
export const SERVER = "QmWbJJwtuMuahxZLB8qXqNysnRzEZgpzukpqwNK3s8Qsvn";
export const CLIENT = "12D3KooWJgjp6JzATedNK3psmfazHxZwVdbS5GyLPGqcuPECPpcD";
export const OTHER = "QmTtqXVZvfCFKSoo7ZutED2VC327iWd1a8QpBvvRqS62Qh";

class ToyCache implements KvCache {
  /** First channel of each position of each row. */
  rows: number[][];
  disposed = false;
  /** What freeing it ends in. */
  onDispose: () => Promise<void> = () => Promise.resolve();
  constructor(readonly range: BlockRange, readonly batch: number, readonly capacity: number) {
    this.rows = Array.from({ length: batch }, () => []);
  }
  get length(): number {
    return this.rows[0]!.length;
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    return this.onDispose();
  }
}

/**
 * Out = in + 1 a block, prompts added on the way; with a cache, channel 1 gains the position, channel 2 the sum of
 * channel 0 of all earlier positions of the row.
 */
export class ToyBlocks implements LoadedBlocks {
  readonly engine = "reference";
  readonly device = "toy";
  readonly hiddenSize = HIDDEN;
  readonly weightBytes = 0;
  readonly cacheBytesPerToken = 16;
  readonly caches: ToyCache[] = [];
  readonly steps: CacheStep[] = [];
  /** Awaited before each computation. */
  before: () => Promise<void> = () => Promise.resolve();
  constructor(readonly range: BlockRange, readonly dtype: FloatDType = "float32") {}

  openCache(size: { range: BlockRange; batch: number; capacity: number }): Promise<KvCache> {
    const cache = new ToyCache(size.range, size.batch, size.capacity);
    this.caches.push(cache);
    return Promise.resolve(cache);
  }

  async forward(step: CacheStep, range: BlockRange): Promise<Float32Array<ArrayBuffer>> {
    await this.before();
    return plus(step, range);
  }

  async step(step: CacheStep, cache: KvCache): Promise<Float32Array<ArrayBuffer>> {
    await this.before();
    this.steps.push(step);
    const toy = cache as ToyCache;
    if (step.rewindTo !== undefined) toy.rows = toy.rows.map((row) => row.slice(0, step.rewindTo));
    if (step.rows !== undefined) toy.rows = step.rows.map((row) => [...toy.rows[row]!]);
    if (toy.length + step.input.tokens > toy.capacity) throw new RangeError("the cache is too small");
    const out = plus(step, cache.range);
    const { batch, tokens, data } = step.input;
    for (let row = 0; row < batch; row++) {
      for (let token = 0; token < tokens; token++) {
        const at = (row * tokens + token) * HIDDEN;
        const history = toy.rows[row]!;
        out[at + 1]! += history.length;
        out[at + 2]! += history.reduce((sum, value) => sum + value, 0);
        history.push(data[at]!);
      }
    }
    return out;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function plus({ input, prompts }: CacheStep, range: BlockRange): Float32Array<ArrayBuffer> {
  const blocks = lengthOf(range);
  const out = input.data.map((value) => value + blocks);
  if (prompts === undefined) return out;
  for (let block = 0; block < blocks; block++) {
    for (let row = 0; row < input.batch; row++) {
      for (let i = 0; i < prompts.tokens * HIDDEN; i++) {
        const from = (block * input.batch + row) * prompts.tokens * HIDDEN + i;
        out[row * input.tokens * HIDDEN + i]! += prompts.data[from]!;
      }
    }
  }
  return out;
}

export const LIMITS: ServerLimits = {
  maxLength: 8192,
  cacheTokens: 100,
  requestBytes: 1 << 20,
  sessions: 8,
  sessionsPerPeer: 4,
};

/** A server of blocks 2 to 5 of "toy" in a network of three peers. */
export function openToyServer(options: Partial<BlockServerOptions> & { readonly blocks?: ToyBlocks } = {}) {
  const world = fakeWorld();
  const network = new MemoryNetwork();
  const rpc = network.join(SERVER);
  const client = network.join(CLIENT);
  const other = network.join(OTHER);
  const blocks = options.blocks ?? new ToyBlocks({ start: 2, end: 6 });
  const reports: StepReport[] = [];
  const server = openBlockServer(world, {
    rpc,
    prefix: "toy",
    version: "kwaainet-1",
    clientMode: false,
    limits: LIMITS,
    observer: { begin: () => undefined, report: (step) => void reports.push(step) },
    ...options,
    blocks,
  });
  return { world, network, client, other, blocks, reports, server };
}

/** `[batch, tokens, HIDDEN]` whose channel 0 counts from `first`. */
export function hidden(batch: number, tokens: number, first = 1, dtype: FloatDType = "float32"): Tensor {
  const values = new Float32Array(batch * tokens * HIDDEN);
  for (let i = 0; i < batch * tokens; i++) values[i * HIDDEN] = first + i;
  return fromFloat32(values, [batch, tokens, HIDDEN], dtype);
}
export const NO_PROMPTS: Tensor = { dtype: "float32", shape: [0], data: new Uint8Array(0) };
export const NO_ROWS: Tensor = { dtype: "int64", shape: [0], data: new Uint8Array(0) };
export const rows = (...ids: number[]): Tensor => ({
  dtype: "int64",
  shape: [ids.length],
  data: new Uint8Array(BigInt64Array.from(ids, BigInt).buffer),
});
export const masks = (...places: number[]): Packable =>
  tuple(new Tuple(places.map((place) => encodeUtf8(`__T${place}`))), {});

/** A request of whole tensors. */
export function request(
  uid: string,
  tensors: readonly Tensor[],
  metadata: Record<string, Packable> = {},
): Uint8Array {
  return encodeExpertRequest({
    uid,
    tensors: tensors.map((tensor) => encodeTensor(tensor)),
    metadata: pack(metadata),
  });
}

export const ALL = "toy.2 toy.3 toy.4 toy.5";
/** What a stock client says first. */
export const opening = (maxLength: Packable, more: Record<string, Packable> = {}) => ({
  max_length: maxLength,
  points: new Float(0),
  active_adapter: null,
  args_structure: masks(0, 1, 2),
  ...more,
});

/** The one tensor of a reply. */
export function replyOf(bytes: Uint8Array | undefined): Tensor {
  if (bytes === undefined) throw new Error("the stream ended without a reply");
  return decodeTensor(decodeExpertResponse(bytes).tensors[0]!);
}
/** Values of one channel of a reply. */
export const channel = (tensor: Tensor, which: number): number[] =>
  [...toFloat32(tensor)].filter((_, i) => i % HIDDEN === which);

export const never = new AbortController().signal;

/** An open session that answers step by step. */
export async function openSession(client: MemoryRpc, uid = ALL, peer = SERVER) {
  const stream: RpcStream = await client.callStream(peer, `${P}rpc_inference`, never);
  return {
    stream,
    async step(tensors: readonly Tensor[], metadata: Record<string, Packable> = {}): Promise<Tensor> {
      await stream.send(request(uid, tensors, metadata));
      return replyOf(await stream.receive(never));
    },
  };
}

/** The words of the error that `work` ends in. */
export async function wordsOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof NodeError) return error.message;
    throw error;
  }
  return "no error";
}
