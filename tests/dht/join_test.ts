import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { dhtIdToBytes } from "../../src/dht/id.ts";
import { unreachableError } from "../../src/dht/join.ts";
import {
  decodeFindRequest,
  decodePingRequest,
  decodeStoreRequest,
  encodeFindResponse,
  encodePingResponse,
  encodeStoreResponse,
} from "../../src/dht/messages.ts";
import { FIND, PING, STORE } from "../../src/dht/protocol.ts";
import { never, peerOf, TestNetwork } from "./network.ts";

/** A bootstrap whose clock is `skewMs` ahead. It calls nobody back. */
function skewed(network: TestNetwork, number: number, skewMs: number) {
  const rpc = network.wire.join(peerOf(number));
  rpc.serveUnary(PING, (bytes) => {
    const dhtTime = Number.isFinite(skewMs) ? (network.clock.now() + skewMs) / 1000 : skewMs;
    const { validate } = decodePingRequest(bytes);
    return Promise.resolve(
      encodePingResponse({ peer: { nodeId: dhtIdToBytes(BigInt(number)) }, dhtTime, available: validate }),
    );
  });
  rpc.serveUnary(FIND, (bytes) => {
    const results = decodeFindRequest(bytes).keys.map(() => new Uint8Array(0));
    return Promise.resolve(encodeFindResponse(results, { nodeId: dhtIdToBytes(BigInt(number)) }));
  });
  rpc.serveUnary(STORE, (bytes) => {
    const stored = decodeStoreRequest(bytes).keys.map(() => true);
    return Promise.resolve(encodeStoreResponse({ stored, peer: undefined }));
  });
  return rpc.self;
}

Deno.test("join reports every bootstrap and whether others reach us", async () => {
  await using network = new TestNetwork();
  await network.grow(3);
  const node = await network.open();
  const report = await network.whileTimePasses(
    node.join([network.peers[0]!, network.peers[3]!, peerOf(99)], never()),
  );
  assertEquals(report.peers.map(({ peer, outcome }) => [peer, outcome]), [[network.peers[0], "joined"], [
    peerOf(99),
    "no_answer",
  ]]);
  assertEquals([report.joined, report.isReachable], [[network.peers[0]!], true]);
  assertEquals(node.status().peers, 3, "the search for ourselves filled the table");
});

Deno.test("join with no bootstrap at all begins a network", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  assertEquals(await node.join([], never()), { peers: [], joined: [], isReachable: false });
});

Deno.test("join fails when no bootstrap answers, and says why", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  const error = await assertRejects(
    () => network.whileTimePasses(node.join([peerOf(98), peerOf(99)], never())),
    NodeError,
    "none of 2 bootstraps answered",
  );
  assertEquals(error.code, "unreachable");
  const alone = await assertRejects(
    () => network.whileTimePasses(node.join([peerOf(98)], never())),
    NodeError,
  );
  assertEquals(alone.message.startsWith(`Cannot join through ${peerOf(98)}: `), true, alone.message);
});

Deno.test("join says once whom it could not reach, with the address where one was dialled", () => {
  const of = (...reasons: string[]) =>
    unreachableError({
      peers: reasons.map((reason) => ({
        peer: "QmA",
        outcome: "no_answer",
        skewSeconds: 0,
        canCallUs: false,
        reason,
      })),
      joined: [],
      isReachable: false,
    }).message;
  const [dialled, named] = [
    "Cannot connect to /ip4/10.0.0.1/tcp/1/p2p/QmA: it is down",
    "no answer, wanted one",
  ];
  assertEquals(of(dialled), "Cannot join through /ip4/10.0.0.1/tcp/1/p2p/QmA: it is down");
  assertEquals(of(named), "Cannot join through QmA: no answer, wanted one");
  assertEquals(
    of(dialled, named),
    "Cannot join: none of 2 bootstraps answered, wanted one that does; " +
      "/ip4/10.0.0.1/tcp/1/p2p/QmA: it is down; QmA: no answer",
  );
});

