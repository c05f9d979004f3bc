import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { planOf } from "../../src/node/plan.ts";

const planWith = (...sets: string[]) =>
  planOf(
    loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config,
    dataPaths("/d"),
    "0.1.0",
  );

Deno.test("planOf takes blocks in either form and refuses halves and contradictions", () => {
  assertEquals(planWith().range, undefined);
  assertEquals(planWith("blocks=0:8").range, { start: 0, end: 8 });
  assertEquals(planWith("start_block=2", "end_block=4").range, { start: 2, end: 4 });
  for (
    const sets of [["blocks=3:3"], ["start_block=1"], ["end_block=5"], [
      "blocks=0:2",
      "start_block=0",
      "end_block=2",
    ]]
  ) {
    const error = assertThrows(() => planWith(...sets), NodeError);
    assertEquals((error as NodeError).code, "usage");
  }
});

Deno.test("planOf takes bootstraps from the network unless some are named; records outlive two announcements", () => {
  assertEquals(planWith("network=petals").bootstraps.length, 2);
  assertEquals(planWith("network=private").bootstraps, []);
  const named = "/ip4/10.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
  assertEquals(planWith("network=petals", `initial_peers=${named}`).bootstraps, [named]);
  assertEquals(planWith("network=private", "announce.period_seconds=300").network.recordLifeMs, 600_000);
});

Deno.test("planOf serves nothing without a model, and nothing when told so", () => {
  assertEquals(planWith("model=x").model, "x");
  assertEquals(planWith("model=x", "serve=false").model, undefined);
});

Deno.test("planOf refuses a pause for heat that would end above where it begins", () => {
  assertEquals(planWith("policy.pause_celsius=60", "policy.resume_celsius=50").model, undefined);
  for (const set of ["policy.pause_celsius=70", "policy.resume_celsius=90"]) {
    assertThrows(() => planWith(set), NodeError, "wanted less");
  }
});
