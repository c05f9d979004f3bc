/** A node of ours on a real network. */
import { openSystemWorld } from "../../../src/base/system_world.ts";
import { type DhtNode, type DhtNodeOptions, openDhtNode } from "../../../src/dht/node.ts";
import { createIdentity } from "../../../src/identity/keys.ts";
import { openHost } from "../../../src/p2p/host.ts";

/** A listening node, its peer id and its address. */
export interface OurNode extends AsyncDisposable {
  readonly node: DhtNode;
  readonly peer: string;
  readonly address: string;
}

/** Opens a node on loopback that joins through `boots`, with a clock that is `aheadMs` ahead. */
export async function openOurNode(
  boots: readonly string[],
  options: DhtNodeOptions = {},
  aheadMs = 0,
): Promise<OurNode> {
  const { clock, ...rest } = openSystemWorld({ level: "error", json: false });
  const world = { ...rest, clock: { ...clock, now: () => clock.now() + aheadMs } };
  const signal = AbortSignal.timeout(60_000);
  await using parts = new AsyncDisposableStack();
  const listen = options.clientMode ? [] : ["/ip4/127.0.0.1/tcp/0"];
  const host = parts.use(
    await openHost(world, { identity: await createIdentity(), listen, agent: "kwaainet/test" }),
  );
  const node = parts.use(await openDhtNode(world, host, options, signal));
  const peers = await Promise.all(boots.map((address) => host.dial(address, signal)));
  if (peers.length > 0) await node.join(peers, signal);
  const opened = parts.move();
  return {
    node,
    peer: host.self,
    address: host.addresses()[0] ?? "",
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
