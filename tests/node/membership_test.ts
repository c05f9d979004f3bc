import { assertEquals } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { NodeEvent } from "../../src/node/events.ts";
import { Health } from "../../src/node/health.ts";
import { keepMembership } from "../../src/node/membership.ts";
import { FakeClock, settle } from "../support/world.ts";

class FakeSwarm {
  joins = 0;
  count = 0;
  failure: NodeError | undefined;
  constructor(readonly hasBootstraps: boolean) {}
  peers = () => this.count;
  join(): Promise<void> {
    this.joins++;
    if (this.failure) return Promise.reject(this.failure);
    this.count = 1;
    return Promise.resolve();
  }
}

function scene(swarm: FakeSwarm) {
  const clock = new FakeClock();
  const events: (NodeEvent | "ready")[] = [];
  const health = new Health((event) => events.push(event), () => events.push("ready"));
  return { clock, events, health, membership: keepMembership(clock, swarm, health) };
}

Deno.test("keepMembership tries again with growing pauses, says why once for each change, and then is ready", async () => {
  const swarm = new FakeSwarm(true);
  swarm.failure = new NodeError("unreachable", "Cannot join: nobody answers, wanted a peer");
  const { clock, events, health, membership } = scene(swarm);
  await membership.tried;
  assertEquals(health.readiness, { ready: false, reason: "the node has not joined the swarm yet" });
  for (const pause of [1000, 2000, 4000]) await clock.advance(pause);
  assertEquals([swarm.joins, events.length], [4, 1]);
  swarm.failure = new NodeError("clock_wrong", "Cannot join: the clock is wrong, wanted the time");
  await clock.advance(8000);
  assertEquals(events.at(-1), {
    kind: "degraded",
    what: "network",
    why: "Cannot join: the clock is wrong, wanted the time",
  });
  swarm.failure = undefined;
  await clock.advance(16_000);
  health.done("nothing else");
  assertEquals(events.slice(2), [{ kind: "recovered", what: "network" }, "ready"]);
  await membership[Symbol.asyncDispose]();
  assertEquals(clock.sleepers, 0);
});

Deno.test("keepMembership joins again when all peers are gone, and at most once a minute", async () => {
  const swarm = new FakeSwarm(true);
  const { clock, membership } = scene(swarm);
  await membership.tried;
  await clock.advance(60_000);
  assertEquals(swarm.joins, 1);
  swarm.count = 0;
  swarm.failure = new NodeError("unreachable", "Cannot join: nobody answers, wanted a peer");
  await clock.advance(15_000);
  assertEquals(swarm.joins, 2);
  await clock.advance(3_600_000);
  assertEquals(swarm.joins > 50 && swarm.joins < 70, true, `${swarm.joins} in an hour`);
  await membership[Symbol.asyncDispose]();
});

Deno.test("keepMembership leaves a lone private node alone, until peers came and left", async () => {
  const swarm = new FakeSwarm(false);
  const { clock, health, events, membership } = scene(swarm);
  await membership.tried;
  assertEquals([swarm.joins, health.readiness, events], [0, { ready: true }, ["ready"]]);
  swarm.count = 2;
  await clock.advance(15_000);
  swarm.count = 0;
  await clock.advance(15_000);
  await settle();
  assertEquals(swarm.joins, 0);
  await membership[Symbol.asyncDispose]();
});
