import { assert, assertEquals } from "@std/assert";
import { Bans } from "../../../src/petals/client/bans.ts";
import { FakeClock } from "../../support/world.ts";

Deno.test("Bans leaves a failed peer alone for 15 s, then asks it again", async () => {
  const clock = new FakeClock();
  const bans = new Bans(clock);
  assertEquals(bans.ban("A", "failed"), 15_000);
  assertEquals(bans.kindOf("A"), "failed");
  assertEquals(bans.kindOf("B"), undefined);
  await clock.advance(14_999);
  assertEquals(bans.kindOf("A"), "failed");
  await clock.advance(1);
  assertEquals(bans.kindOf("A"), undefined);
});

Deno.test("Bans doubles with each failure up to ten minutes, and forgets on success", async () => {
  const clock = new FakeClock();
  const bans = new Bans(clock);
  const periods = [];
  for (let i = 0; i < 8; i++) {
    periods.push(bans.ban("A", "failed") / 1000);
    await clock.advance(5_000);
  }
  assertEquals(periods, [15, 30, 60, 120, 240, 480, 600, 600]);
  await clock.advance(600_000);
  assertEquals(bans.ban("A", "failed"), 600_000);
  bans.forgive("A");
  assertEquals(bans.kindOf("A"), undefined);
  assertEquals(bans.ban("A", "failed"), 15_000);
});

Deno.test("failures that many sessions meet at once count as one", async () => {
  const clock = new FakeClock();
  const bans = new Bans(clock);
  bans.ban("A", "failed");
  await clock.advance(4_000);
  assertEquals(bans.ban("A", "failed"), 11_000);
  await clock.advance(1_000);
  assertEquals(bans.ban("A", "failed"), 30_000);
});

Deno.test("a peer without room costs some seconds for its time, whatever its other sessions say, and never doubles", async () => {
  const clock = new FakeClock();
  const bans = new Bans(clock);
  for (let i = 0; i < 4; i++) {
    bans.ban("A", "full");
    await clock.advance(6_000);
  }
  assertEquals([bans.ban("A", "full"), bans.extraSeconds("A")], [15_000, 10]);
  bans.forgive("A");
  assertEquals(bans.kindOf("A"), "full");
  assertEquals([bans.ban("A", "failed"), bans.kindOf("A")], [15_000, "failed"]);
  bans.ban("A", "full");
  assertEquals(bans.kindOf("A"), "failed");
});

Deno.test("Bans makes who failed the last resort and never lets in who is unfit", () => {
  const bans = new Bans(new FakeClock());
  bans.ban("A", "failed");
  bans.ban("B", "unfit");
  assertEquals(["A", "B", "C"].map((peer) => bans.extraSeconds(peer)), [1000, Infinity, 0]);
});

Deno.test("Bans remembers a thousand peers and no more", () => {
  const bans = new Bans(new FakeClock());
  for (let i = 0; i < 1500; i++) bans.ban(`peer ${i}`, "failed");
  assertEquals(bans.kindOf("peer 499"), undefined);
  assertEquals(bans.kindOf("peer 500"), "failed");
  assert(bans.kindOf("peer 1499") !== undefined);
});

Deno.test("Bans are not lifted by a success for one that is unfit", async () => {
  const clock = new FakeClock();
  const bans = new Bans(clock);
  bans.ban("liar", "unfit");
  bans.forgive("liar");
  assertEquals(bans.kindOf("liar"), "unfit");
  await clock.advance(15_000);
  bans.forgive("liar");
  assertEquals([bans.kindOf("liar"), bans.ban("liar", "failed")], [undefined, 15_000]);
});
