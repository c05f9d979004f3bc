/**
 * A server that does all the work of the wire and none of the blocks: it answers with its input. What a stock client
 * gets from it is the limit for every server. `instant_server.ts BOOTSTRAP PREFIX BLOCKS HIDDEN`; prints READY, ends on SIGTERM.
 */
import { openSystemWorld } from "../../src/base/system_world.ts";
import type { CacheSize, KvCache, LoadedBlocks } from "../../src/compute/backend.ts";
import { networkProfile } from "../../src/config/network_profile.ts";
import { openDhtNode } from "../../src/dht/node.ts";
import { createIdentity } from "../../src/identity/keys.ts";
import { openHost } from "../../src/p2p/host.ts";
import { openAnnouncer } from "../../src/petals/server/announce.ts";
import { openBlockServer } from "../../src/petals/server/block_server.ts";

const [bootstrap, prefix, blockCount, hidden] = Deno.args as [string, string, string, string];
const range = { start: 0, end: Number(blockCount) };
const until = new AbortController().signal;

/** Blocks that change nothing. */
function instantBlocks(hiddenSize: number): LoadedBlocks {
  const gone = () => Promise.resolve();
  const openCache = (size: CacheSize): Promise<KvCache> =>
    Promise.resolve({ ...size, length: 0, [Symbol.asyncDispose]: gone });
  return {
    engine: "reference",
    device: "none",
    range,
    hiddenSize,
    dtype: "float32",
    weightBytes: 0,
    cacheBytesPerToken: 0,
    openCache,
    forward: ({ input }) => Promise.resolve(input.data),
    step: ({ input }, cache) => {
      (cache as { length: number }).length += input.tokens;
      return Promise.resolve(input.data);
    },
    [Symbol.asyncDispose]: gone,
  };
}

const world = openSystemWorld({ level: "warn", json: false });
await using rooms = new AsyncDisposableStack();
const host = rooms.use(
  await openHost(world, {
    identity: await createIdentity(),
    listen: ["/ip4/127.0.0.1/tcp/0"],
    agent: "kwaainet/instant",
  }),
);
const dht = rooms.use(await openDhtNode(world, host, {}, until));
await dht.join([await host.dial(bootstrap, until)], until);
const blocks = instantBlocks(Number(hidden));
const server = rooms.use(openBlockServer(world, {
  rpc: host,
  blocks,
  prefix,
  version: "instant",
  clientMode: false,
  limits: {
    maxLength: 8192,
    cacheTokens: 16_384,
    requestBytes: 256 << 20,
    sessions: 64,
    sessionsPerPeer: 64,
  },
  observer: { begin: () => undefined, report: () => {} },
}));
const announcer = rooms.use(
  await openAnnouncer(world, {
    dht,
    self: host.self,
    profile: networkProfile("private"),
    prefix,
    range,
    model: { blocks: range.end, repository: undefined },
    info: () => ({
      throughput: 100,
      version: "instant",
      adapters: [],
      torchDtype: "float32",
      quantType: "none",
      cacheTokensLeft: server.cacheTokensLeft,
    }),
  }, until),
);
await announcer.announce("online", until);
await Deno.stdout.write(new TextEncoder().encode("READY\n"));
await new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
await rooms.disposeAsync();
Deno.exit(0);
