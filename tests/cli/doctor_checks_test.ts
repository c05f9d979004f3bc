import { assert, assertEquals, assertMatch } from "@std/assert";
import { bootstrapsCheck } from "../../src/cli/check_bootstraps.ts";
import { clockCheck } from "../../src/cli/check_clock.ts";
import { diskCheck, nearestFolder } from "../../src/cli/check_disk.ts";
import { dnsCheck } from "../../src/cli/check_dns.ts";
import { engineCheck } from "../../src/cli/check_engine.ts";
import { inboundCheck, ofNode, ofStandIn } from "../../src/cli/check_inbound.ts";
import { keyCheck } from "../../src/cli/check_key.ts";
import { memoryCheck } from "../../src/cli/check_memory.ts";
import { modelCheck } from "../../src/cli/check_model.ts";
import { ipv6Check, natCheck, natOf, networkCheck } from "../../src/cli/check_network.ts";
import { permissionsCheck } from "../../src/cli/check_permissions.ts";
import { portsCheck } from "../../src/cli/check_ports.ts";
import { settingsCheck } from "../../src/cli/check_settings.ts";
import { openLookouts } from "../../src/cli/doctor_lookouts.ts";
import { isDataLocked, readHolder } from "../../src/node/lock.ts";
import { writeTinyGguf } from "../support/tiny_model.ts";
import type { Check, CheckContext, Diagnosis, Lookouts } from "../../src/cli/checks.ts";
import type { StatusDocument } from "../../src/api/status.ts";
import { NodeError } from "../../src/base/errors.ts";
import { openSystemWorld } from "../../src/base/system_world.ts";
import type { Clock } from "../../src/base/world.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { type Config, CONFIG_KEYS } from "../../src/config/schema.ts";
import { kindOfAddress, type LocalAddress } from "../../src/device/addresses.ts";
import { createIdentity, encodeIdentity, readIdentity } from "../../src/identity/keys.ts";
import { openDataLock } from "../../src/node/lock.ts";
import type { ProbedPeer } from "../../src/node/probe_swarm.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { FakeClock, fakeWorld } from "../support/world.ts";

const never = new AbortController().signal;
const NOW = Date.UTC(2027, 0, 1);
const DEFAULTS = Object.fromEntries(
  Object.entries(CONFIG_KEYS).map(([path, { fallback }]) => [path, fallback]),
);

interface Given {
  readonly root?: string;
  readonly config?: Partial<Config>;
  readonly now?: number;
  readonly clock?: Clock;
  readonly bootstraps?: readonly string[];
  readonly addresses?: readonly LocalAddress[];
  readonly node?: CheckContext["node"];
  readonly peers?: readonly Partial<ProbedPeer>[];
  readonly lookouts?: Partial<Lookouts>;
}

/** What checks are told; everything is as it should be where nothing is said. */
function contextWith(given: Given): CheckContext {
  const root = given.root ?? "/nowhere";
  const bootstraps = (given.peers ?? []).map((peer) => ({ peer: "P", checks: true, ...peer }));
  return {
    world: { ...fakeWorld(), clock: given.clock ?? new FakeClock(given.now ?? NOW) },
    settings: { config: { ...DEFAULTS, ...given.config }, paths: dataPaths(root) },
    energy: undefined,
    node: given.node ?? { state: "none" },
    bootstraps: given.bootstraps ?? [],
    addresses: given.addresses ?? [],
    lookouts: {
      swarm: () => Promise.resolve({ bootstraps, others: [] }),
      identity: async () => (await readIdentity(dataPaths(root).identity))?.peerId,
      ...given.lookouts,
    },
  } as unknown as CheckContext;
}

const look = async (check: Check, given: Given): Promise<Diagnosis[]> =>
  await check.run(contextWith(given), never);
/** The one finding: its severity, and that its words are as `says` wants; what is wrong has a cure. */
function only(found: readonly Diagnosis[], severity: Diagnosis["severity"], says: RegExp): void {
  assertEquals(found.map((each) => each.severity), [severity], JSON.stringify(found));
  assertMatch(found[0]!.says, says);
  if (severity !== "ok" && severity !== "info") assert(found[0]!.cure !== undefined, found[0]!.says);
}
const card = (address: string, name = "eth0"): LocalAddress => ({
  card: name,
  family: address.includes(":") ? 6 : 4,
  address,
  kind: kindOfAddress(address),
});

