/**
 * Addresses: whether there is a network at all, what translates between it and the internet, and IPv6.
 *
 * @module
 */
import { areLocal, ipOf, kindOfAddress, type LocalAddress, purposeOfAddress } from "../device/addresses.ts";
import { openSystemFiles, type TextFiles } from "../device/sysfs.ts";
import { type Check, type CheckContext, type Diagnosis, NETWORK_LIMIT_MS, tellOf } from "./checks.ts";

const [tell, tellNat, tellV6] = [tellOf("network"), tellOf("nat"), tellOf("ipv6")];

/** Whether any card has an address that leads further than this machine. */
export const networkCheck: Check = {
  name: "network",
  run({ addresses, bootstraps, settings: { config } }) {
    const outside = addresses.filter(({ kind }) => kind !== "loopback" && kind !== "link");
    const isWide = bootstraps.some((address) => isBeyond(ipOf(address), outside));
    if (outside.length > 0) {
      const all = `addresses: ${outside.map(({ card, address }) => `${address} (${card})`).join(", ")}`;
      if (!isWide || hasDefaultRoute(openSystemFiles(config)) !== false) return [tell("ok", all)];
      return [tell(
        "warn",
        `${all}, but no default route: packets to other networks go nowhere`,
        "let the router hand one out by DHCP, or set it: sudo ip route add default via ROUTER",
      )];
    }
    const wanted = isWide || config.listen.some((address) => /^\/ip[46]\/(?:0\.0\.0\.0|::)\//.test(address));
    const what = addresses.some(({ kind }) => kind === "link")
      ? "the cards gave themselves link-local addresses: no DHCP server answered"
      : "no card has an address besides loopback";
    return [tell(
      wanted ? "fail" : "info",
      `this machine is on no network: ${what}`,
      "plug the cable in or join the Wi-Fi; see ip address and ip route",
    )];
  },
};

/** Whether an address lies outside this machine; names do, and without a card of its kind of network so do others. */
const isBeyond = (ip: string | undefined, own: readonly LocalAddress[]): boolean => {
  const kind = ip === undefined ? "public" : kindOfAddress(ip);
  if (kind === "special") return !own.some((each) => each.kind === "special");
  return kind === "public" || (kind !== "loopback" && own.length === 0);
};

/** Whether nobody beyond this machine is to call: then no address of it need be public. */
function isHereAlone({ node, settings: { config } }: CheckContext): boolean {
  if (config["p2p.announce"].length > 0) return false;
  return areLocal(node.state === "running" ? node.status.addresses : config.listen);
}

/** What stands between this machine and the internet. */
export const natCheck: Check = {
  name: "nat",
  limitMs: NETWORK_LIMIT_MS,
  async run(context) {
    const { addresses, lookouts, settings: { config } } = context;
    if (isHereAlone(context)) return [tellNat("info", HERE_ALONE)];
    const four = addresses.filter(({ family, kind }) =>
      family === 4 && kind !== "loopback" && kind !== "link"
    );
    const hasSix = addresses.some(({ family, kind }) => family === 6 && kind === "public");
    const isToServe = config.serve && config["p2p.announce"].length === 0 && !hasSix;
    if (four.length > 0 && four.every(({ kind }) => kind === "carrier")) {
      return [carrierOf(four[0]!, isToServe)];
    }
    const { bootstraps, others } = await lookouts.swarm();
    return [natOf(four, [...bootstraps, ...others].flatMap(({ observed }) => observed ?? []))];
  },
};

const carrierOf = ({ address }: LocalAddress, isToServe: boolean): Diagnosis =>
  tellNat(
    isToServe ? "fail" : "warn",
    `CGNAT: the only IPv4 address is ${address} (100.64.0.0/10): the provider translates it, and no port of it can be ` +
      "opened from here",
    "ask the provider for a public IPv4 address or for IPv6, or serve from a machine that has one",
  );

const HERE_ALONE =
  "of no matter: the node listens on loopback alone, and nobody else is to call it (--listen)";

/** Judges by where peers saw us come from. */
export function natOf(four: readonly LocalAddress[], observed: readonly string[]): Diagnosis {
  const seen = new Set(observed.flatMap((address) => ipOf(address) ?? []).filter((ip) => !ip.includes(":")));
  const outside = [...seen].filter((ip) => kindOfAddress(ip) !== "loopback");
  const own = four.map(({ address }) => address).join(", ") || "none";
  const foreign = outside.filter((ip) => !four.some(({ address }) => address === ip));
  if (foreign.length > 1) {
    return tellNat(
      "warn",
      `NAT with several addresses: peers see this machine (${own}) come from ${foreign.join(" and ")}`,
      "ports cannot be forwarded where the address changes from peer to peer: use IPv6, or another connection",
    );
  }
  if (foreign.length === 1) return translatedOf(foreign[0]!, own);
  if (outside.length > 0) {
    return tellNat("ok", `no translation: peers see this machine come from ${outside[0]}`);
  }
  const open = four.filter(({ kind }) => kind === "public");
  if (open.length > 0) {
    const each = open.map(({ address }) => address).join(", ");
    return tellNat("ok", `a public IPv4 address of its own: ${each}`);
  }
  if (four.length === 0) {
    return tellNat("info", "no IPv4 address beyond this machine, so nothing translates it");
  }
  const nobodys = four.filter(({ kind }) => kind === "special");
  if (nobodys.length === four.length) {
    const each = nobodys.map(({ address }) => `${address} (${purposeOfAddress(address)})`).join(", ");
    return tellNat(
      "info",
      `no public IPv4 address: ${each} is set aside, and reached from its own network alone`,
    );
  }
  return tellNat(
    "info",
    `no public IPv4 address (${own}): a router translates on the way to the internet`,
  );
}

function translatedOf(seen: string, own: string): Diagnosis {
  const isCarrier = kindOfAddress(seen) === "carrier";
  return tellNat(
    isCarrier ? "warn" : "info",
    `${isCarrier ? "CGNAT" : "NAT"}: peers see this machine (${own}) come from ${seen}`,
    isCarrier
      ? "ask the provider for a public IPv4 address or for IPv6"
      : `forward the node's port in the router, and tell others: --set p2p.announce=/ip4/${seen}/tcp/PORT`,
  );
}

/** Whether IPv6 can be used beyond this network. */
export const ipv6Check: Check = {
  name: "ipv6",
  run(context) {
    const { addresses, settings: { config } } = context;
    const six = addresses.filter(({ family, kind }) => family === 6 && kind !== "loopback");
    const global = six.find(({ kind }) => kind === "public");
    if (global === undefined) {
      const only = six.length === 0 ? "none" : `only addresses for the local network (${six[0]!.address})`;
      return [tellV6("info", `no global IPv6 address: ${only}; IPv4 is used`)];
    }
    if (hasDefaultRoute6(openSystemFiles(config)) === false) {
      return [tellV6(
        "warn",
        `${global.address} has no default route: packets to other networks go nowhere`,
        "let the router announce itself (ip -6 route), or switch IPv6 off",
      )];
    }
    return [tellV6(
      "ok",
      isHereAlone(context)
        ? "calls to other networks can go out; the node listens on loopback alone, and nobody else is to call it"
        : `a global address: ${global.address}`,
    )];
  },
};

/** Of IPv4 or IPv6; `undefined` where the kernel does not tell. Columns: destination is the second (fib_trie.c). */
function hasDefaultRoute(files: TextFiles): boolean | undefined {
  const text = files.readText("/proc/net/route");
  if (text === undefined) return undefined;
  return text.split("\n").some((line) => line.split("\t")[1] === "00000000") ||
    hasDefaultRoute6(files) === true;
}

/** `undefined` where the kernel does not tell. Columns: ipv6_route(5) of linux/net/ipv6/route.c. */
function hasDefaultRoute6(files: TextFiles): boolean | undefined {
  const text = files.readText("/proc/net/ipv6_route");
  return text?.split("\n").some((line) => /^0{32} 00 .* (?!lo$)\S+$/.test(line.trim()));
}
