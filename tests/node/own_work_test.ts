import { assertEquals, assertRejects } from "@std/assert";
import type { LoadedBlocks, TextHead } from "../../src/compute/backend.ts";
import { Account } from "../../src/node/account.ts";
import { ownBlocks } from "../../src/node/own_work.ts";
import type { StepReport } from "../../src/petals/report.ts";
import { loadedToy, toyInput } from "../petals/client/toy_swarm.ts";
import { fakeWorld } from "../support/world.ts";

const never = new AbortController().signal;
const RANGE = { start: 0, end: 2 };

function scene(report: (step: StepReport) => void) {
  const observer = {
    begin: () => 7,
    report,
    energyOf: (session: string) => ({
      joules: session.length,
      tokens: 1,
      kind: "measured" as const,
      scope: "board",
      uncertainty: null,
    }),
  };
  return ownBlocks(fakeWorld(), loadedToy(RANGE), { self: "me", observer });
}

Deno.test("steps of the owner's own requests are reported as this node's, a session each cache", async () => {
  const reports: StepReport[] = [];
  const { blocks, energyOf } = scene((step) => reports.push(step));
  await using one = await blocks.openCache({ range: RANGE, batch: 1, capacity: 9 }, never);
  await using two = await blocks.openCache({ range: RANGE, batch: 1, capacity: 9 }, never);
  await blocks.step({ input: toyInput(3) }, one, never);
  await blocks.step({ input: toyInput(1) }, one, never);
  await blocks.step({ input: toyInput(1) }, two, never);
  assertEquals(
    reports.map(({ peer, tokens, phase, mark, outcome }) => [peer, tokens, phase, mark, outcome]),
    [
      ["me", 3, "prefill", 7, "ok"],
      ["me", 1, "decode", 7, "ok"],
      ["me", 1, "decode", 7, "ok"],
    ],
  );
  assertEquals(reports[0]!.session === reports[1]!.session, true);
  assertEquals(reports[0]!.session === reports[2]!.session, false);
  assertEquals(energyOf(one)?.joules, reports[0]!.session!.length);
});

Deno.test("tokens that the engine chooses are reported as steps are", async () => {
  const reports: StepReport[] = [];
  const toy = loadedToy(RANGE);
  const observer = { begin: () => 7, report: (step: StepReport) => void reports.push(step) };
  const next: LoadedBlocks["next"] = ({ ids, spent }) => {
    spent?.(3);
    return Promise.resolve(ids.at(-1)! + 1);
  };
  const { blocks } = ownBlocks(fakeWorld(), Object.assign(toy, { next }), { self: "me", observer });
  await using cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 9 }, never);
  const step = { ids: [4, 5], choice: { temperature: 0, draw: 0 } };
  assertEquals(await blocks.next!(step, cache, {} as TextHead, never), 6);
  assertEquals(reports.map(({ peer, tokens, phase, cpuMs }) => [peer, tokens, phase, cpuMs]), [[
    "me",
    2,
    "prefill",
    3,
  ]]);
});

Deno.test("a failed step is reported as one, and an observer that fails fails no step", async () => {
  const reports: StepReport[] = [];
  const { blocks } = scene((step) => {
    reports.push(step);
    throw new Error("books are full");
  });
  await using cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 9 }, never);
  await blocks.step({ input: toyInput(1) }, cache, never);
  await assertRejects(() => blocks.step({ input: toyInput(1), rewindTo: -1 }, cache, never));
  assertEquals(reports.map(({ outcome }) => outcome === "ok"), [true, false]);
});

Deno.test("the account counts the owner's own work", async () => {
  const account = new Account({ self: "me" });
  const { blocks } = ownBlocks(fakeWorld(), loadedToy(RANGE), { self: "me", observer: account });
  await using cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 9 }, never);
  await blocks.step({ input: toyInput(3) }, cache, never);
  assertEquals([account.totals.steps, account.totals.tokens, account.totals.sessions], [1, 3, 1]);
});