Deno.test("the clock is wrong when most peers say so, and only a stranger's when one does", async () => {
  const skews = (...all: number[]) => ({ peers: all.map((skewSeconds) => ({ skewSeconds })) });
  only(await look(clockCheck, skews(0, 0.2)), "ok", /2 of 2/);
  only(await look(clockCheck, skews(-3600)), "fail", /this machine's clock is 3600 s ahead of the network's/);
  only(await look(clockCheck, skews(2, 2)), "warn", /2\.0 s behind/);
  const found = await look(clockCheck, skews(0, 0, 900));
  assertEquals(found.map(({ severity }) => severity), ["ok", "warn"]);
  assertMatch(found[1]!.says, /the clock of P is off by 900 s/);
  only(await look(clockCheck, { peers: [{}] }), "unknown", /no peer told its time/);
  only(await look(clockCheck, { now: 0 }), "fail", /1970-01-01.*never set/);
});

Deno.test("each bootstrap that is away is named with why, and fails where all are", async () => {
  const bootstraps = ["/ip4/10.0.0.1/tcp/1/p2p/A"];
  only(await look(bootstrapsCheck, {}), "info", /none are named/);
  const status = { dht: { peers: 2 } } as unknown as StatusDocument;
  only(
    await look(bootstrapsCheck, { node: { state: "running", status } }),
    "info",
    /2 peers are known to it/,
  );
  const away = { address: bootstraps[0]!, away: { kind: "refused", why: "ECONNREFUSED" } } as const;
  only(
    await look(bootstrapsCheck, { bootstraps, peers: [away] }),
    "fail",
    /10\.0\.0\.1.* is away.*nothing listens/,
  );
  const found = await look(bootstrapsCheck, { bootstraps, peers: [away, {}] });
  assertEquals(found.map(({ severity }) => severity), ["ok", "warn"]);
});

Deno.test("names of bootstraps that do not exist are said to be so", async () => {
  only(await look(dnsCheck, { bootstraps: ["/ip4/10.0.0.1/tcp/1/p2p/A"] }), "ok", /not needed/);
  only(await look(dnsCheck, { bootstraps: ["/dns4/localhost/tcp/1/p2p/A"] }), "ok", /localhost/);
});

Deno.test("the way in is what peers say, and unknown where nobody can tell", async () => {
  const relay = async (given: Given) =>
    (await look(inboundCheck, given)).map(({ check, severity }) => [check, severity]);
  assertEquals(await relay({}), [["inbound", "unknown"], ["relay", "unknown"]]);
  assertEquals(await relay({ peers: [{ checks: false }] }), [["inbound", "unknown"], ["relay", "unknown"]]);
  const standIn = (says: ("yes" | "no" | "cannot_tell")[]) =>
    ofStandIn({ addresses: ["/ip4/10.0.0.2/tcp/5"], says });
  assertEquals(
    [standIn(["yes"]), standIn(["no", "no"]), standIn(["no", "yes"]), standIn(["cannot_tell"])].map((each) =>
      each.severity
    ),
    ["ok", "fail", "warn", "unknown"],
  );
  const lookouts = { askAboutStandIn: () => Promise.resolve({ addresses: [], says: ["no" as const] }) };
  assertEquals(await relay({ peers: [{}], lookouts }), [["inbound", "fail"], ["relay", "warn"]]);
});

Deno.test("a node that peers only call over its own connections is not taken for reachable", () => {
  const status = { addresses: ["/ip4/10.0.0.2/tcp/5/p2p/A"], serving: null } as unknown as StatusDocument;
  const of = (part: Partial<Parameters<typeof ofNode>[1]>, told = status) =>
    ofNode(told, { says: ["yes"], cameIn: false, ...part }).severity;
  assertEquals(of({ cameIn: true }), "ok");
  assertEquals(of({}), "unknown");
  assertEquals(of({ kept: "dropped" }), "fail");
  assertEquals(of({ kept: "refused" }), "fail");
  assertEquals(of({ says: ["no"] }), "fail");
  assertEquals(of({ says: ["no", "yes"] }), "warn");
  assertEquals(of({ says: ["cannot_tell"] }), "unknown");
  assertEquals(of({}, { ...status, addresses: ["/ip4/127.0.0.1/tcp/5/p2p/A"] }), "ok");
  const loading = { ...status, serving: { engine: "" } } as unknown as StatusDocument;
  assertEquals(of({ says: ["no"] }, loading), "unknown");
});

