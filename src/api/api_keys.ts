/**
 * Keys that callers of the local API must bring.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { NodeError } from "../base/errors.ts";

/** Longest key that is looked at. */
const MAX_KEY_LENGTH = 1024;

/**
 * Whether only this machine reaches what listens on `hostname` (brackets of IPv6 taken off).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["127.0.0.1", "::1", "localhost"].every(isLoopback), true);
 * assertEquals(["0.0.0.0", "::", "pi.local", "127.0.0.1.example"].some(isLoopback), false);
 * ```
 */
export const isLoopback = (hostname: string): boolean =>
  /^(?:localhost|(?:::ffff:)?127(?:\.\d{1,3}){3}|(?:0{1,4}:){7}0{0,3}1|::1)$/i.test(hostname);

/** Throws `NodeError` `usage` where others reach the API and no key keeps them out. */
export function requireKeys(hostname: string, keys: readonly string[]): void {
  if (keys.length > 0 || isLoopback(hostname)) return;
  throw new NodeError(
    "usage",
    `Cannot open the local API on ${hostname}: other machines reach it and no key is set, wanted one (--set http.api_keys=KEY, or --api 127.0.0.1:8080)`,
  );
}

/**
 * The key that a request brings: `Authorization: Bearer`, `x-api-key`, or the password of `Authorization: Basic`, which
 * browsers ask their users for.
 */
export function presentedKey(headers: Headers): string | undefined {
  const own = headers.get("x-api-key");
  if (own !== null) return own;
  const [, scheme, rest] = headers.get("authorization")?.match(/^(\S{1,16}) +(\S+)\s*$/) ?? [];
  if (rest === undefined || rest.length > MAX_KEY_LENGTH * 2) return undefined;
  if (/^bearer$/i.test(scheme!)) return rest;
  return /^basic$/i.test(scheme!) ? passwordOf(rest) : undefined;
}

function passwordOf(credentials: string): string | undefined {
  try {
    return atob(credentials).match(/^[^:]*:(.*)$/s)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Tells whether a text is one of `keys`. Digests are compared, each with every key, so that the time taken tells nothing
 * of how much of a key was right.
 */
export function keyRing(keys: readonly string[]): (presented: string | undefined) => boolean {
  const digests = keys.map(digestOf);
  return (presented) => {
    if (presented === undefined || presented.length > MAX_KEY_LENGTH) return false;
    const digest = digestOf(presented);
    return digests.filter((other) => timingSafeEqual(other, digest)).length > 0;
  };
}

const digestOf = (text: string): Uint8Array => createHash("sha256").update(text, "utf8").digest();
