/**
 * What every engine must do, compared with the plain reference (src/compute/reference.ts), which is itself compared with
 * torch. Each engine's test file hands its backend to `testBlockCases`.
 */
import type { BlockBackend } from "../../src/compute/backend.ts";
import { HEAD_CASES } from "./cases_head.ts";
import { NUMBER_CASES } from "./cases_numbers.ts";
import { SESSION_CASES } from "./cases_sessions.ts";

/** One claim about an engine. */
export interface BlockCase {
  readonly name: string;
  /** Throws where the claim does not hold. */
  run(backend: BlockBackend): Promise<void>;
}

/** All claims. */
export const BLOCK_CASES: readonly BlockCase[] = [...NUMBER_CASES, ...SESSION_CASES, ...HEAD_CASES];

/** Registers a test for each case; all are left out, with the reason in their names, where the engine cannot run. */
export async function testBlockCases(backend: BlockBackend): Promise<void> {
  const probe = await backend.probe();
  for (const { name, run } of BLOCK_CASES) {
    Deno.test({
      name: `${backend.name} ${name}${probe.usable ? "" : ` (left out: ${probe.reason})`}`,
      ignore: !probe.usable,
      fn: () => run(backend),
    });
  }
}
