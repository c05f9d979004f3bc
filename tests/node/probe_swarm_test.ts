import { assertEquals } from "@std/assert";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { openDhtNode } from "../../src/dht/node.ts";
import { createIdentity, type Identity } from "../../src/identity/keys.ts";
import { openSwarmProbe } from "../../src/node/probe_swarm.ts";
import { findTwin } from "../../src/node/probe_twin.ts";
import { type Host, openHost } from "../../src/p2p/host.ts";

const world = openSystemWorld({ level: "error", json: false });
const soon = () => AbortSignal.timeout(30_000);

/** A node of the DHT, in `rooms`. */
async function openPeer(rooms: AsyncDisposableStack, identity: Identity): Promise<Host> {
  const listen = ["/ip4/127.0.0.1/tcp/0"];
  const host = rooms.use(await openHost(world, { identity, listen, agent: "kwaainet/test" }));
  rooms.use(await openDhtNode(world, host, {}, soon()));
  return host;
}

Deno.test({
  name: "without bootstraps the running node's neighbours are met where it knows them, and asked for a twin",
  sanitizeOps: false, // libp2p keeps timers and sockets for a moment after it stopped
  sanitizeResources: false,
  async fn() {
    await using rooms = new AsyncDisposableStack();
    const identity = await createIdentity();
    const hub = await openPeer(rooms, await createIdentity());
    const node = await openPeer(rooms, identity);
    const twin = await openPeer(rooms, identity);
    for (const each of [node, twin]) {
      await each.dial(hub.addresses()[0]!, soon());
      await each.introduction(hub.self, soon());
    }
    const place = hub.addresses()[0]!.replace(/\/p2p\/.*/, "");
    const gone = "/ip4/127.0.0.1/tcp/9";
    const own = {
      peer: node.self,
      addresses: node.addresses(),
      neighbours: [{ peerId: hub.self, addresses: [gone, place] }],
    };
    await using probe = await openSwarmProbe(world, { bootstraps: [], own, version: "0" }, soon());
    assertEquals(probe.others.map(({ address, away }) => [address, away]), [[
      `${place}/p2p/${hub.self}`,
      undefined,
    ]]);
    const short = (address: string) => address.replace(/\/p2p\/.*/, "");
    const found = await findTwin(world, probe, {
      peer: node.self,
      own: node.addresses().map(short),
    }, soon());
    assertEquals(found, short(twin.addresses()[0]!));
  },
});
