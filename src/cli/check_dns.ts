/**
 * Names of bootstraps: whether they are found, and who does not answer otherwise.
 *
 * @module
 */
import { openDeadline } from "../base/deadline.ts";
import type { Clock } from "../base/world.ts";
import { askNameServer, type Lookup, lookUp, nameServers } from "../device/resolver.ts";
import { type Check, type Diagnosis, tellOf } from "./checks.ts";

const tell = tellOf("dns");
/** Longest wait for a name server: libc waits 5 s. */
const SERVER_MS = 3_000;
const LOOKUP_MS = 6_000;

const WRITTEN_CURE =
  "check how it is written (--initial-peers, initial_peers), or name the bootstrap by its IP address";
const NETWORK_CURE =
  "the network's own bootstraps have these names: let this machine's name server know names of the Internet (getent " +
  "hosts deno.com), or name another peer by its IP address (--initial-peers)";

/** Whether the bootstraps that are named by host are found. */
export const dnsCheck: Check = {
  name: "dns",
  limitMs: 15_000,
  async run({ world, bootstraps, settings: { config } }, signal) {
    const names = [...new Set(bootstraps.flatMap((address) => nameOf(address) ?? []))];
    if (names.length === 0) return [tell("ok", "not needed to join: no bootstrap is a name")];
    const looked = await Promise.all(names.map(async (name) => ({
      name,
      found: await lookUpWithin(world.clock, name, signal),
    })));
    const missing = looked.filter(({ found }) => found.state !== "found");
    if (missing.length === 0) return [tell("ok", `all names of bootstraps are found: ${names.join(", ")}`)];
    const silent = missing.some(({ found }) => found.state === "no_answer");
    const resolver = await resolverOf(world.clock, missing[0]!.name, signal);
    const isAll = missing.length === names.length;
    if (resolver !== undefined && (silent || isAll)) return [resolver];
    return missing.map(({ name, found }) =>
      tell(
        isAll ? "fail" : "warn",
        found.state === "no_answer"
          ? `the name ${name} is not resolved: the resolver gave no answer (${found.why})`
          : `there is no name ${name}: the resolver answers, and does not know it`,
        config.initial_peers.length > 0 ? WRITTEN_CURE : NETWORK_CURE,
      )
    );
  },
};

/** The host of `/dns4/NAME/…`. */
const nameOf = (address: string): string | undefined => address.match(/^\/dns(?:4|6|addr)?\/([^/]+)/)?.[1];

async function lookUpWithin(clock: Clock, name: string, signal: AbortSignal): Promise<Lookup> {
  using late = openDeadline(clock, LOOKUP_MS, `look up ${name}`, signal);
  try {
    return await lookUp(name, late.signal);
  } catch {
    signal.throwIfAborted();
    return { state: "no_answer", why: `nothing came within ${LOOKUP_MS} ms` };
  }
}

/** What is wrong with the name servers; `undefined` when one of them answers. */
async function resolverOf(clock: Clock, name: string, signal: AbortSignal): Promise<Diagnosis | undefined> {
  const servers = nameServers();
  const cure =
    "name a server that answers: `nameserver 9.9.9.9` in /etc/resolv.conf (with systemd-resolved: resolvectl " +
    "dns CARD 9.9.9.9), or let the router hand one out by DHCP";
  if (servers === undefined || servers.length === 0) {
    const what = servers === undefined ? "there is no /etc/resolv.conf" : "/etc/resolv.conf names no server";
    return tell("fail", `names cannot be resolved: ${what}`, cure);
  }
  const answers = await Promise.all(servers.map(async (server) => {
    using late = openDeadline(clock, SERVER_MS, `ask ${server}`, signal);
    return await askNameServer(server, name, late.signal);
  }));
  signal.throwIfAborted();
  if (answers.includes(undefined)) return undefined;
  const each = servers.map((server, at) => `${server} (${answers[at]})`).join(", ");
  return tell("fail", `names cannot be resolved: no name server answers: ${each}`, cure);
}