Deno.test("a machine without addresses is on no network, unless nothing outside is wanted", async () => {
  const lo = [card("127.0.0.1", "lo")];
  const listen = ["/ip4/127.0.0.1/tcp/0"];
  only(await look(networkCheck, { addresses: lo, config: { listen } }), "info", /no network/);
  only(await look(networkCheck, { addresses: lo }), "fail", /no card has an address/);
  const bootstraps = ["/ip4/10.0.0.1/tcp/1/p2p/A"];
  only(await look(networkCheck, { addresses: lo, bootstraps, config: { listen } }), "fail", /no network/);
  only(await look(networkCheck, { addresses: [card("169.254.3.4")] }), "fail", /no DHCP server/);
  only(await look(networkCheck, { addresses: [card("10.0.0.2")] }), "ok", /10\.0\.0\.2 \(eth0\)/);
});

Deno.test("a card without a default route is named where a bootstrap lies beyond it", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/net`);
  await Deno.writeTextFile(`${folder.path}/net/route`, "Iface\tDestination\nva\t00004D0A\n");
  const given = { addresses: [card("10.0.0.2")], config: { procfs: folder.path } };
  const bootstraps = ["/ip4/8.8.8.8/tcp/1/p2p/A"];
  only(await look(networkCheck, { ...given, bootstraps }), "warn", /no default route/);
  only(await look(networkCheck, given), "ok", /10\.0\.0\.2/);
});

Deno.test("what translates addresses is told by what peers see", async () => {
  only(await look(natCheck, { addresses: [card("100.64.1.2")] }), "fail", /^CGNAT/);
  only(await look(natCheck, { addresses: [card("100.64.1.2"), card("2a00:1450::1")] }), "warn", /^CGNAT/);
  const home = [card("192.168.1.5")];
  const seen = (...ips: string[]) => natOf(home, ips.map((ip) => `/ip4/${ip}/tcp/999`));
  only([seen("192.168.1.5")], "ok", /no translation/);
  only([seen("203.0.113.7", "203.0.113.7")], "info", /^NAT: .*203\.0\.113\.7/);
  only([seen("100.80.0.1")], "warn", /^CGNAT/);
  only([seen("203.0.113.7", "203.0.113.9")], "warn", /several addresses/);
  only([seen()], "info", /no public IPv4 address \(192\.168\.1\.5\)/);
  only([natOf([card("8.8.8.8"), card("10.0.0.1")], [])], "ok", /of its own: 8\.8\.8\.8$/);
  only(
    [natOf([card("192.0.2.2")], [])],
    "info",
    /no public IPv4 address: 192\.0\.2\.2 \(documentation, RFC 5737\)/,
  );
});

Deno.test("nothing is said of public addresses where a node listens on loopback alone", async () => {
  const listen = ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"];
  const addresses = [card("8.8.8.8"), card("100.64.1.2", "eth1"), card("2a00:1450::1")];
  await using folder = await temporaryFolder();
  const config = { listen, procfs: folder.path };
  for (const check of [natCheck, ipv6Check]) {
    const [found, ...more] = await look(check, { addresses, config });
    assertEquals([found!.severity === "fail", more], [false, []]);
    assertMatch(found!.says, /listens on loopback alone/);
    assert(!/public|global|8\.8|2a00/.test(found!.says), found!.says);
  }
  const status = { addresses: ["/ip4/127.0.0.1/tcp/5/p2p/A"] } as unknown as StatusDocument;
  only(await look(natCheck, { addresses, node: { state: "running", status } }), "info", /on loopback alone/);
  // what stands before it hands calls on
  const announced = { ...config, "p2p.announce": ["/ip4/8.8.8.8/tcp/1"] };
  only(await look(natCheck, { addresses, config: announced }), "ok", /of its own: 8\.8\.8\.8/);
});

Deno.test("IPv6 is said to be of use only with a way out", async () => {
  only(
    await look(ipv6Check, { addresses: [card("fe80::1")] }),
    "info",
    /only addresses for the local network/,
  );
  await using folder = await temporaryFolder();
  const given = { addresses: [card("2a00:1450::1")], config: { procfs: folder.path } };
  only(await look(ipv6Check, given), "ok", /2a00:1450::1/);
  await Deno.mkdir(`${folder.path}/net`);
  const none = "0".repeat(32);
  const line = (card: string) =>
    `${none} 00 ${none} 00 ${none} 00000400 00000001 00000000 00000003 ${card}\n`;
  await Deno.writeTextFile(`${folder.path}/net/ipv6_route`, line("lo"));
  only(await look(ipv6Check, given), "warn", /no default route/);
  await Deno.writeTextFile(`${folder.path}/net/ipv6_route`, line("lo") + line("eth0"));
  only(await look(ipv6Check, given), "ok", /2a00:1450::1/);
});

Deno.test("a data folder that is not there yet is judged by the one above, and nothing is left behind", async () => {
  await using folder = await temporaryFolder();
  assertEquals(nearestFolder(`${folder.path}/a/b`), folder.path);
  only(await look(diskCheck, { root: `${folder.path}/a/b` }), "ok", /can be written/);
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("memory below the reserve fails, for a node that serves", async () => {
  await using folder = await temporaryFolder();
  const free = async (kib: number, config: Partial<Config> = {}) => {
    await Deno.writeTextFile(`${folder.path}/meminfo`, `MemTotal: 4000000 kB\nMemAvailable: ${kib} kB\n`);
    return await look(memoryCheck, { config: { procfs: folder.path, ...config } });
  };
  only(await free(3_000_000), "ok", /are free/);
  only(await free(300_000), "warn", /little for blocks/);
  only(await free(20_000), "fail", /no memory/);
  only(await free(20_000, { serve: false }), "warn", /no memory/);
});

Deno.test("an engine that cannot run is told with its reason, and a slow one is a warning", async () => {
  const engine = (name: string) => ({ engine: () => Promise.resolve({ name, reason: "r" }) });
  only(await look(engineCheck, { lookouts: engine("ggml") }), "ok", /^ggml \(r\)/);
  only(await look(engineCheck, { lookouts: engine("reference") }), "warn", /slow engine/);
  const broken = { engine: () => Promise.reject(new NodeError("no_backend", "Cannot use it: no libraries")) };
  only(await look(engineCheck, { lookouts: broken }), "fail", /no libraries/);
});

Deno.test("a key or a folder that others may read or change is named with its mode", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path, { identity } = dataPaths(root);
  await Deno.writeFile(identity, encodeIdentity(await createIdentity()), { mode: 0o600 });
  await Deno.chmod(root, 0o700);
  only(await look(permissionsCheck, { root }), "ok", /owner alone/);
  await Deno.chmod(identity, 0o644);
  only(await look(permissionsCheck, { root }), "fail", /identity\.key is open to others \(mode 0644\)/);
  await Deno.chmod(identity, 0o600);
  await Deno.chmod(root, 0o755);
  only(await look(permissionsCheck, { root }), "warn", /mode 0755/);
  await Deno.chmod(root, 0o777);
  only(await look(permissionsCheck, { root }), "fail", /another key in its place/);
  await Deno.chmod(root, 0o700);
  await Deno.writeTextFile(identity, "no key");
  only(await look(permissionsCheck, { root }), "fail", /no libp2p private key/);
});

Deno.test("a port in use is named with what it was for", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const free = { api: "127.0.0.1:0", listen: ["/ip4/127.0.0.1/tcp/0"] };
  only(await look(portsCheck, { config: free }), "ok", /free/);
  only(
    await look(portsCheck, { config: { ...free, api: `127.0.0.1:${port}` } }),
    "fail",
    /for the API, is in use by/,
  );
  const listen = [`/ip4/127.0.0.1/tcp/${port}`];
  // who holds the folder has the ports too: its silence is told already
  const silent = { config: { ...free, listen }, node: { state: "silent", why: "x" } as const };
  only(await look(portsCheck, silent), "info", /not tried/);
  only(await look(portsCheck, { config: { ...free, listen } }), "fail", /for peers, is in use by/);
  const elsewhere = ["/ip4/203.0.113.9/tcp/0"];
  only(await look(portsCheck, { config: { ...free, listen: elsewhere } }), "fail", /203\.0\.113\.9/);
});

Deno.test("a key that somebody else answers to is named", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path, paths = dataPaths(root);
  only(await look(keyCheck, { root }), "ok", /no key yet/);
  await Deno.writeFile(paths.identity, encodeIdentity(await createIdentity()), { mode: 0o600 });
  only(await look(keyCheck, { root }), "unknown", /nobody was there to ask/);
  const twin = (found: string | undefined) => ({ findTwin: () => Promise.resolve(found) });
  only(await look(keyCheck, { root, peers: [{}], lookouts: twin(undefined) }), "ok", /nobody else/);
  only(
    await look(keyCheck, { root, peers: [{}], lookouts: twin("/ip4/10.0.0.9/tcp/1") }),
    "fail",
    /two nodes on one key.*10\.0\.0\.9/,
  );
});

Deno.test("a folder that another process holds is named, and lets go of again", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path, paths = dataPaths(root);
  const { clock } = openSystemWorld({ level: "error", json: false });
  const given = { root, clock };
  {
    await using _lock = await openDataLock(clock, paths);
    only(await look(keyCheck, given), "fail", /process \d+ holds/);
  }
  only(await look(keyCheck, given), "ok", /no key yet/);
  await using _again = await openDataLock(clock, paths);
});

Deno.test("a data folder that is a file is named, and nobody is taken for its holder", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/data`;
  await Deno.writeTextFile(file, "x");
  for (const root of [file, `${file}/deeper`]) {
    only(await look(diskCheck, { root }), "fail", /data is a file/);
    assertEquals(readHolder(dataPaths(root)), undefined);
    assertEquals(await isDataLocked(new FakeClock(NOW), dataPaths(root)), false);
  }
  only(await look(permissionsCheck, { root: file }), "unknown", /is no folder/);
  const { world, settings } = contextWith({ root: file });
  await using lookouts = openLookouts(world, settings, { node: { state: "none" }, environment: {} }, never);
  for (const model of ["/nowhere.gguf", "nowhere"]) {
    only(
      await look(modelCheck, { root: file, config: { model }, lookouts }),
      "fail",
      /the store has no models/,
    );
  }
});

