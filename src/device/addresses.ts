/**
 * Addresses of this machine, and what others can do with each kind.
 *
 * @module
 */

/**
 * What an address is good for: `carrier` is a provider's own translation (100.64.0.0/10, RFC 6598), `unique` IPv6's
 * private ones (RFC 4193), `special` one that nobody on the internet has, or that is no single machine's: documentation,
 * benchmarks, multicast and the like.
 */
export type AddressKind = "loopback" | "link" | "private" | "carrier" | "unique" | "special" | "public";

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
 * Ranges that are not for everybody, of several that hold an address the narrowest: IANA's IPv4 and IPv6 special-purpose
 * address registries (RFC 6890 and its updates, as of 2025) and their multicast ranges. What each is for stands beside it.
 */
const RANGES: readonly (readonly [range: string, kind: AddressKind, purpose: string])[] = [
  ["0.0.0.0/8", "loopback", "this host, RFC 791"],
  ["10.0.0.0/8", "private", "private use, RFC 1918"],
  ["100.64.0.0/10", "carrier", "a provider's own translation, RFC 6598"],
  ["127.0.0.0/8", "loopback", "loopback, RFC 1122"],
  ["169.254.0.0/16", "link", "link-local, RFC 3927"],
  ["172.16.0.0/12", "private", "private use, RFC 1918"],
  ["192.0.0.0/24", "special", "protocol assignments, RFC 6890"],
  ["192.0.0.9/32", "public", "anycast of PCP, RFC 7723"],
  ["192.0.0.10/32", "public", "anycast of TURN, RFC 8155"],
  ["192.0.2.0/24", "special", "documentation, RFC 5737"],
  ["192.88.99.0/24", "special", "6to4 relays, RFC 7526"],
  ["192.168.0.0/16", "private", "private use, RFC 1918"],
  ["198.18.0.0/15", "special", "benchmarks, RFC 2544"],
  ["198.51.100.0/24", "special", "documentation, RFC 5737"],
  ["203.0.113.0/24", "special", "documentation, RFC 5737"],
  ["224.0.0.0/4", "special", "multicast, RFC 5771"],
  ["240.0.0.0/4", "special", "reserved, RFC 1112"],
  // of IPv6 only 2000::/3 is given out to anybody (RFC 4291, IANA's list of global unicast)
  ["::/0", "special", "not given out, RFC 4291"],
  ["2000::/3", "public", "global unicast, RFC 4291"],
  ["::/128", "loopback", "this host, RFC 4291"],
  ["::1/128", "loopback", "loopback, RFC 4291"],
  ["64:ff9b::/96", "public", "IPv4 behind NAT64, RFC 6052"],
  ["64:ff9b:1::/48", "special", "local NAT64, RFC 8215"],
  ["100::/64", "special", "discard only, RFC 6666"],
  ["2001::/23", "special", "protocol assignments, RFC 2928"],
  ["2001:1::1/128", "public", "anycast of PCP, RFC 7723"],
  ["2001:1::2/128", "public", "anycast of TURN, RFC 8155"],
  ["2001:3::/32", "public", "AMT, RFC 7450"],
  ["2001:4:112::/48", "public", "AS112, RFC 7535"],
  ["2001:db8::/32", "special", "documentation, RFC 3849"],
  ["2002::/16", "special", "6to4, RFC 3056"],
  ["3fff::/20", "special", "documentation, RFC 9637"],
  ["5f00::/16", "special", "segment routing, RFC 9602"],
  ["fc00::/7", "unique", "unique local, RFC 4193"],
  ["fe80::/10", "link", "link-local, RFC 4291"],
  ["fec0::/10", "special", "site-local, which is no more, RFC 3879"],
  ["ff00::/8", "special", "multicast, RFC 4291"],
];

interface Range {
  readonly bits: 32 | 128;
  /** Bits behind the prefix. */
  readonly rest: bigint;
  readonly prefix: bigint;
  readonly kind: AddressKind;
  readonly purpose: string;
}

/** Narrowest first. */
const SORTED: readonly Range[] = RANGES.map(([range, kind, purpose]): Range => {
  const [address, length] = range.split("/") as [string, string];
  const { bits, value } = parseAddress(address)!;
  const rest = BigInt(bits - Number(length));
  return { bits, rest, prefix: value >> rest, kind, purpose };
}).sort((a, b) => Number(a.rest - b.rest));

/**
 * The kind of an IP address without zone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(kindOfAddress("100.64.3.9"), "carrier");
 * assertEquals(kindOfAddress("100.128.0.1"), "public");
 * assertEquals(kindOfAddress("192.0.2.1"), "special");
 * assertEquals(kindOfAddress("fe80::1"), "link");
 * ```
 */
export const kindOfAddress = (address: string): AddressKind => lookUp(address).kind;

/** What an address that is not public is set aside for, and where that is written. */
export const purposeOfAddress = (address: string): string => lookUp(address).purpose;

/** An IPv6 address that stands for one of IPv4 is judged as that; what is no address is nobody's. */
function lookUp(address: string): Pick<Range, "kind" | "purpose"> {
  const parsed = parseAddress(address);
  if (parsed === undefined) return { kind: "special", purpose: "no address" };
  const isMapped = parsed.bits === 128 && parsed.value >> 32n === 0xffffn;
  const bits = isMapped ? 32 : parsed.bits;
  const value = isMapped ? parsed.value & 0xffff_ffffn : parsed.value;
  const found = SORTED.find((range) => range.bits === bits && value >> range.rest === range.prefix);
  return found ?? { kind: "public", purpose: "global unicast" };
}

/** The number that an address stands for. */
function parseAddress(address: string): { readonly bits: 32 | 128; readonly value: bigint } | undefined {
  const four = parseV4(address);
  if (four !== undefined) return { bits: 32, value: four };
  const six = parseV6(address);
  return six === undefined ? undefined : { bits: 128, value: six };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  const isFour = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return isFour ? parts.reduce((value, part) => value << 8n | BigInt(part), 0n) : undefined;
}

/** RFC 4291, 2.2: eight groups, one run of zeroes left out, the last two groups perhaps as IPv4. */
function parseV6(text: string): bigint | undefined {
  const tail = text.slice(text.lastIndexOf(":") + 1);
  const four = tail.includes(".") ? parseV4(tail) : undefined;
  if (tail.includes(".") && four === undefined) return undefined;
  const plain = four === undefined
    ? text
    : `${text.slice(0, -tail.length)}${(four >> 16n).toString(16)}:${(four & 0xffffn).toString(16)}`;
  const [head, behind, ...more] = plain.split("::").map((half) => half === "" ? [] : half.split(":"));
  if (head === undefined || more.length > 0) return undefined;
  const missing = 8 - head.length - (behind?.length ?? 0);
  if (behind === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...behind ?? []];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((value, group) => value << 16n | BigInt(`0x${group}`), 0n);
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

/** Whether all of some multiaddrs are addresses of loopback: nobody else can call there. */
export const areLocal = (multiaddrs: readonly string[]): boolean =>
  multiaddrs.every((address) => {
    const ip = ipOf(address);
    return ip !== undefined && ip !== "0.0.0.0" && ip !== "::" && kindOfAddress(ip) === "loopback";
  });
