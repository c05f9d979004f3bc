/**
 * Which blocks to serve.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { BlockRange, PeerId } from "../base/tensor.ts";
import { DTYPE_BYTES } from "../base/tensor.ts";
import type { LoadOptions } from "../compute/backend.ts";
import type { Dht } from "../dht/dht.ts";
import type { ModelSource, TensorInfo } from "../model/source.ts";
import { chooseBlocks, spansOf } from "../petals/server/choose_blocks.ts";
import { uidsOf } from "../petals/uid.ts";
import { decodeServerInfo, type ServerInfo } from "../petals/wire/server_info.ts";

/** What the memory is divided into. */
export interface MemoryNeed {
  /** Weights of one block, of the largest one. */
  readonly blockBytes: number;
  /** Keys and values of one position in one block. */
  readonly cacheTokenBytes: number;
  /** Positions of attention memory that each block should have. */
  readonly cacheTokens: number;
}

/** Share of the attention memory that must be there at once; the rest is taken when sessions come. */
const CACHE_SHARE = 0.5;
/** The engine's process, its buffers and our own growth beside weights and caches. */
const PROCESS_BYTES = 150 * 2 ** 20;

/** How much one block of `model` takes when it is held as `dtype` says. */
export function memoryNeed(
  { architecture, tensors }: ModelSource,
  dtype: LoadOptions["dtype"],
  cacheTokens: number,
): MemoryNeed {
  const blocks = new Array<number>(architecture.blocks).fill(0);
  for (const tensor of tensors.values()) {
    const block = Number(tensor.name.match(/^blk\.(\d+)\./)?.[1] ?? NaN);
    if (block < blocks.length) blocks[block]! += heldBytes(tensor, dtype);
  }
  const stored = [...tensors.values()].find(({ name }) => name === "blk.0.attn_q.weight")?.format;
  const exact = dtype === "f32" || (dtype === "auto" && stored === "F32");
  const cacheTokenBytes = 2 * architecture.kvHeads * architecture.headDim *
    DTYPE_BYTES[exact ? "float32" : "float16"];
  return { blockBytes: Math.max(...blocks), cacheTokenBytes, cacheTokens };
}

function heldBytes({ format, bytes }: TensorInfo, dtype: LoadOptions["dtype"]): number {
  const expands = dtype === "f32" && (format === "F16" || format === "BF16");
  return expands ? 2 * bytes : bytes;
}

/** How many blocks fit into `availableBytes`, `reserveBytes` left to others; 0 when not even one does. */
export function blocksThatFit(need: MemoryNeed, availableBytes: number, reserveBytes: number): number {
  const each = need.blockBytes + CACHE_SHARE * need.cacheTokens * need.cacheTokenBytes;
  return Math.max(0, Math.floor((availableBytes - reserveBytes - PROCESS_BYTES) / each));
}

/** Positions of attention memory that `blocks` blocks can have beside their weights, at most what is wanted. */
export function cacheTokensThatFit(
  need: MemoryNeed,
  blocks: number,
  { availableBytes, reserveBytes }: { readonly availableBytes: number; readonly reserveBytes: number },
): number {
  const left = availableBytes - reserveBytes - PROCESS_BYTES - blocks * need.blockBytes;
  return Math.max(256, Math.min(need.cacheTokens, Math.floor(left / (blocks * need.cacheTokenBytes))));
}

/** `range` if the model has it. Throws `NodeError` `usage` that says what there is. */
export function requireRange(range: BlockRange, model: ModelSource): BlockRange {
  const { blocks } = model.architecture;
  if (range.end <= blocks) return range;
  throw new NodeError(
    "usage",
    `Cannot serve blocks ${range.start}:${range.end}: ${model.id} has ${blocks} blocks, wanted a part of 0:${blocks}`,
  );
}

/** `count` blocks where the swarm needs them most, by what is announced. Throws what the DHT throws. */
export async function chooseRange(
  dht: Dht,
  choice: {
    readonly prefix: string;
    readonly count: number;
    readonly total: number;
    readonly self: PeerId;
  },
  signal: AbortSignal,
): Promise<BlockRange> {
  const { prefix, count, total, self } = choice;
  if (count === total) return { start: 0, end: total };
  const uids = uidsOf(prefix, { start: 0, end: total });
  const entries = await dht.get(uids, signal);
  const records = uids.map((uid) => {
    const entry = entries.get(uid);
    const infos = new Map<PeerId, ServerInfo>();
    for (const [peer, { value }] of entry?.kind === "dictionary" ? entry.subkeys : []) {
      const info = serverInfoOrNone(value);
      if (info !== undefined) infos.set(peer, info);
    }
    return infos;
  });
  return chooseBlocks(count, total, spansOf(records, self));
}

/** Anyone may write anything there: what is no record is nobody. */
function serverInfoOrNone(bytes: Uint8Array): ServerInfo | undefined {
  try {
    return decodeServerInfo(bytes);
  } catch (error) {
    if (error instanceof NodeError) return undefined;
    throw error;
  }
}
