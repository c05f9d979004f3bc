import { assertEquals, assertMatch } from "@std/assert";
import { clockErrorOf, isSkewTooLarge, skewOf } from "../../src/dht/clock_rule.ts";

Deno.test("skewOf forgives what the time of the call explains, and a peer that tells no time", () => {
  const window = { askedAt: 100, answeredAt: 104 };
  assertEquals([99, 100, 102, 104, 105].map((theirs) => skewOf({ ...window, theirs })), [-1, 0, 0, 0, 1]);
  assertEquals(skewOf({ ...window, theirs: 0 }), 0);
});

Deno.test("Clocks may differ by three seconds", () => {
  assertEquals([-3.01, -3, 0, 3, 3.01, NaN].map(isSkewTooLarge), [true, false, false, false, true, true]);
});

Deno.test("One bootstrap with a bad clock does not kill a start that has good ones", () => {
  assertEquals(clockErrorOf([]), undefined);
  assertEquals(clockErrorOf([0.1, -0.2]), undefined);
  assertEquals(clockErrorOf([0, 86_400]), undefined);
  assertEquals(clockErrorOf([0, 0, -50]), undefined);
  assertEquals(clockErrorOf([0, 40, -50]), undefined);
});

Deno.test("A clock of ours that most bootstraps contradict is named wrong, with the seconds and the cure", () => {
  const behind = clockErrorOf([3_600, 3_601, 0])!;
  assertEquals(behind.code, "clock_wrong");
  assertMatch(
    behind.message,
    /clock is 3601 s behind the network's \(2 of 3 bootstraps say so\).*timedatectl set-ntp true/,
  );
  assertMatch(clockErrorOf([-12.34])!.message, /clock is 12.3 s ahead of the network's \(1 of 1/);
});

Deno.test("Bootstraps that agree with nobody are named so", () => {
  assertMatch(clockErrorOf([100, -100])!.message, /all 2 bootstraps differ from ours and from each other/);
});
