import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { createIdentity } from "../../src/identity/keys.ts";
import { dialError, dialFailureOf, DialFailures } from "../../src/p2p/dial_failure.ts";
import { type Host, openHost } from "../../src/p2p/host.ts";

const world = openSystemWorld({ level: "error", json: false });
const soon = () => AbortSignal.timeout(20_000);
const never = new AbortController().signal;
/** libp2p keeps timers and sockets for a moment after it stopped. */
const loose = { sanitizeOps: false, sanitizeResources: false };
const ADDRESS = "/ip4/10.0.0.1/tcp/1/p2p/QmA";

const open = async (listen: readonly string[] = []): Promise<Host> =>
  await openHost(world, { identity: await createIdentity(), listen, agent: "kwaainet/test" });

Deno.test("words of failed dials are told apart, also those of causes of causes", () => {
  const named = (name: string, message: string) => Object.assign(new Error(message), { name });
  const kinds = [
    new Error("connect ECONNREFUSED 127.0.0.1:9"),
    new Error("Connection refused (os error 111)"),
    new Error("Network is unreachable (os error 101)"),
    new Error("getaddrinfo ENOTFOUND a.invalid"),
    new Error("DNS lookup of _dnsaddr.a.invalid 16 failed"),
    new NodeError("timeout", "Cannot connect to x: no answer within 10000 ms, wanted one"),
    named("AbortError", "The operation was aborted"),
    named("EncryptionFailedError", "Payload identity key A does not match expected remote identity key B"),
    named("EncryptionFailedError", "Missing newline"),
    named("NoValidAddressesError", "The dial request has no valid addresses for peer: QmA"),
    new AggregateError(
      [new Error("first"), new Error("connect EHOSTUNREACH 10.0.0.1:1")],
      "All dials failed",
    ),
    new Error("outer", { cause: new Error("middle", { cause: new Error("ECONNREFUSED") }) }),
    new Error("what else"),
  ].map((error) => dialFailureOf(ADDRESS, error).kind);
  assertEquals(kinds, [
    "refused",
    "refused",
    "no_route",
    "no_name",
    "no_name",
    "silent",
    "silent",
    "other_peer",
    "no_libp2p",
    "no_transport",
    "no_route",
    "refused",
    "failed",
  ]);
  const none = named("NoValidAddressesError", "The dial request has no valid addresses for peer: QmA");
  assertEquals(dialFailureOf("QmA", none).kind, "unknown_peer");
  assertEquals(dialFailureOf("/dnsaddr/a.example/p2p/QmA", none).kind, "no_name");
});

Deno.test("a failed dial is one sentence with one subject, what is and what was wanted", () => {
  const late = new AbortController();
  late.abort(
    new NodeError("timeout", `Cannot connect to ${ADDRESS}: no answer within 10000 ms, wanted one`),
  );
  const silent = dialError(ADDRESS, new Error("aborted"), late.signal) as NodeError;
  assertEquals([silent.code, silent.message], [
    "timeout",
    `Cannot connect to ${ADDRESS}: nothing comes back: it is down, or a firewall drops what goes out to it or comes back ` +
    "(no answer within 10000 ms), wanted a peer that is up, and TCP let out to its port",
  ]);
  const other = dialError(ADDRESS, new Error("what else"), never) as NodeError;
  assertEquals([other.code, other.message], [
    "unreachable",
    `Cannot connect to ${ADDRESS}: what else, wanted a connection (kwaainet doctor says more)`,
  ]);
  const left = new AbortController();
  left.abort(new NodeError("aborted", "The node stops"));
  assertEquals(dialError(ADDRESS, new Error("x"), left.signal), left.signal.reason);
});

Deno.test("DialFailures keeps the last failure of each address, and only so many", () => {
  const failures = new DialFailures();
  const failure = (address: string, words: string) =>
    new NodeError("unreachable", `Cannot connect to ${address}: ${words}`);
  const [a, b] = ["/ip4/10.0.0.1/tcp/1/p2p/QmA", "/ip4/10.0.0.2/tcp/1/p2p/QmA"];
  failures.keep(a, failure(a, "old"));
  failures.keep(a, failure(a, "one"));
  failures.keep(b, failure(b, "two"));
  failures.keep(b, new NodeError("aborted", "The node stops"));
  assertEquals(failures.of("QmA")?.message, `Cannot connect to ${a}: one`);
  failures.keep(b, failure(b, "two"));
  assertEquals(failures.of("QmA")?.message, `Cannot connect to ${a}: one; ${b}: two`);
  failures.forget("QmA");
  assertEquals(failures.of("QmA"), undefined);
  for (let i = 0; i < 200; i++) failures.keep(`/p2p/Qm${i}`, failure("x", "y"));
  assertEquals([failures.of("Qm99"), failures.of("Qm100")?.code], [undefined, "unreachable"]);
});

Deno.test({
  name: "a peer that is called by its name says why the address that was named for it did not lead there",
  ...loose,
  async fn() {
    await using other = await open(["/ip4/127.0.0.1/tcp/0"]);
    await using caller = await open();
    const at = async (address: string, words: RegExp) => {
      const { peerId } = await createIdentity();
      const named = `${address}/p2p/${peerId}`;
      const dialled = await assertRejects(() => caller.dial(named, soon()), NodeError);
      const called = await assertRejects(
        () => caller.callUnary(peerId, "Test.echo", new Uint8Array(1), soon()),
        NodeError,
      );
      assertMatch(dialled.message, words);
      assertEquals([called.code, called.message], [dialled.code, dialled.message]);
      assertEquals(called.message.match(/Cannot/g)!.length, 1);
      assert(called.message.startsWith(`Cannot connect to ${named}: `), called.message);
    };
    using shut = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = shut.addr as Deno.NetAddr;
    shut.accept().then((connection) => connection.close(), () => {});
    await at(
      "/ip4/127.0.0.1/tcp/9",
      /nothing listens at that port \(connect ECONNREFUSED 127\.0\.0\.1:9\), wanted the port/,
    );
    await at("/dns4/bootstrap.invalid/tcp/9", /its name is not resolved \(.*bootstrap\.invalid.*\), wanted/);
    await at("/ip4/127.0.0.1/udp/9/quic-v1", /no transport for such an address, wanted one with \/tcp\//);
    await at(`/ip4/127.0.0.1/tcp/${port}`, /does not speak libp2p, or hangs up/);
    const place = other.addresses()[0]!.replace(/\/p2p\/.*/, "");
    await at(place, new RegExp(`somebody with another key answers there \\(it is ${other.self}\\), wanted`));

    const { peerId } = await createIdentity();
    const unknown = await assertRejects(
      () => caller.callUnary(peerId, "Test.echo", new Uint8Array(1), soon()),
      NodeError,
    );
    assertEquals(
      unknown.message,
      `Cannot connect to ${peerId}: nobody who is met knows an address of it, wanted an address of it (kwaainet doctor says more)`,
    );
  },
});
