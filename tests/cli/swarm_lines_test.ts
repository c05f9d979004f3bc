import { assert, assertEquals } from "@std/assert";
import type { SwarmDocument, SwarmServerDocument } from "../../src/api/swarm.ts";
import { ageLines, stripLines, swarmLines } from "../../src/cli/blocks.ts";
import { peerLines } from "../../src/cli/peers.ts";

const server = (change: Partial<SwarmServerDocument>): SwarmServerDocument => ({
  peerId: "12D3KooWAbcdefgh",
  name: null,
  version: "0.1.0+kwaainet",
  profile: "kwaainet",
  state: "online",
  blocks: [0, 2],
  throughput: 12.34,
  inferenceRps: null,
  cacheTokensLeft: null,
  dtype: null,
  quantisation: null,
  usingRelay: null,
  expiresAt: 0,
  reachable: null,
  rttMs: null,
  self: false,
  pledge: null,
  ...change,
});
const swarm = (change: Partial<SwarmDocument["models"][number]>): SwarmDocument => ({
  schema: 1,
  network: "private",
  self: "me",
  readAt: 0,
  models: [{
    prefix: "toy",
    repository: null,
    blocks: 4,
    coverage: [2, 2, 0, 0],
    missing: [[2, 4]],
    silent: [],
    servers: [],
    ...change,
  }],
});

Deno.test("blocks shows a strip, the servers, and how to serve what nobody serves", () => {
  const lines = swarmLines(
    swarm({
      servers: [
        server({ self: true }),
        server({ name: "evil\x1b[2Jname", reachable: true, rttMs: 3 }),
        server({ state: "joining", blocks: [2, 4], reachable: false, version: null }),
      ],
    }),
    80,
  );
  assertEquals(lines, [
    "toy: 4 blocks, 2 servers online, nobody serves 2:4",
    "    0  22..",
    "       ^^",
    "  0:2        12D3KooWAbcdefgh  12.3 tokens/s  0.1.0+kwaainet  this node",
    "  0:2        evil?[2Jname (12D3KooWAbcd…)  12.3 tokens/s  0.1.0+kwaainet  3 ms",
    "  2:4        12D3KooWAbcdefgh  loading  gave no answer",
    "  To serve them: kwaainet start --model SOURCE --blocks 2:4",
  ]);
});

Deno.test("servers that gave no answer are not counted, and what only they announce has a mark and a line of its own", () => {
  const lines = swarmLines(
    swarm({
      coverage: [1, 1, 0, 0],
      silent: [[2, 3]],
      servers: [server({ self: true, reachable: true }), server({ blocks: [2, 3], reachable: false })],
    }),
    80,
  );
  assertEquals(lines.slice(0, 4), [
    "toy: 4 blocks, 1 server online, 1 without an answer, nobody serves 2:4",
    "  2:3: announced, but no server of them gave an answer",
    "    0  11?.",
    "       ^^",
  ]);
});

Deno.test("long strips wrap at the width of the terminal, and long lists are cut", () => {
  const strip = stripLines({ coverage: Array(100).fill(1), silent: [], own: [40, 60] }, 57);
  assertEquals(strip.map((line) => line.length <= 57), strip.map(() => true));
  assertEquals(strip[0]!.slice(0, 9), "    0  11");
  assertEquals(strip[2]!.slice(0, 9), "   50  11");
  assertEquals(strip.join("").match(/\^/g)!.length, 20);
  const many = swarmLines(swarm({ servers: Array(60).fill(server({})) }), 80);
  assert(many.includes("  and 10 more"));
});

Deno.test("an empty swarm says what to do", () => {
  assertEquals(swarmLines({ ...swarm({}), models: [] }, 80).length, 1);
  assertEquals(peerLines({ schema: 1, self: "me", peers: [] }).length, 1);
});

Deno.test("peers are told connected ones first, their words made harmless", () => {
  const peer = { peerId: "B", connected: false, addresses: [], agent: null, rttMs: null };
  const lines = peerLines({
    schema: 1,
    self: "me",
    peers: [peer, {
      peerId: "A",
      connected: true,
      addresses: ["/ip4/1.2.3.4/tcp/1", "/x"],
      agent: "a\nb",
      rttMs: 4.5,
    }],
  });
  assertEquals(lines, [
    "2 peers known, 1 connected",
    "PEER  STATE      RTT     PROGRAM  ADDRESS",
    "A     connected  4.5 ms  a?b      /ip4/1.2.3.4/tcp/1 (+1)",
    "B     known      -       -        -",
  ]);
});

Deno.test("blocks tells how old its picture of the swarm is, where that may be seen", () => {
  assertEquals(ageLines({ readAt: 10_000 }, 12_000), []);
  assertEquals(ageLines({ readAt: 10_000 }, 34_000), ["As the node saw it 24 s ago"]);
});
