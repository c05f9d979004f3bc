/**
 * What the handlers of one block server share.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { LoadedBlocks } from "../../compute/backend.ts";
import type { StepObserver } from "../report.ts";
import type { ByteBudget } from "./byte_budget.ts";
import type { CacheBudget } from "./cache_budget.ts";
import type { Gate } from "./gate.ts";
import type { PushSender } from "./push.ts";
import type { PushBoard } from "./push_board.ts";
import type { SessionRules } from "./session.ts";

/** Parts that all calls of one server work on. */
export interface Serving {
  readonly world: World;
  readonly blocks: LoadedBlocks;
  readonly rules: SessionRules;
  readonly cache: CacheBudget;
  readonly requestBytes: ByteBudget;
  readonly forwards: Gate;
  readonly inboxes: PushBoard;
  readonly pushes: PushSender;
  /** Is told of steps; what it throws is logged. */
  readonly observer: StepObserver;
}
