/**
 * Addresses of this machine, and what others can do with each kind.
 *
 * @module
 */

/**
 * What an address is good for: `carrier` is a provider's own translation (100.64.0.0/10, RFC 6598), `unique` IPv6's
 * private ones (RFC 4193).
 */
export type AddressKind = "loopback" | "link" | "private" | "carrier" | "unique" | "public";

/** One address of a network card. */
export interface LocalAddress {
  /** Name of the card. */
  readonly card: string;
  readonly family: 4 | 6;
  readonly address: string;
  readonly kind: AddressKind;
}

/** Cards of private networks over the internet; some use 100.64.0.0/10, where no provider translates. */
const OVERLAY = /^(?:tailscale|wg|tun|utun|zt|nebula)/;

/**
 * The kind of an IP address without zone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(kindOfAddress("100.64.3.9"), "carrier");
 * assertEquals(kindOfAddress("100.128.0.1"), "public");
 * assertEquals(kindOfAddress("fe80::1"), "link");
 * ```
 */
export function kindOfAddress(address: string): AddressKind {
  if (address.includes(":")) return kindOfV6(address.toLowerCase());
  const [a = 0, b = 0] = address.split(".").map(Number);
  if (a === 127 || a === 0) return "loopback";
  if (a === 169 && b === 254) return "link";
  if (a === 100 && b >= 64 && b < 128) return "carrier";
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168);
  return isPrivate ? "private" : "public";
}

function kindOfV6(address: string): AddressKind {
  if (address === "::1" || address === "::") return "loopback";
  const mapped = address.match(/^::ffff:(\d+\.\d+\.\d+\.\d+)$/)?.[1];
  if (mapped !== undefined) return kindOfAddress(mapped);
  if (/^fe[89ab]/.test(address)) return "link";
  return /^f[cd]/.test(address) ? "unique" : "public";
}

/** Addresses of all cards that are up, overlay networks left out. */
export function readAddresses(): readonly LocalAddress[] {
  return Deno.networkInterfaces()
    .filter(({ name }) => !OVERLAY.test(name))
    .map(({ name, family, address }) => ({
      card: name,
      family: family === "IPv4" ? 4 : 6,
      address,
      kind: kindOfAddress(address),
    }));
}

/** The IP address at the head of a multiaddr such as `/ip4/10.0.0.2/tcp/4001`; `undefined` for names and others. */
export const ipOf = (multiaddr: string): string | undefined =>
  multiaddr.match(/^\/ip[46]\/([0-9a-fA-F:.]+)/)?.[1];
