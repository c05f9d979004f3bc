/** `doctor` against a machine that is well, and against one with a fault: the fault is named, and nothing else fails. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openSystemWorld } from "../../src/base/system_world.ts";
import type { World } from "../../src/base/world.ts";
import { openDhtNode } from "../../src/dht/node.ts";
import { createIdentity, openIdentity } from "../../src/identity/keys.ts";
import { openHost } from "../../src/p2p/host.ts";
import { serveReachability } from "../../src/petals/server/reachability.ts";
import { Namespace, noFirewall, noMounts, noNamespaces, system, whyNot } from "./namespaces.ts";
import { alone, ask, FLAVOUR, HERE, type Launch, Program, withFolder } from "./program.ts";

const world = openSystemWorld({ level: "error", json: false });
const recorded = new URL("../vectors/energy/sysfs/intel-thinkpad-procfs", import.meta.url).pathname;
/** Nobody has this key. */
const STRANGER = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
/** Root reads everything: the fault needs a process without that right. */
const UNPRIVILEGED = Deno.uid() === 0
  ? [
    "setpriv",
    "--bounding-set",
    "-dac_override,-dac_read_search",
    "--inh-caps",
    "-dac_override,-dac_read_search",
  ]
  : [];
const noDenial = UNPRIVILEGED.length === 0 ? undefined : await whyNot(["setpriv", "--version"]);

interface Told {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail" | "unknown";
  readonly cause: string;
  readonly cure?: string;
}

/** What doctor is to look at. */
interface Machine {
  readonly peers: readonly string[];
  readonly data: string;
  readonly listen: string;
  readonly api: string;
  readonly more: readonly string[];
  readonly launch: Launch;
  /** Whether doctor is told the data folder alone: the node that runs on it knows the rest. */
  readonly isTold?: boolean;
}

interface Report {
  readonly code: number;
  readonly found: readonly Told[];
}

