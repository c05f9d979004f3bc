/**
 * Guard against DNS rebinding: a page of another site must not talk to this API under its own name.
 *
 * @module
 */

/** An address of IPv4, or one of IPv6 as it stands in a URL. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.+\])$/;

/**
 * Whether a request that names `host` (value of the Host header) may be answered: `localhost`, `127.0.0.1` and `[::1]`
 * with any port, and the names that the owner lists. `takesAddresses`: any IP address too, which no other site can take for
 * a name of its own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isAllowedHost("localhost:8080", []), true);
 * assertEquals(isAllowedHost("evil.example", []), false);
 * assertEquals(isAllowedHost("pi.local:8080", ["pi.local"]), true);
 * assertEquals(isAllowedHost("192.168.1.20:8080", [], true), true);
 * ```
 */
export function isAllowedHost(
  host: string | undefined,
  listed: readonly string[],
  takesAddresses = false,
): boolean {
  const name = host?.match(/^(\[[0-9a-fA-F:.]+\]|[^:\s/@]+)(?::\d{1,5})?$/)?.[1]?.toLowerCase();
  if (name === undefined) return false;
  if (takesAddresses && ADDRESS.test(name)) return true;
  return ["localhost", "127.0.0.1", "[::1]", ...listed.map((other) => other.toLowerCase())].includes(name);
}
