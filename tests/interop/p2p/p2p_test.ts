import { assert, assertEquals, assertRejects } from "@std/assert";
import { orAbort } from "../../../src/base/deadline.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { ProtoMessage, ProtoWriter } from "../../../src/base/protobuf.ts";
import { openSystemWorld } from "../../../src/base/system_world.ts";
import { createIdentity, type Identity, openIdentity, readIdentity } from "../../../src/identity/keys.ts";
import { type Host, openHost } from "../../../src/p2p/host.ts";
import type { HostOptions } from "../../../src/p2p/libp2p_node.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { peersTest, RealPeer, startBootstrap } from "../dht/real_peer.ts";

const world = openSystemWorld({ level: "error", json: false });
const soon = () => AbortSignal.timeout(30_000);
const script = new URL("./peer.py", import.meta.url);
const startPeer = (boots: readonly string[], more: Record<string, unknown> = {}) =>
  RealPeer.start(boots, more, script);

async function openOurs(options: Partial<HostOptions> = {}): Promise<Host> {
  return await openHost(world, {
    identity: await createIdentity(),
    listen: ["/ip4/127.0.0.1/tcp/0"],
    agent: "kwaainet/test",
    ...options,
  });
}

/** Bytes of an ExpertRequest or, without `uid`, of an ExpertResponse is the same field 3. */
const body = (size: number, uid = "") =>
  new ProtoWriter().text(1, uid).bytes(3, Uint8Array.from({ length: size }, (_, i) => i & 255)).finish();
const replyBody = (metadata: Uint8Array) => new ProtoWriter().bytes(3, metadata).finish();
const metadataOf = (message: Uint8Array) => ProtoMessage.decode(message).bytes(3);

/** Serves what peer.py calls: an echo of each kind that fails on the uid "bad". */
function serveEcho(host: Host): { readonly callers: Set<string>; readonly left: Promise<void> } {
  const callers = new Set<string>();
  const left = Promise.withResolvers<void>();
  host.serveUnary("Test.echo", (request, { peer }) => {
    callers.add(peer);
    if (ProtoMessage.decode(request).text(1) === "bad") throw new NodeError("not_found", "x.9");
    return Promise.resolve(replyBody(metadataOf(request)));
  });
  host.serveStream("Test.twice", async function* (requests) {
    for await (const request of requests) {
      if (ProtoMessage.decode(request).text(1) === "bad") throw new Error("no good");
      yield replyBody(metadataOf(request));
      yield replyBody(metadataOf(request));
    }
  });
  host.serveUnary("Test.never", (_, { signal }) => {
    signal.addEventListener("abort", () => left.resolve());
    return new Promise(() => {});
  });
  return { callers, left: left.promise };
}

/** An RSA identity, made by hivemind. */
async function rsaIdentity(folder: string): Promise<Identity> {
  const path = `${folder}/rsa.id`;
  await using peer = await startPeer([], { identity_path: path });
  const identity = (await readIdentity(path))!;
  assertEquals([identity.type, identity.peerId], ["RSA", peer.peer]);
  return identity;
}

peersTest("hivemind takes our Ed25519 identity file, we take its RSA file, under the same ids", async () => {
  await using folder = await temporaryFolder();
  await rsaIdentity(folder.path);
  const ours = await openIdentity(`${folder.path}/ours.id`);
  await using peer = await startPeer([], { identity_path: `${folder.path}/ours.id` });
  assertEquals([ours.type, peer.peer], ["Ed25519", ours.peerId]);
});

for (const kind of ["Ed25519", "RSA"] as const) {
  peersTest(
    `a real p2pd calls us and we call it, both kinds of calls, with our ${kind} identity`,
    async () => {
      await using folder = await temporaryFolder();
      const identity = kind === "RSA" ? await rsaIdentity(folder.path) : await createIdentity();
      await using ours = await openOurs({ identity });
      const { callers, left } = serveEcho(ours);
      await using peer = await startPeer(ours.addresses());
      await peer.do("serve");

      assertEquals(await peer.do("call", { peer: ours.self, method: "Test.echo", size: 100 }), {
        answered: 1,
        failed: [],
      });
      assertEquals([...callers], [peer.peer]);
      const failed = await peer.do("call", { peer: ours.self, method: "Test.echo", bad: true }) as {
        failed: string[];
      };
      assert(failed.failed[0]!.includes("KeyError('x.9')"), failed.failed[0]!);
      const sizes = [0, 10, 3_000_000, 1];
      assertEquals(await peer.do("stream", { peer: ours.self, method: "Test.twice", sizes }), {
        replies: sizes.flatMap((size) => [size, size]),
        error: null,
      });
      const broken = await peer.do("stream", {
        peer: ours.self,
        method: "Test.twice",
        sizes: [5, -1],
        end: false,
      }) as { replies: number[]; error: string };
      assertEquals(broken.replies, [5, 5]);
      assert(broken.error.endsWith("no good"), broken.error);
      await peer.do("cancel", { peer: ours.self, method: "Test.never" });
      await orAbort(left, soon());

      const reply = await ours.callUnary(peer.peer, "Test.echo", body(100), soon());
      assertEquals(metadataOf(reply), metadataOf(body(100)));
      assertEquals(await peer.do("seen"), ours.self);
      const words = await assertRejects(
        () => ours.callUnary(peer.peer, "Test.echo", body(1, "bad"), soon()),
        NodeError,
      );
      assertEquals([words.code, words.message], ["remote", "KeyError('x.9')"]);
      const refused = await assertRejects(
        () => ours.callUnary(peer.peer, "Test.no", body(1), soon()),
        NodeError,
        "protocol not supported",
      );
      assertEquals(refused.code, "refused");
      await using stream = await ours.callStream(peer.peer, "Test.twice", soon());
      for (const size of sizes) {
        await stream.send(body(size));
        for (let i = 0; i < 2; i++) assertEquals(metadataOf((await stream.receive(soon()))!).length, size);
      }
      await stream.endRequests();
      assertEquals(await stream.receive(soon()), undefined);
      await using bad = await ours.callStream(peer.peer, "Test.twice", soon());
      await bad.send(body(1, "bad"));
      const said = await assertRejects(() => bad.receive(soon()), NodeError);
      assertEquals([said.code, said.message], ["remote", "no good"]);
    },
  );
}

