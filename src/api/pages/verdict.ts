/**
 * Whether others reach this node, in one line.
 *
 * @module
 */
import type { StatusDocument } from "../status.ts";

/** Longest reason: it may hold words of other peers. */
const MAX_REASON = 300;

/**
 * The line as text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(verdictOf({ state: "reachable", reason: "a peer called back" }), "Reachable");
 * assertEquals(verdictOf({ state: "unreachable", reason: "no peer got through" }), "Not reachable: no peer got through");
 * ```
 */
export function verdictOf({ state, reason }: StatusDocument["reachability"]): string {
  // deno-lint-ignore no-control-regex -- those are what is taken out
  const words = reason.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, " ").slice(
    0,
    MAX_REASON,
  );
  return {
    reachable: "Reachable",
    unreachable: `Not reachable: ${words}`,
    unknown: `Reachability unknown: ${words}`,
  }[
    state
  ];
}

/**
 * Text as HTML has it, in elements and in quoted attributes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(escapeHtml(`<a b="c">`), "&lt;a b=&quot;c&quot;&gt;");
 * ```
 */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (letter) => ESCAPES[letter as keyof typeof ESCAPES]);

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" } as const;
