/**
 * Which blocks to serve.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { BlockRange, PeerId } from "../base/tensor.ts";
import type { LoadOptions } from "../compute/backend.ts";
import { blockHeldBytes, cacheTokenBytes } from "../compute/budget.ts";
import { isExact } from "../compute/precision.ts";
import type { Config } from "../config/schema.ts";
import type { Dht } from "../dht/dht.ts";
import { BLOCK_PARTS, blockTensorName } from "../model/slice.ts";
import type { ModelSource } from "../model/source.ts";
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

/** How much one block of `model` takes when it is held as `dtype` says. The model must have all its blocks. */
export function memoryNeed(model: ModelSource, dtype: LoadOptions["dtype"], cacheTokens: number): MemoryNeed {
  const { architecture, tensors } = model;
  const blocks = Array.from(
    { length: architecture.blocks },
    (_, block) => blockHeldBytes(model, block, dtype),
  );
  const formats = BLOCK_PARTS.map((part) => tensors.get(blockTensorName(0, part))!)
    .filter(({ shape }) => shape.length > 1).map(({ format }) => format);
  return {
    blockBytes: Math.max(...blocks),
    cacheTokenBytes: cacheTokenBytes(architecture, isExact(formats, dtype)),
    cacheTokens,
  };
}

/** Positions of attention memory that are reckoned with where the settings name none. */
const USUAL_CACHE_TOKENS = 8192;

/** The same as the settings say. */
export const configuredNeed = (model: ModelSource, config: Config): MemoryNeed =>
  memoryNeed(model, config.dtype, config["sessions.cache_tokens"] ?? USUAL_CACHE_TOKENS);

/**
 * The same for a model that only this node asks: no text is longer than its context. More than the usual is not asked for
 * where the context is longer: servers of petals 2.2 open no longer sessions either, and what they announce of their
 * memory is a stranger's word, which should not draw to the stranger what this node could compute alone.
 */
export const ownNeed = (model: ModelSource, config: Config): MemoryNeed => {
  const { contextLength } = model.architecture;
  const usual = Math.min(contextLength, USUAL_CACHE_TOKENS);
  return memoryNeed(model, config.dtype, config["sessions.cache_tokens"] ?? usual);
};

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

/** Memory in words. */
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
