import { assertEquals } from "@std/assert";
import { Account } from "../../src/node/account.ts";
import type { StepReport } from "../../src/petals/report.ts";

const step = (change: Partial<StepReport>): StepReport => ({
  method: "inference",
  session: "a",
  peer: "12D3Koo",
  blocks: { start: 0, end: 4 },
  tokens: 3,
  phase: "prefill",
  bytesIn: 100,
  bytesOut: 50,
  startedAtMs: 0,
  computeMs: 2,
  cpuMs: 3,
  mark: 7,
  outcome: "ok",
  ...change,
});

Deno.test("Account folds steps into totals; a failed step computes no tokens, one that was left is none", () => {
  const account = new Account();
  account.report(step({}));
  account.report(step({ tokens: 1, phase: "decode" }));
  account.report(step({ session: "b", outcome: "too_large" }));
  account.report(step({ session: undefined, method: "forward", tokens: 8 }));
  account.report(step({ outcome: "aborted" }));
  assertEquals(account.totals, {
    sessions: 2,
    steps: 4,
    failedSteps: 1,
    tokens: 12,
    prefillTokens: 11,
    bytesIn: 500,
    bytesOut: 250,
    computeMs: 10,
  });
});

Deno.test("Account remembers a bounded number of sessions", () => {
  const account = new Account();
  for (let i = 0; i < 10_000; i++) account.report(step({ session: `s${i}` }));
  account.report(step({ session: "s9999" }));
  assertEquals(account.totals.sessions, 10_000);
});