async function examine({ peers, data, listen, api, more, launch, isTold = true }: Machine): Promise<Report> {
  const settings = [
    ...["--network", "private", "--listen", listen, "--api", api],
    ...(peers.length === 0 ? [] : ["--initial-peers", peers.join(",")]),
    ...(more.includes("--sysfs") ? [] : ["--sysfs", recorded]),
    ...more,
  ];
  const flags = ["doctor", "--json", "--data-dir", data, ...(isTold ? settings : [])];
  const { code, out, err } = await ask(flags, {}, launch);
  assertMatch(out, /^\{/, err);
  return { code, found: JSON.parse(out).found };
}

/** A fault: how it is brought about, and what has to be said. */
interface Fault {
  readonly name: string;
  readonly check: string;
  readonly state?: "fail" | "warn";
  readonly cause: RegExp;
  /** Checks that fail too, because of the same thing. */
  readonly also?: readonly string[];
  readonly skip?: string | undefined;
  /** Brings it about until disposed; what is different then. */
  make(healthy: Machine, rooms: AsyncDisposableStack): Promise<Partial<Machine>> | Partial<Machine>;
}

/** Nothing fails and what the faults are about is well; a small machine of tests may have little room. */
function assertHealthy({ code, found }: Report, faults: readonly Fault[]): void {
  const bad = found.filter(({ state, check }) =>
    state !== "ok" && !(state === "warn" && ["disk", "memory", "engine"].includes(check))
  );
  assertEquals([code, bad], [0, []]);
  for (const { check, cause } of faults) {
    const mine = found.filter((told) => told.check === check);
    assert(mine.length > 0, `nothing is said of ${check}`);
    assert(!mine.some((told) => told.state !== "ok" && cause.test(told.cause)), JSON.stringify(mine));
  }
}

function assertNamed({ code, found }: Report, { check, state = "fail", cause, also = [] }: Fault): void {
  const story = JSON.stringify(found.filter((told) => told.state !== "ok"), undefined, 1);
  const named = found.find((told) => told.check === check && told.state === state && cause.test(told.cause));
  assert(named !== undefined, `${check} says ${state} nowhere with ${cause}: ${story}`);
  const others = found.filter((told) => told.state === "fail" && ![check, ...also].includes(told.check));
  assertEquals(others, [], "nothing else fails");
  for (const told of found) if (told.state !== "ok") assert(told.cure, `no cure: ${JSON.stringify(told)}`);
  assertEquals(code, found.some((told) => told.state === "fail") ? 1 : 0);
}

/** Runs the faults one after another, each on a machine that is well but for it. */
async function tryFaults(t: Deno.TestContext, healthy: Machine, faults: readonly Fault[]): Promise<void> {
  await t.step(
    "a machine that is well has no finding",
    async () => assertHealthy(await examine(healthy), faults),
  );
  for (const fault of faults) {
    await t.step({
      name: fault.name + (fault.skip === undefined ? "" : ` (skipped: ${fault.skip})`),
      ignore: fault.skip !== undefined,
      fn: async () => {
        await using rooms = new AsyncDisposableStack();
        assertNamed(await examine({ ...healthy, ...await fault.make(healthy, rooms) }), fault);
      },
    });
  }
}

/** A bootstrap in this process, whose clock is ahead by that much. */
async function openHub(aheadMs = 0): Promise<{ readonly address: string } & AsyncDisposable> {
  await using rooms = new AsyncDisposableStack();
  const { clock } = world;
  const own: World = { ...world, clock: { ...clock, now: () => clock.now() + aheadMs } };
  const options = { identity: await createIdentity(), listen: ["/ip4/127.0.0.1/tcp/0"], agent: "hub" };
  const host = rooms.use(await openHost(own, options));
  rooms.use(await openDhtNode(own, host, {}, new AbortController().signal));
  rooms.use(serveReachability(own, host));
  const open = rooms.move();
  return { address: host.addresses()[0]!, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** Another data folder with the same key. */
async function copyKey(from: string, to: string): Promise<string> {
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  await Deno.copyFile(`${from}/identity.key`, `${to}/identity.key`);
  await Deno.chmod(`${to}/identity.key`, 0o600);
  return to;
}

/** A disk of one megabyte that holds the key. */
async function mountDisk(healthy: Machine, rooms: AsyncDisposableStack): Promise<string> {
  const folder = `${healthy.data}-disk`;
  await Deno.mkdir(folder, { recursive: true });
  await system(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder]);
  rooms.defer(() => system(["umount", folder]));
  return await copyKey(healthy.data, folder);
}

const denied: Launch = { ...HERE, words: [...UNPRIVILEGED, ...HERE.words] as unknown as Launch["words"] };

/** Takes a port of this machine. */
function takePort(rooms: AsyncDisposableStack): number {
  const listener = rooms.use(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  return (listener.addr as Deno.NetAddr).port;
}

const LOCAL_FAULTS: readonly Fault[] = [
  {
    name: "a clock that is an hour off",
    check: "clock",
    cause: /this machine's clock is 3600 s behind the network's/,
    make: async (_, rooms) => ({ peers: [rooms.use(await openHub(3_600_000)).address] }),
  },
  {
    name: "a bootstrap that is down",
    check: "bootstraps",
    state: "warn",
    cause: /127\.0\.0\.1\/tcp\/9\/.* is away: .*nothing listens/,
    make: ({ peers }) => ({ peers: [...peers, `/ip4/127.0.0.1/tcp/9/p2p/${STRANGER}`] }),
  },
  {
    name: "a bootstrap with another key",
    check: "bootstraps",
    cause: /is away: somebody with another key/,
    make: ({ peers }) => ({ peers: [peers[0]!.replace(/\/p2p\/.*/, `/p2p/${STRANGER}`)] }),
  },
  {
    name: "a name that does not exist",
    check: "dns",
    cause: /there is no name bootstrap\.invalid|names cannot be resolved/,
    make: ({ peers }) => ({ peers: [...peers, `/dns4/bootstrap.invalid/tcp/1/p2p/${STRANGER}`] }),
  },
  {
    name: "a full disk",
    check: "disk",
    cause: /the disk is full/,
    skip: noMounts,
    make: async (healthy, rooms) => {
      const data = await mountDisk(healthy, rooms);
      await Deno.writeFile(`${data}/models`, new Uint8Array(2 << 20)).catch(() => {});
      return { data };
    },
  },
  {
    name: "a disk that is read-only",
    check: "disk",
    cause: /the file system is read-only/,
    skip: noMounts,
    make: async (healthy, rooms) => {
      const data = await mountDisk(healthy, rooms);
      await system(["mount", "-o", "remount,ro", data]);
      return { data };
    },
  },
  {
    name: "the API's port in use",
    check: "port",
    cause: /which is for the API, is in use by process \d+/,
    make: (_, rooms) => ({ api: `127.0.0.1:${takePort(rooms)}` }),
  },
  {
    name: "the port for peers in use",
    check: "port",
    cause: /which is for peers, is in use by process \d+/,
    make: (_, rooms) => ({ listen: `/ip4/127.0.0.1/tcp/${takePort(rooms)}` }),
  },
  {
    name: "another node with a copy of the key",
    check: "key",
    cause: /two nodes on one key: .* answers at \/ip4\/127\.0\.0\.1\//,
    make: async ({ data, peers }, rooms) => {
      const other = await copyKey(data, `${data}-copy`);
      const flags = ["--no-serve", ...alone(other), "--initial-peers", peers[0]!];
      await rooms.use(Program.start(flags)).event("ready");
      return {};
    },
  },
  {
    name: "another node with a copy of the key, beside one that runs and is not named its peers",
    check: "key",
    cause: /two nodes on one key: .* answers at \/ip4\/127\.0\.0\.1\//,
    make: async ({ data, peers }, rooms) => {
      const [own, other] = [await copyKey(data, `${data}-own`), await copyKey(data, `${data}-twin`)];
      for (const folder of [own, other]) {
        const flags = ["--no-serve", ...alone(folder), "--initial-peers", peers[0]!];
        await rooms.use(Program.start(flags)).event("ready");
      }
      return { data: own, isTold: false };
    },
  },
  {
    name: "another process that holds the folder and hangs",
    check: "key",
    also: ["node"],
    cause: /process \d+ holds .* and its key/,
    make: async ({ data }, rooms) => {
      const own = await copyKey(data, `${data}-held`);
      const node = rooms.use(Program.start(["--no-serve", ...alone(own)]));
      await node.event("ready");
      node.child.kill("SIGSTOP");
      return { data: own };
    },
  },
  {
    name: "a key that others may read",
    check: "permissions",
    cause: /identity\.key is open to others \(mode 0644\)/,
    make: async ({ data }) => {
      const own = await copyKey(data, `${data}-open`);
      await Deno.chmod(`${own}/identity.key`, 0o644);
      return { data: own };
    },
  },
  {
    name: "a key that this user may not read",
    check: "permissions",
    cause: /identity\.key cannot be read by this user/,
    skip: noDenial,
    make: async ({ data }) => {
      const own = await copyKey(data, `${data}-shut`);
      await Deno.chmod(`${own}/identity.key`, 0o000);
      return { data: own, launch: denied };
    },
  },
  {
    name: "no memory",
    check: "memory",
    cause: /no memory for blocks: 20 MiB/,
    make: async ({ data }) => {
      const procfs = `${data}-proc`;
      await Deno.mkdir(procfs);
      await Deno.writeTextFile(`${procfs}/meminfo`, "MemTotal: 1000000 kB\nMemAvailable: 20480 kB\n");
      return { more: ["--procfs", procfs] };
    },
  },
  {
    name: "an engine without its libraries",
    check: "engine",
    cause: /no engine runs: .*ggml is not usable: .*nowhere/,
    make: ({ data }) => ({ more: ["--engine", "ggml", "--backend-dir", `${data}/nowhere`] }),
  },
  {
    name: "a sensor that only root may read",
    check: "energy",
    cause: /rapl:package-0: .*permission denied/,
    skip: noDenial,
    make: async ({ data }) => {
      const zone = `${data}-sys/class/powercap/intel-rapl:0`;
      await Deno.mkdir(zone, { recursive: true });
      await Deno.writeTextFile(`${zone}/name`, "package-0\n");
      await Deno.writeTextFile(`${zone}/energy_uj`, "5\n", { mode: 0o000 });
      return { more: ["--sysfs", `${data}-sys`], launch: denied };
    },
  },
];

Deno.test({
  name: `${FLAVOUR}: doctor names each fault of a machine, and no other`,
  sanitizeResources: false, // libp2p keeps sockets for a moment after it stopped
  sanitizeOps: false,
  fn: (t) =>
    withFolder(async (folder) => {
      const data = `${folder}/data`;
      await Deno.mkdir(data, { mode: 0o700 });
      await openIdentity(`${data}/identity.key`);
      await using hub = await openHub();
      const local = { listen: "/ip4/127.0.0.1/tcp/0", api: "127.0.0.1:0" };
      await tryFaults(t, { peers: [hub.address], data, ...local, more: [], launch: HERE }, LOCAL_FAULTS);
    }),
});

/** Two machines on one cable: a bootstrap on the one, doctor on the other. */
class Wire implements AsyncDisposable {
  private constructor(
    readonly hub: Namespace,
    readonly here: Namespace,
    readonly bootstraps: readonly string[],
    readonly rooms: AsyncDisposableStack,
  ) {}

  static async open(folder: string): Promise<Wire> {
    await using rooms = new AsyncDisposableStack();
    const [hub, here] = [rooms.use(await Namespace.open("hub")), rooms.use(await Namespace.open("here"))];
    await hub.join(here);
    for (const address of ["10.77.0.1/24", "100.64.0.1/24"]) {
      await hub.ip("addr", "add", address, "dev", "wire");
    }
    await here.ip("addr", "add", "10.77.0.2/24", "dev", "wire");
    const listen = "/ip4/10.77.0.1/tcp/4001,/ip4/100.64.0.1/tcp/4001";
    const flags = ["--no-serve", "--network", "private", "--listen", listen, "--api", "127.0.0.1:0"];
    const program = rooms.use(Program.start([...flags, "--data-dir", `${folder}/hub`], {}, hub.launch));
    const { addresses } = await program.event("ready");
    return new Wire(hub, here, addresses, rooms.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.rooms.disposeAsync();
  }
}

/** Faults of the network, on the machine called `here`. */
const networkFaults = ({ here, bootstraps }: Wire): readonly Fault[] => [
  {
    name: "a firewall that lets nobody in",
    check: "inbound",
    cause:
      /none of 1 peers can open a connection to this machine at \/ip4\/10\.77\.0\.2\/tcp\/4002: a firewall/,
    make: async (_, rooms) => (rooms.use(await here.shut(4002)), {}),
  },
  {
    name: "a firewall that lets nothing out to the bootstrap",
    check: "bootstraps",
    cause: /10\.77\.0\.1\/tcp\/4001.* is away: nothing comes back: .*a firewall/,
    skip: noFirewall,
    make: async (_, rooms) => (rooms.use(await here.drop("output", "tcp dport 4001")), {}),
  },
  {
    name: "a name server that does not answer",
    check: "dns",
    cause: /no name server answers: 127\.0\.0\.1/,
    make: async ({ peers }, rooms) => {
      rooms.use(await here.resolver("nameserver 127.0.0.1\n"));
      return { peers: [...peers, `/dns4/bootstrap.example.org/tcp/1/p2p/${STRANGER}`] };
    },
  },
  {
    name: "no name server at all",
    check: "dns",
    cause: /\/etc\/resolv\.conf names no server/,
    make: async ({ peers }, rooms) => {
      rooms.use(await here.resolver("# none\n"));
      return { peers: [...peers, `/dns4/bootstrap.example.org/tcp/1/p2p/${STRANGER}`] };
    },
  },
  {
    name: "no way out of the own network",
    check: "network",
    state: "warn",
    cause: /10\.77\.0\.2 \(wire\), but no default route/,
    make: ({ peers }) => ({ peers: [...peers, `/ip4/203.0.113.1/tcp/1/p2p/${STRANGER}`] }),
  },
  {
    name: "an address that the provider translates",
    check: "nat",
    cause: /^CGNAT: the only IPv4 address is 100\.64\.0\.2/,
    make: async (_, rooms) => {
      const change = async (add: string, del: string) => {
        await here.ip("addr", "del", del, "dev", "wire");
        await here.ip("addr", "add", add, "dev", "wire");
      };
      await change("100.64.0.2/24", "10.77.0.2/24");
      rooms.defer(() => change("10.77.0.2/24", "100.64.0.2/24"));
      return { peers: bootstraps.filter((address) => address.startsWith("/ip4/100.64.")) };
    },
  },
  {
    name: "no network at all",
    check: "network",
    also: ["bootstraps"],
    cause: /this machine is on no network: no card has an address/,
    make: async (_, rooms) => ({ launch: rooms.use(await Namespace.open("nowhere")).launch }),
  },
  ...[true, false].flatMap((isTold) => runningFaults(here, isTold)),
];

/** Faults beside a node that runs; doctor is told its settings again, or the data folder alone. */
const runningFaults = (here: Namespace, isTold: boolean): readonly Fault[] => [
  {
    name: `a firewall that lets nobody in to a node that runs, and can call out${isTold ? "" : UNTOLD}`,
    check: "inbound",
    cause: /what peers send to \/ip4\/10\.77\.0\.2\/tcp\/4002 is dropped: a firewall/,
    make: async (healthy, rooms) => {
      rooms.use(await here.shut(4002));
      await startNode(healthy, rooms);
      return { isTold };
    },
  },
  ...["reject", "reject with tcp reset", "reject with icmpx admin-prohibited"].map((verdict): Fault => ({
    name: `a firewall that turns everybody away from a node that runs (${verdict})${isTold ? "" : UNTOLD}`,
    check: "inbound",
    cause: /what peers send to \/ip4\/10\.77\.0\.2\/tcp\/4002 is refused: a firewall/,
    skip: noFirewall,
    make: async (healthy, rooms) => {
      rooms.use(await here.drop("input", "tcp dport 4002", verdict));
      await startNode(healthy, rooms);
      return { isTold };
    },
  })),
];

const UNTOLD = ", told the data folder alone";

/** A node of the DHT as doctor is to find it. */
async function startNode(
  { peers, data, listen, api, launch }: Machine,
  rooms: AsyncDisposableStack,
): Promise<void> {
  const flags = ["--no-serve", "--network", "private", "--listen", listen, "--api", api, "--data-dir", data];
  await rooms.use(Program.start([...flags, "--initial-peers", peers.join(",")], {}, launch)).event("ready");
}

Deno.test({
  name: `${FLAVOUR}: doctor names each fault of the network, and no other` +
    (noNamespaces === undefined ? "" : ` (skipped: ${noNamespaces})`),
  ignore: noNamespaces !== undefined,
  fn: (t) =>
    withFolder(async (folder) => {
      await using wire = await Wire.open(folder);
      const data = `${folder}/data`;
      await Deno.mkdir(data, { mode: 0o700 });
      await openIdentity(`${data}/identity.key`);
      const peers = wire.bootstraps.filter((address) => address.startsWith("/ip4/10.77."));
      const places = { listen: "/ip4/0.0.0.0/tcp/4002", api: "127.0.0.1:0" };
      const healthy: Machine = { peers, data, ...places, more: [], launch: wire.here.launch };
      const faults = networkFaults(wire);
      await tryFaults(t, healthy, faults);
      await t.step("a node that runs and is well has no finding", async () => {
        await using rooms = new AsyncDisposableStack();
        await startNode(healthy, rooms);
        for (const isTold of [true, false]) {
          const report = await examine({ ...healthy, isTold });
          const isOther = ({ check }: Told) => isTold || check !== "energy"; // sensors of this machine, not recorded ones
          assertHealthy({ ...report, found: report.found.filter(isOther) }, faults);
          const causeOf = (name: string, cause: RegExp) =>
            assert(
              report.found.some((told) => told.check === name && cause.test(told.cause)),
              `${name} ${cause}`,
            );
          causeOf("inbound", /^proven: connections of others/);
          causeOf("node", /^looked at with its own settings/);
        }
      });
    }),
});

Deno.test(`${FLAVOUR}: doctor works without a node and without a folder, in words too, and leaves nothing behind`, () =>
  withFolder(async (folder) => {
    const flags = ["--sysfs", recorded, ...alone(`${folder}/data`)];
    const { code, out, err } = await ask(["doctor", ...flags]);
    assertEquals([code, err], [0, ""], out);
    assertMatch(out, /^note {2}node: none runs on /m);
    assertMatch(out, /^ok {4}energy: 4\.83 W of the board, measured/m);
    assertMatch(out, /^\? {5}clock: .*\n {6}→ /m);
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  }));
