/**
 * What serving is put together from.
 *
 * @module
 */
import type { BlockRange } from "../base/tensor.ts";
import type { ModelSource } from "../model/source.ts";
import type { TellTransfer } from "../model/transfer.ts";
import type { Announcer } from "../petals/server/announce.ts";
import type { Engine } from "./engine.ts";
import type { FoundModel } from "./find_model.ts";
import type { DraftSource } from "./open_draft.ts";
import type { ServingContext } from "./parts.ts";
import type { NodePlan } from "./plan.ts";
import type { ServingState } from "./serving_state.ts";

/** What serving opens; tests have toys. */
export interface ServingParts {
  openModel(plan: NodePlan, tell: TellTransfer, signal: AbortSignal): Promise<FoundModel>;
  openEngine(context: ServingContext, model: ModelSource, signal: AbortSignal): Promise<Engine>;
  /** A small model that guesses for the served one. */
  readonly draft?: DraftSource | undefined;
  /** Memory that may still be taken. */
  availableBytes(): number;
}

/** Everything that one served span consists of. */
export interface Span {
  readonly context: ServingContext;
  readonly parts: ServingParts;
  readonly state: ServingState;
  readonly model: ModelSource;
  readonly engine: Engine;
  readonly announcer: Announcer;
  readonly range: BlockRange;
  /** Says OFFLINE, once. */
  readonly goodbye: () => Promise<void>;
}
