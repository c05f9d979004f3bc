import { assert, assertEquals } from "@std/assert";
import { statusLines } from "../../src/cli/status.ts";
import { statusDocument } from "../api/support.ts";

const NOW_MS = 1_790_000_000_000;
const lineOf = (name: string, ...args: Parameters<typeof statusLines>): string | undefined =>
  statusLines(...args).find((line) => line.startsWith(name));

Deno.test("status tells how old the proof is that others reach the node, or the last try", () => {
  const verdict = (state: "reachable" | "unreachable" | "unknown", checkedAt?: number) =>
    lineOf(
      "Reachable",
      statusDocument({
        reachability: {
          state,
          reason: "a peer called back",
          ...(checkedAt === undefined ? {} : { checkedAt }),
        },
      }),
      NOW_MS,
    );
  assertEquals(
    verdict("reachable", NOW_MS - 180_000),
    "Reachable  reachable: a peer called back (proven 3 min ago)",
  );
  assertEquals(
    verdict("unreachable", NOW_MS - 9_000),
    "Reachable  unreachable: a peer called back (tried 9 s ago)",
  );
  assertEquals(verdict("unknown"), "Reachable  unknown: a peer called back");
  // the node may have told just after the clock was read
  assert(verdict("reachable", NOW_MS + 1)?.endsWith("(proven 0 s ago)"));
});

Deno.test("status counts one as one", () => {
  const one = { peers: 1, entries: 1, valid: 1, lastAnnounceAt: null };
  assertEquals(
    lineOf("Network", statusDocument({ dht: one }), NOW_MS),
    "Network    private, 1 peer, 1 of 1 entry valid",
  );
  const work = {
    steps: 1,
    failedSteps: 0,
    tokens: 1,
    prefillTokens: 0,
    bytesIn: 0,
    bytesOut: 0,
    computeMs: 0,
  };
  assertEquals(lineOf("Work", statusDocument({ work }), NOW_MS), "Work       1 step, 1 token, 0 failed");
});

Deno.test("status tells where the page is", () => {
  assertEquals(
    lineOf("Page", statusDocument(), NOW_MS, "http://127.0.0.1:8080"),
    "Page       http://127.0.0.1:8080/",
  );
  assertEquals(lineOf("Page", statusDocument(), NOW_MS), undefined);
});
