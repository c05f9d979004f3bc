/**
 * Which blocks to serve when the operator names none: those the swarm is slowest at (petals 2.2
 * `server/block_selection.py`). Pure.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../../base/tensor.ts";
import type { ServerInfo } from "../wire/server_info.ts";

/** A run of blocks that somebody serves or is about to. */
export interface ServedSpan extends BlockRange {
  readonly throughput: number;
}

/**
 * `count` blocks of a model of `total` where the sorted throughputs are least, the first such place. Throws
 * `RangeError` for a count that does not fit.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(chooseBlocks(2, 6, [{ start: 0, end: 3, throughput: 5 }]), { start: 3, end: 5 });
 * ```
 */
export function chooseBlocks(count: number, total: number, spans: readonly ServedSpan[]): BlockRange {
  if (!Number.isInteger(count) || count < 1 || count > total) {
    throw new RangeError(`Cannot choose ${count} blocks of ${total}, wanted 1 to ${total}`);
  }
  const throughputs = new Float64Array(total);
  for (const { start, end, throughput } of spans) {
    for (let block = Math.max(0, start); block < Math.min(total, end); block++) {
      throughputs[block]! += throughput;
    }
  }
  let best = 0;
  let least = throughputs.slice(0, count).sort();
  for (let start = 1; start + count <= total; start++) {
    const sorted = throughputs.slice(start, start + count).sort();
    if (isLess(sorted, least)) [best, least] = [start, sorted];
  }
  return { start: best, end: best + count };
}

/** Order of equally long lists, first difference decides. */
function isLess(a: Float64Array, b: Float64Array): boolean {
  const place = a.findIndex((value, i) => value !== b[i]);
  return place >= 0 && a[place]! < b[place]!;
}

/**
 * Spans out of the records of each block: blocks of one peer that follow each other, without `self` and without those
 * that are offline.
 */
export function spansOf(records: readonly ReadonlyMap<PeerId, ServerInfo>[], self: PeerId): ServedSpan[] {
  const spans: ServedSpan[] = [];
  const open = new Map<PeerId, { start: number; throughput: number }>();
  for (let block = 0; block <= records.length; block++) {
    const here = records[block] ?? new Map<PeerId, ServerInfo>();
    for (const [peer, span] of open) {
      if (isServing(here.get(peer))) continue;
      spans.push({ ...span, end: block });
      open.delete(peer);
    }
    for (const [peer, info] of here) {
      if (peer !== self && isServing(info) && !open.has(peer)) {
        open.set(peer, { start: block, throughput: info.throughput });
      }
    }
  }
  return spans;
}

const isServing = (info: ServerInfo | undefined): boolean => info !== undefined && info.state !== "offline";
