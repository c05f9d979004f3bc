import { assertEquals } from "@std/assert";
import type { StatusDocument } from "../../src/api/status.ts";
import { NodeError } from "../../src/base/errors.ts";
import { keepReachability, reachabilityOf } from "../../src/node/keep_reachability.ts";
import type { NodeVerdicts } from "../../src/node/probe_inbound.ts";
import { fakeWorld, settle } from "../support/world.ts";

const WIDE = ["/ip4/192.0.2.7/tcp/4001"];
const HERE = ["/ip4/127.0.0.1/tcp/4001"];
const MINUTE = 60_000;

Deno.test("only a connection that comes in proves a way in, except on loopback", () => {
  const cases: [Partial<NodeVerdicts>, string[], string][] = [
    [{ says: ["yes", "yes"], cameIn: true }, WIDE, "reachable"],
    [{ says: ["yes", "no"], cameIn: true }, WIDE, "reachable"],
    [{ says: ["yes"] }, WIDE, "unknown"],
    [{ says: ["yes"] }, HERE, "reachable"],
    [{ says: ["yes"], kept: "dropped" }, WIDE, "unreachable"],
    [{ says: ["yes"], kept: "refused" }, WIDE, "unreachable"],
    [{ says: ["no", "no"] }, WIDE, "unreachable"],
    [{ says: ["no"] }, HERE, "unreachable"],
  ];
  for (const [verdicts, addresses, state] of cases) {
    const found = reachabilityOf({ says: [], cameIn: false, ...verdicts }, addresses);
    assertEquals(found.state, state, JSON.stringify(verdicts));
  }
  const { askedPeers, reachedBy, reason } = reachabilityOf(
    { says: ["yes", "no", "cannot_tell"], cameIn: true },
    WIDE,
  );
  assertEquals([askedPeers, reachedBy], [2, 1]);
  assertEquals(reason, "seen by 1 of 2 peers, over connections that they opened");
});

Deno.test("peers are asked after joining, then again, sooner while nobody can tell", async () => {
  const world = fakeWorld();
  const joined = Promise.withResolvers<void>();
  const told: StatusDocument["reachability"][] = [];
  const answers: (NodeVerdicts | Error)[] = [
    new NodeError("unreachable", "away"),
    { says: ["cannot_tell"], cameIn: false },
    { says: ["yes"], cameIn: true },
    { says: ["no"], cameIn: false },
  ];
  let peers = 0;
  let asked = 0;
  await using _watch = keepReachability(world, {
    joined: joined.promise,
    addresses: () => WIDE,
    peers: () => peers,
    ask: () => {
      const answer = answers[asked++]!;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    tell: (reachability) => told.push(reachability),
  });
  await world.clock.advance(MINUTE);
  assertEquals(asked, 0);
  joined.resolve();
  await settle();
  await world.clock.advance(MINUTE); // nobody is there
  assertEquals(asked, 0);
  peers = 3;
  await world.clock.advance(2 * MINUTE);
  await world.clock.advance(2 * MINUTE);
  assertEquals([asked, told.length], [2, 0]);
  await world.clock.advance(2 * MINUTE);
  assertEquals(told.map(({ state }) => state), ["reachable"]);
  assertEquals(typeof told[0]!.checkedAt, "number");
  await world.clock.advance(14 * MINUTE);
  assertEquals(asked, 3);
  await world.clock.advance(2 * MINUTE);
  assertEquals(told.map(({ state }) => state), ["reachable", "unreachable"]);
});
