/**
 * How fast calls between two peers on this machine are: the cost of the wire without a network.
 *
 * @module
 */
import type { World } from "../base/world.ts";
import { createIdentity } from "../identity/keys.ts";
import { openHost } from "../p2p/host.ts";

/** Figures of calls over loopback, encryption included. */
export interface RpcFigures {
  /** Unary calls of 200 bytes one after another, each on a stream of its own. */
  readonly callsPerSecond: number;
  /** There and back on one open stream, 4 KiB each way: a token's hidden states. */
  readonly stepMs: number;
  /** Both ways together, messages of 1 MiB on one open stream. */
  readonly megabytesPerSecond: number;
}

const UNARY = "Bench.unary", STREAM = "Bench.stream";
const CALLS = 100, STEPS = 200, MESSAGES = 16;
const STEP_BYTES = 4096, MESSAGE_BYTES = 2 ** 20;

/** Opens two peers, measures for about a second and closes them. */
export async function measureRpc(world: World, signal: AbortSignal): Promise<RpcFigures> {
  const [callee, caller] = [await createIdentity(), await createIdentity()];
  const agent = "kwaainet-bench";
  await using server = await openHost(world, { identity: callee, listen: ["/ip4/127.0.0.1/tcp/0"], agent });
  await using client = await openHost(world, { identity: caller, listen: [], agent });
  using _unary = server.serveUnary(UNARY, (request) => Promise.resolve(request));
  using _stream = server.serveStream(STREAM, async function* (requests) {
    yield* requests;
  });
  const peer = await client.dial(server.addresses()[0]!, signal);

  const timed = async (times: number, work: () => Promise<unknown>): Promise<number> => {
    await work(); // the first one warms up
    const startedAtMs = world.clock.monotonic();
    for (let i = 0; i < times; i++) await work();
    return Math.max(world.clock.monotonic() - startedAtMs, 0.01) / times;
  };
  const callMs = await timed(CALLS, () => client.callUnary(peer, UNARY, new Uint8Array(200), signal));
  await using stream = await client.callStream(peer, STREAM, signal);
  const exchange = (bytes: number) => async () => {
    await stream.send(new Uint8Array(bytes));
    await stream.receive(signal);
  };
  const stepMs = await timed(STEPS, exchange(STEP_BYTES));
  const messageMs = await timed(MESSAGES, exchange(MESSAGE_BYTES));
  return {
    callsPerSecond: 1000 / callMs,
    stepMs,
    megabytesPerSecond: 2 * MESSAGE_BYTES / 1e6 / (messageMs / 1000),
  };
}
