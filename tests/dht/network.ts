/** Many DHT nodes in one process. */
import { peerIdFromBytes } from "../../src/base/peer_id.ts";
import type { PeerId } from "../../src/base/tensor.ts";
import type { DhtNode, DhtNodeOptions } from "../../src/dht/node.ts";
import { openDhtNode } from "../../src/dht/node.ts";
import { dhtIdOf, dhtIdToBytes } from "../../src/dht/id.ts";
import { decodeFindResponse, encodeFindRequest, type FindResult } from "../../src/dht/messages.ts";
import { FIND } from "../../src/dht/protocol.ts";
import { MemoryNetwork, type MemoryNetworkOptions, type MemoryRpc } from "../support/memory_rpc.ts";
import { FakeClock, fakeWorld, settle } from "../support/world.ts";

/** A peer id made of a number. */
export function peerOf(number: number): PeerId {
  const bytes = new Uint8Array(34);
  bytes.set([0x12, 0x20]);
  new DataView(bytes.buffer).setUint32(30, number);
  return peerIdFromBytes(bytes);
}

/** A signal that nobody aborts. */
export const never = (): AbortSignal => new AbortController().signal;

/** A network of nodes that share one clock. */
export class TestNetwork implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly world = fakeWorld(this.clock);
  readonly wire: MemoryNetwork;
  readonly nodes: DhtNode[] = [];
  readonly peers: PeerId[] = [];
  readonly rpcs: MemoryRpc[] = [];

  constructor(options: MemoryNetworkOptions = {}) {
    this.wire = new MemoryNetwork(options);
  }

  /** Opens a node that knows nobody. */
  async open(options: DhtNodeOptions = {}): Promise<DhtNode> {
    const peer = peerOf(this.peers.length + 1);
    const rpc = this.wire.join(peer);
    const node = await openDhtNode(this.world, rpc, options, never());
    this.nodes.push(node);
    this.peers.push(peer);
    this.rpcs.push(rpc);
    return node;
  }

  /** Opens `count` nodes that join through the first. */
  async grow(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const node = await this.open();
      if (this.nodes.length > 1) await node.join([this.peers[0]!], never());
    }
    await settle();
  }

  /** Runs `work` while time passes, for work that waits for somebody. */
  async whileTimePasses<T>(work: Promise<T>, stepMs = 500): Promise<T> {
    let isDone = false;
    const done = () => void (isDone = true);
    work.then(done, done);
    for (await settle(); !isDone; await settle()) await this.clock.advance(stepMs);
    return await work;
  }

  /** Calls made by `work`. */
  async countCalls(work: () => Promise<unknown>, method = ""): Promise<number> {
    const before = this.wire.calls.length;
    await work();
    await settle();
    return this.wire.calls.slice(before).filter((call) => call.endsWith(method)).length;
  }

  /** What the node of this index holds of a key, asked by somebody outside. */
  async heldBy(index: number, key: string): Promise<FindResult> {
    const rpc = this.wire.join(peerOf(100_000));
    const request = encodeFindRequest({ keys: [dhtIdToBytes(await dhtIdOf(key))], peer: undefined });
    return decodeFindResponse(await rpc.callUnary(this.peers[index]!, FIND, request, never())).results[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }
}
