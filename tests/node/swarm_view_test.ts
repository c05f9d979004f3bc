import { assert, assertEquals } from "@std/assert";
import { swarmSource } from "../../src/node/swarm_view.ts";
import { profileOf } from "../../src/node/swarm_view.ts";
import { encodeModelInfo, MODELS_KEY } from "../../src/petals/wire/server_info.ts";
import { PREFIX, ToySwarm } from "../petals/client/toy_swarm.ts";
import { fakeWorld } from "../support/world.ts";

const never = new AbortController().signal;

function scene(own?: { prefix: string; blocks: number }) {
  const world = fakeWorld();
  const toy = new ToySwarm(world, 4);
  const announceModel = (prefix: string, blocks: number) =>
    toy.dht.store([{
      key: MODELS_KEY,
      subkey: prefix,
      value: encodeModelInfo({ blocks, repository: `https://huggingface.co/org/${prefix}` }),
      expiresAtMs: world.clock.now() + 1e6,
    }]);
  const peers = [{ peerId: "A", connected: true, addresses: ["/ip4/127.0.0.1/tcp/1"], agent: "x/1" }];
  const network = { rpc: toy.client, dht: toy.dht, knownPeers: () => Promise.resolve(peers) };
  return { world, toy, announceModel, source: swarmSource(world, "private", network, () => own) };
}

Deno.test("the swarm view tells models, coverage, gaps and servers, and which of them is this node", async () => {
  const { toy, announceModel, source } = scene();
  announceModel(PREFIX, 4);
  toy.add("A", 0, 3, { publicName: "ann", version: "0.1.0+kwaainet", throughput: 7, cacheTokensLeft: 9 });
  toy.add("B", 1, 3, { version: "2.2.0.post1", torchDtype: "float16", quantType: "nf4" });
  toy.dht.announce("client", { start: 0, end: 1 }, {}, toy.world.clock.now() + 1e6);
  toy.dht.announce("J", { start: 3, end: 4 }, { state: "joining" }, toy.world.clock.now() + 1e6);
  const { models, self, network } = await source.swarm(never);
  assertEquals([self, network, models.length], ["client", "private", 1]);
  const [model] = models;
  assertEquals([model!.prefix, model!.repository], [PREFIX, `https://huggingface.co/org/${PREFIX}`]);
  assertEquals([model!.coverage, model!.missing], [[2, 2, 2, 0], [[3, 4]]]);
  const told = Object.fromEntries(model!.servers.map((server) => [server.peerId, server]));
  assertEquals(
    ["A", "B", "client", "J"].map((peer) => [told[peer]!.profile, told[peer]!.state, told[peer]!.self]),
    [["kwaainet", "online", false], ["petals", "online", false], ["other", "online", true], [
      "other",
      "joining",
      false,
    ]],
  );
  assertEquals([told["A"]!.name, told["A"]!.reachable, told["B"]!.quantisation], ["ann", true, "nf4"]);
});

Deno.test("the swarm is read once in half a minute, however many ask", async () => {
  const { world, toy, announceModel, source } = scene();
  announceModel(PREFIX, 4);
  toy.add("A", 0, 4);
  const all = await Promise.all([source.swarm(never), source.swarm(never), source.swarm(never)]);
  const gets = toy.dht.gets;
  assert(all.every((document) => document === all[0]));
  await source.swarm(never);
  assertEquals(toy.dht.gets, gets);
  await world.clock.advance(31_000);
  await source.swarm(never);
  assert(toy.dht.gets > gets);
});

Deno.test("what strangers announce is bounded, and the own model is there without being announced", async () => {
  const { toy, announceModel, source } = scene({ prefix: PREFIX, blocks: 4 });
  for (let i = 0; i < 200; i++) announceModel(`model-${i}`, 100);
  announceModel("huge", 1_000_000);
  const before = toy.dht.gets;
  const { models } = await source.swarm(never);
  assertEquals(models.map(({ prefix, missing }) => [prefix, missing]), [[PREFIX, [[0, 4]]]]);
  assert(toy.dht.gets - before <= 66, `${toy.dht.gets - before}`);
});

Deno.test("a server that gives no answer is told as not reachable, and what it announces as not served", async () => {
  const { toy, announceModel, source } = scene();
  announceModel(PREFIX, 4);
  toy.add("A", 0, 2);
  toy.dht.announce("gone", { start: 1, end: 3 }, {}, toy.world.clock.now() + 1e6);
  const { models: [model] } = await source.swarm(never);
  const gone = model!.servers.find(({ peerId }) => peerId === "gone")!;
  assertEquals([gone.reachable, gone.rttMs], [false, null]);
  assertEquals([model!.coverage, model!.missing, model!.silent], [[1, 1, 0, 0], [[2, 4]], [[2, 3]]]);
});

Deno.test("a server that goes away, or comes back, is told so by the next view", async () => {
  const { world, toy, announceModel, source } = scene();
  announceModel(PREFIX, 4);
  toy.add("A", 0, 4);
  const rpc = toy.network.peers.get("A")!;
  const seen = async () => {
    const { models: [model] } = await source.swarm(never);
    await world.clock.advance(31_000);
    return [model!.coverage[0], model!.silent];
  };
  assertEquals(await seen(), [1, []]);
  toy.network.remove("A");
  assertEquals(await seen(), [0, [[0, 4]]]);
  toy.network.peers.set("A", rpc);
  assertEquals(await seen(), [1, []]);
});

Deno.test("a server that was not asked yet counts as serving", async () => {
  const { toy, announceModel, source } = scene();
  announceModel(PREFIX, 4);
  // more than are asked at once
  for (let i = 0; i < 9; i++) {
    toy.dht.announce(`gone${i}`, { start: 0, end: 4 }, {}, toy.world.clock.now() + 1e6);
  }
  const { models: [model] } = await source.swarm(never);
  assertEquals([model!.coverage, model!.silent], [[1, 1, 1, 1], []]);
});

Deno.test("peers are told with their way", async () => {
  const { source } = scene();
  assertEquals(await source.peers(), {
    schema: 1,
    self: "client",
    peers: [{ peerId: "A", connected: true, addresses: ["/ip4/127.0.0.1/tcp/1"], agent: "x/1", rttMs: null }],
  });
});

Deno.test("versions tell kinds of programs apart", () => {
  const versions = ["0.1.0+kwaainet", "2.2.0.post1", "2.3.0.dev2", "0.6.2", "banana", undefined];
  assertEquals(versions.map(profileOf), ["kwaainet", "petals", "petals", "other", "other", "other"]);
});
