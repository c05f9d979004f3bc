/**
 * From what was thrown to an exit code and one line.
 *
 * @module
 */
import { codeOf, type ErrorCode, messageOf, NodeError } from "../base/errors.ts";

/** Exit code of every failure: 1 it failed, 2 wrong usage, 3 no node is running, 130 interrupted. */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  aborted: 130,
  timeout: 1,
  unreachable: 1,
  refused: 1,
  remote: 1,
  malformed: 1,
  unsupported: 1,
  too_large: 1,
  not_found: 1,
  busy: 1,
  no_memory: 1,
  no_backend: 1,
  denied: 1,
  corrupt: 1,
  clock_wrong: 1,
  usage: 2,
  not_running: 3,
};

/** The exit code of something thrown; 1 for what is not ours. */
export function exitCodeOf(error: unknown): number {
  const code = error instanceof Error ? codeOf(error, "remote") : "remote";
  return EXIT_CODES[code];
}

/**
 * What a user reads: one line, without a stack.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { NodeError } from "../base/errors.ts";
 *
 * assertEquals(lineOf(new NodeError("busy", "Cannot go:\n full")), "kwaainet: Cannot go: full");
 * ```
 */
export function lineOf(error: unknown): string {
  const words = messageOf(error).replace(/\s*[\r\n]+\s*/g, " ");
  if (error instanceof NodeError && words.startsWith("Cannot ")) return `kwaainet: ${words}`;
  return `kwaainet: Cannot go on: ${words}, wanted none (a fault of the program: --log-level debug shows where)`;
}