Deno.test("join through peers known from an earlier run works while all bootstraps are down", async () => {
  await using network = new TestNetwork();
  await network.grow(10);
  const again = await network.open({ known: network.nodes[5]!.peers() });
  const report = await network.whileTimePasses(again.join([peerOf(99)], never()));
  assertEquals(report.joined, []);
  assert(again.status().peers > 5);
});

Deno.test("join tries a bootstrap again that comes up a second later", async () => {
  await using network = new TestNetwork();
  await network.grow(1);
  const rpc = network.wire.peers.get(network.peers[0]!)!;
  network.wire.remove(network.peers[0]!);
  const node = await network.open();
  const joined = node.join([network.peers[0]!], never());
  await network.clock.advance(500);
  network.wire.peers.set(network.peers[0]!, rpc);
  assertEquals((await network.whileTimePasses(joined)).joined.length, 1);
});

Deno.test("join from where nobody can call us back works, and says so", async () => {
  const own = peerOf(2);
  await using network = new TestNetwork({ lost: (_, to) => to === own });
  await network.grow(1);
  const node = await network.open();
  const report = await network.whileTimePasses(node.join([network.peers[0]!], never()));
  assertEquals([report.joined.length, report.isReachable], [1, false]);
  assertEquals(network.nodes[0]!.status().peers, 0);
});

Deno.test("Stock fault: a bootstrap whose clock is off kills a start that has good ones", async () => {
  await using network = new TestNetwork();
  await network.grow(2);
  const wrong = skewed(network, 50, 3_600_000);
  const node = await network.open();
  const report = await node.join([network.peers[0]!, wrong, network.peers[1]!], never());
  assertEquals(report.peers.map(({ outcome, skewSeconds }) => [outcome, skewSeconds]), [
    ["joined", 0],
    ["clock_wrong", 3_600],
    ["joined", 0],
  ]);
  assert(node.peers().every(({ peer }) => peer !== wrong), `${node.peers().map(({ peer }) => peer)}`);
  const outcome = await node.store([{
    key: "k",
    value: new Uint8Array(1),
    expiresAtMs: network.clock.now() + 9_000,
  }], never());
  assert(!outcome.acceptedBy.includes(wrong), "records do not go where time is wrong");
});

Deno.test("join names our own clock wrong when most bootstraps say so", async () => {
  await using network = new TestNetwork();
  await network.grow(1);
  const wrong = [50, 51].map((number) => skewed(network, number, 95_000));
  const node = await network.open();
  const error = await assertRejects(
    () => node.join([network.peers[0]!, ...wrong], never()),
    NodeError,
    "clock is 95 s behind the network's (2 of 3 bootstraps say so)",
  );
  assertEquals(error.code, "clock_wrong");
});

Deno.test("join accepts clocks three seconds apart and a bootstrap that tells no time", async () => {
  await using network = new TestNetwork();
  const node = await network.open();
  const silent = network.wire.join(peerOf(60));
  silent.serveUnary(
    PING,
    () =>
      Promise.resolve(
        encodePingResponse({ peer: { nodeId: dhtIdToBytes(60n) }, dhtTime: 0, available: true }),
      ),
  );
  const report = await network.whileTimePasses(
    node.join([skewed(network, 50, 2_990), skewed(network, 51, -2_990), silent.self], never()),
  );
  assertEquals(report.joined.length, 3);
});

Deno.test("join takes a bootstrap that tells NaN for one that does not answer", async () => {
  await using network = new TestNetwork();
  await network.grow(1);
  const node = await network.open();
  const report = await network.whileTimePasses(
    node.join([network.peers[0]!, skewed(network, 50, NaN)], never()),
  );
  assertEquals(report.peers.map(({ outcome }) => outcome), ["joined", "no_answer"]);
});