peersTest("rpc_ping with a call back: a real DHT node finds us available, and we it", async () => {
  const nodeId = crypto.getRandomValues(new Uint8Array(20));
  const node = new ProtoWriter().bytes(1, nodeId).finish();
  for (const kind of ["Ed25519", "RSA"] as const) {
    await using folder = await temporaryFolder();
    const identity = kind === "RSA" ? await rsaIdentity(folder.path) : await createIdentity();
    await using ours = await openOurs({ identity });
    let called = 0;
    ours.serveUnary("DHTProtocol.rpc_ping", () => {
      called++;
      return Promise.resolve(new ProtoWriter().bytes(2, node).double(4, Date.now() / 1000).finish());
    });
    await using bootstrap = await startBootstrap();
    const peer = await ours.dial(bootstrap.address, soon());
    const request = new ProtoWriter().bytes(2, node).uint(3, 1).finish();
    const pong = ProtoMessage.decode(await ours.callUnary(peer, "DHTProtocol.rpc_ping", request, soon()));
    assertEquals([pong.uint(5), called], [1, 1], "available, called back once");
    assert(Math.abs(pong.double(4) - Date.now() / 1000) < 3);
    assertEquals(pong.message(2).bytes(1).length, 20);
  }
});

peersTest("a real p2pd makes a hundred calls at once, and gets a hundred answers", async () => {
  await using ours = await openOurs();
  serveEcho(ours);
  await using peer = await startPeer(ours.addresses());
  const call = { peer: ours.self, method: "Test.echo", size: 2000, many: 100 };
  assertEquals(await peer.do("call", call), { answered: 100, failed: [] });
  await peer.do("serve");
  const calls = Array.from({ length: 100 }, () => ours.callUnary(peer.peer, "Test.echo", body(2000), soon()));
  assertEquals((await Promise.all(calls)).length, 100);
});

peersTest("a real p2pd gets its largest unary message through, and words for none above", async () => {
  await using ours = await openOurs();
  serveEcho(ours);
  await using peer = await startPeer(ours.addresses());
  const size = 4 * 2 ** 20 - 400;
  assertEquals(await peer.do("call", { peer: ours.self, method: "Test.echo", size }), {
    answered: 1,
    failed: [],
  });
  await peer.do("serve");
  const reply = await ours.callUnary(peer.peer, "Test.echo", body(size), soon());
  assertEquals(metadataOf(reply).length, size);
  const error = await assertRejects(
    () => ours.callUnary(peer.peer, "Test.echo", body(4 * 2 ** 20), soon()),
    NodeError,
  );
  assertEquals(error.code, "too_large");
});

peersTest("we as the only bootstrap: real p2pds find each other by id through us", async () => {
  await using ours = await openOurs();
  await using first = await startPeer(ours.addresses());
  await using second = await startPeer(ours.addresses());
  await first.do("serve");
  assertEquals(await second.do("call", { peer: first.peer, method: "Test.echo" }), {
    answered: 1,
    failed: [],
  });
});

peersTest("a go peer finds us by our id alone, and we find one, through a real p2pd's kad", async () => {
  await using bootstrap = await startBootstrap();
  await using ours = await openOurs();
  const { callers } = serveEcho(ours);
  await using callee = await startPeer([bootstrap.address]);
  await callee.do("serve");
  await ours.dial(bootstrap.address, soon());
  const reply = await ours.callUnary(callee.peer, "Test.echo", body(7), soon()); // at once: no pause needed
  assertEquals(metadataOf(reply).length, 7);

  await using caller = await startPeer([bootstrap.address], { dht_mode: "client" });
  assertEquals(await caller.do("call", { peer: ours.self, method: "Test.echo" }), {
    answered: 1,
    failed: [],
  });
  assert(callers.has(caller.peer));
});

peersTest("a real caller hears at once, in words, that we leave", async () => {
  const ours = await openOurs();
  try {
    serveEcho(ours);
    await using peer = await startPeer(ours.addresses());
    const sizes = [3];
    const call = peer.do("stream", { peer: ours.self, method: "Test.twice", sizes, end: false });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const started = performance.now();
    await ours[Symbol.asyncDispose]();
    const { replies, error } = await call as { replies: number[]; error: string };
    assertEquals(replies, [3, 3]);
    assert(error.endsWith("The server is leaving"), error);
    assert(performance.now() - started < 20_000, "a stream that only ends costs a stock client 180 s");
  } finally {
    await ours[Symbol.asyncDispose]();
  }
});

peersTest("we make a new connection when a real peer is back under its id", async () => {
  await using folder = await temporaryFolder();
  const identity_path = `${folder.path}/peer.id`;
  await using ours = await openOurs();
  {
    await using peer = await startPeer(ours.addresses(), { identity_path });
    await peer.do("serve");
    await ours.callUnary(peer.peer, "Test.echo", body(1), soon());
  }
  await using again = await startPeer(ours.addresses(), { identity_path });
  await again.do("serve");
  assertEquals(
    metadataOf(await ours.callUnary(again.peer, "Test.echo", body(1), soon())).length,
    1,
  );
});
