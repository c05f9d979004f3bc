/**
 * What is known of the served blocks at any moment.
 *
 * @module
 */
import { type AnnouncedStatus, blocksOf, type ServingStatus } from "../api/status.ts";
import { lengthOf } from "../base/tensor.ts";
import type { LoadedBlocks } from "../compute/backend.ts";
import type { AnnouncedInfo, Announcer } from "../petals/server/announce.ts";
import type { BlockServer } from "../petals/server/block_server.ts";
import type { NextPings } from "../petals/server/next_pings.ts";
import type { ServedModel } from "./events.ts";
import type { BlockRates } from "./measure.ts";

/** Filled while blocks are on their way; read by status and by announcements. */
export class ServingState {
  served: ServedModel | undefined;
  announcer: Announcer | undefined;
  /** Blocks of the whole model. */
  modelBlocks: number | undefined;
  /** What the last round said. */
  announced: AnnouncedInfo | undefined;
  /** The blocks and their server, while they live. */
  loaded: LoadedBlocks | undefined;
  server: BlockServer | undefined;
  /** Round trips to servers that may come next. */
  nextPings: NextPings | undefined;
  /** Measured once a process. */
  rates: BlockRates | undefined;

  /** Model and blocks are decided. */
  choose(served: ServedModel): void {
    this.served = served;
  }

  /** Unix ms of the last round whose records live `recordLifeMs`; `undefined` before the first. */
  announcedAtMs(recordLifeMs: number): number | undefined {
    const expiresAtMs = this.announcer?.status.expiresAtMs ?? 0;
    return expiresAtMs === 0 ? undefined : Math.round(expiresAtMs - recordLifeMs);
  }

  /** For the status; `undefined` until model and blocks are decided. */
  status(): ServingStatus | undefined {
    if (this.served === undefined) return undefined;
    const { model, prefix, blocks, engine } = this.served;
    const free = this.server?.cacheTokensAvailable ?? 0;
    return {
      model,
      prefix,
      blocks: blocksOf(blocks),
      engine,
      sessions: this.server?.sessions ?? 0,
      cacheTokensLeft: Math.floor(free / lengthOf(blocks)),
      ...(this.modelBlocks === undefined ? {} : { modelBlocks: this.modelBlocks }),
      ...(this.announced === undefined ? {} : { announced: announcedStatus(this.announced) }),
    };
  }
}

const announcedStatus = (info: AnnouncedInfo): AnnouncedStatus => ({
  name: info.publicName ?? null,
  version: info.version ?? "",
  throughput: info.throughput,
  cacheTokensLeft: info.cacheTokensLeft ?? null,
  dtype: info.torchDtype ?? null,
  usingRelay: info.usingRelay ?? false,
});
