/**
 * Guard against DNS rebinding: a page of another site must not talk to this API under its own name.
 *
 * @module
 */

/**
 * Whether a request that names `host` (value of the Host header) may be answered: `localhost`, `127.0.0.1` and `[::1]`
 * with any port, and the names that the owner lists.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isAllowedHost("localhost:8080", []), true);
 * assertEquals(isAllowedHost("evil.example", []), false);
 * assertEquals(isAllowedHost("pi.local:8080", ["pi.local"]), true);
 * ```
 */
export function isAllowedHost(host: string | undefined, listed: readonly string[]): boolean {
  const name = host?.match(/^(\[[0-9a-fA-F:.]+\]|[^:\s/@]+)(?::\d{1,5})?$/)?.[1]?.toLowerCase();
  if (name === undefined) return false;
  return ["localhost", "127.0.0.1", "[::1]", ...listed.map((other) => other.toLowerCase())].includes(name);
}