Deno.test("settings with which no node would start fail, unless one runs", async () => {
  const open = { config: { api: "0.0.0.0:8080", "http.api_keys": [] } };
  only(await look(settingsCheck, open), "fail", /other machines reach it and no key is set/);
  assertEquals(await look(settingsCheck, { ...open, node: { state: "silent", why: "x" } }), []);
  only(await look(settingsCheck, { config: { blocks: "5:3" } }), "fail", /5:3 holds no block/);
  assertEquals(await look(settingsCheck, {}), []);
});

Deno.test("a model that is not there, is none, or has fewer blocks is named; one that would be fetched is not", async () => {
  await using folder = await temporaryFolder();
  const root = `${folder.path}/data`;
  const model = `${folder.path}/tiny.gguf`;
  await writeTinyGguf(model);
  await Deno.writeTextFile(`${folder.path}/no.gguf`, "no model");
  const from = { node: { state: "none" } as const, environment: { HOME: folder.path } };
  const { world, settings } = contextWith({ root });
  await using lookouts = openLookouts(world, settings, from, never);
  const at = async (config: Partial<Config>) => await look(modelCheck, { root, config, lookouts });
  only(await at({}), "info", /none is named/);
  only(await at({ model }), "ok", /^tiny can be opened: 4 blocks/);
  only(await at({ model, blocks: "2:4" }), "ok", /can be opened/);
  only(await at({ model, blocks: "2:5" }), "fail", /has 4 blocks, and blocks up to 5/);
  only(await at({ model, end_block: 9, serve: false }), "ok", /can be opened/);
  only(await at({ model: `${folder.path}/away.gguf` }), "fail", /Cannot find the model.*no file or folder/);
  only(await at({ model: `${folder.path}/no.gguf` }), "fail", /no GGUF file/);
  for (const name of ["hf:org/name", "smollm2-135m"]) {
    only(await at({ model: name }), "info", /the first start fetches it/);
  }
  const [, draft] = await at({ model, "text.draft_model": `${folder.path}/away.gguf` });
  assertMatch(draft!.says, /Cannot find the model.*away/);
  assertEquals(
    await look(modelCheck, { config: { model: "away" }, node: { state: "silent", why: "x" } }),
    [],
  );
});

Deno.test("where no bootstrap is named, nobody is told to make one answer", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await Deno.writeFile(dataPaths(root).identity, encodeIdentity(await createIdentity()), { mode: 0o600 });
  for (const check of [clockCheck, inboundCheck, keyCheck]) {
    const [alone] = await look(check, { root });
    assertMatch(alone!.cure!, /name a node that runs with --initial-peers/);
    const [named] = await look(check, { root, bootstraps: ["/ip4/10.0.0.9/tcp/1/p2p/P"] });
    assertMatch(named!.cure!, /make a bootstrap answer/);
  }
});
