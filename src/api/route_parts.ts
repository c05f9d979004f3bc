/**
 * What routes are made from.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import type { TextModels } from "../text/types.ts";
import type { RequestFacts } from "./access.ts";

/** What routes find beside a request. */
export interface RouteEnvironment {
  readonly Bindings: RequestFacts;
}

/** What routes that make text work with. */
export interface TextRouteParts {
  readonly models: TextModels;
  readonly world: Pick<World, "clock" | "log" | "random">;
  /** Version of the program. */
  readonly version: () => string;
}
