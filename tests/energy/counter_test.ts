import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CounterIntegral, MAX_PLAUSIBLE_WATTS } from "../../src/energy/counter.ts";
import { GaugeIntegral } from "../../src/energy/gauge.ts";

const at = (atMs: number, value: number) => ({ atMs, value: BigInt(value) });

Deno.test("CounterIntegral takes the first reading as its base and adds differences", () => {
  const counter = new CounterIntegral({});
  assertEquals(counter.add(at(0, 5000), 100), { event: "base", microjoules: 0n, measuredMs: 0 });
  assertEquals(counter.add(at(100, 5700), 100), { event: "ok", microjoules: 700n, measuredMs: 100 });
  assertEquals(counter.add(at(100, 9999), 100), undefined);
});

/** A counter of 60 J that has shown 10 W for a second. */
function busyCounter(at0: number): CounterIntegral {
  const counter = new CounterIntegral({ maxMicrojoules: 60_000_000n });
  for (let ms = -1000; ms <= 0; ms += 100) counter.add(at(ms, at0 + 10_000 * ms), 100);
  return counter;
}

Deno.test("CounterIntegral unwraps what fits the power of late, and takes the rest for a reset", () => {
  assertEquals(busyCounter(59_500_000).add(at(100, 500_000), 100), {
    event: "wrap",
    microjoules: 1_000_000n,
    measuredMs: 100,
  });
  // 31 J in 0.1 s: it was started anew, and the power before is taken to have gone on; no time counts as measured
  const filled = { event: "reset" as const, microjoules: 1_000_000n, measuredMs: 0 };
  assertEquals(busyCounter(30_000_000).add(at(100, 900_000), 100), filled);
  assertEquals(busyCounter(30_000_000).add(at(100, 20_000_000), 100), filled);
  // what it shows since is true
  assertEquals(busyCounter(30_000_000).add(at(100, 1_900_000), 100)?.microjoules, 1_900_000n);
  const endless = new CounterIntegral({});
  endless.add(at(0, 30), 100);
  assertEquals(endless.add(at(100, 5), 100), { event: "reset", microjoules: 0n, measuredMs: 0 });
});

Deno.test("CounterIntegral unwraps whatever the machine can take while it knows no more", () => {
  const counter = new CounterIntegral({ maxMicrojoules: 60_000_000n, maxWatts: 100 });
  counter.add(at(0, 50_000_000), 100);
  assertEquals(counter.add(at(100, 4_000_000), 100)?.event, "wrap");
  const other = new CounterIntegral({ maxMicrojoules: 60_000_000n, maxWatts: 100 });
  other.add(at(0, 40_000_000), 100);
  assertEquals(other.add(at(100, 4_000_000), 100)?.event, "reset");
});

Deno.test("CounterIntegral says nothing of a gap in which the counter may have come round twice", () => {
  const counter = new CounterIntegral({ maxMicrojoules: 60_000_000n, maxWatts: 100 });
  counter.add(at(0, 1_000_000), 100);
  assertEquals(counter.add(at(100, 2_000_000), 100)?.event, "ok");
  // at 10 W of late it comes round in 6 s, and hardly ever in less than 2.4 s
  assertEquals(counter.add(at(2400, 9_000_000), 100)?.event, "ok");
  assertEquals(counter.add(at(5400, 9_500_000), 100), { event: "gap", microjoules: 0n, measuredMs: 0 });
  // sampled this seldom on purpose: the range is wide enough
  const slow = new CounterIntegral({ maxMicrojoules: 60_000_000n, maxWatts: 100 });
  slow.add(at(0, 1_000_000), 1000);
  assertEquals(slow.add(at(1000, 9_000_000), 1000)?.event, "ok");
});

Deno.test("CounterIntegral and GaugeIntegral begin anew after the machine slept", () => {
  const counter = new CounterIntegral({});
  counter.add(at(0, 0), 100);
  counter.breakOff();
  assertEquals(counter.add(at(100, 900), 100)?.event, "gap");
  assertEquals(counter.add(at(200, 1000), 100)?.microjoules, 100n);
  const gauge = new GaugeIntegral();
  gauge.breakOff();
  gauge.add(at(0, 1000), 100);
  gauge.breakOff();
  assertEquals(gauge.add(at(100, 1000), 100)?.event, "gap");
});

Deno.test("GaugeIntegral takes the trapezoid and loses no fraction of a microjoule", () => {
  const gauge = new GaugeIntegral();
  assertEquals(gauge.add(at(0, 1_000_000), 100)?.event, "base");
  assertEquals(gauge.add(at(100, 3_000_000), 100), { event: "ok", microjoules: 200_000n, measuredMs: 100 });
  let sum = 0n;
  const small = new GaugeIntegral();
  for (let ms = 0; ms <= 10_000; ms++) sum += small.add(at(ms, 333), 1)?.microjoules ?? 0n;
  assertEquals(sum, 3330n);
});

Deno.test("GaugeIntegral does not bridge gaps of more than five periods and two seconds", () => {
  const gauge = new GaugeIntegral();
  gauge.add(at(0, 1000), 100);
  assertEquals(gauge.add(at(2000, 1000), 100)?.event, "ok");
  assertEquals(gauge.add(at(4001, 1000), 100)?.event, "gap");
  // the rate has just become faster: the last reading was due a second ago
  gauge.add(at(5000, 1000), 1000);
  assertEquals(gauge.add(at(10_000, 1000), 100)?.event, "ok");
  assertEquals(gauge.add(at(12_001, 1000), 100)?.event, "gap");
});

Deno.test("GaugeIntegral cuts no corner where a step begins or ends", () => {
  const gauge = new GaugeIntegral();
  gauge.add(at(0, 3_000_000), 100);
  assertEquals(gauge.add(at(100, 9_000_000), 100, true)?.microjoules, 300_000n);
  assertEquals(gauge.add(at(200, 9_000_000), 100)?.microjoules, 900_000n);
  assertEquals(gauge.add(at(300, 3_000_000), 100, true)?.microjoules, 900_000n);
  assertEquals(gauge.add(at(400, 3_000_000), 100)?.microjoules, 300_000n);
});

Deno.test("CounterIntegral passes over a leap that no machine makes, and counts on from there where it lasts", () => {
  const counter = busyCounter(1_000_000);
  assertEquals(counter.add(at(100, 2 ** 53 - 1), 100), {
    event: "implausible",
    microjoules: 0n,
    measuredMs: 0,
  });
  // it was one wrong reading: nothing is lost
  assertEquals(counter.add(at(200, 3_000_000), 100), {
    event: "ok",
    microjoules: 2_000_000n,
    measuredMs: 200,
  });
  assertEquals(counter.add(at(300, 5e9), 100)?.event, "implausible");
  assertEquals(counter.add(at(400, 5e9 + 1_000_000), 100)?.event, "gap");
  assertEquals(counter.add(at(500, 5e9 + 2_000_000), 100)?.microjoules, 1_000_000n);
  // back from 0, which it showed once
  const glitch = busyCounter(50_000_000);
  assertEquals(glitch.add(at(100, 0), 100)?.microjoules, 1_000_000n);
  assertEquals(glitch.add(at(200, 52_000_000), 100)?.microjoules, 0n);
});

Deno.test("CounterIntegral and GaugeIntegral never give less than nothing nor more than a machine can take, whatever they are shown", () => {
  const values = fc.array(
    fc.record({
      afterMs: fc.integer({ min: -50, max: 20_000 }),
      value: fc.oneof(
        fc.bigInt(-(2n ** 70n), 2n ** 70n),
        fc.bigInt(0n, 10n ** 9n),
        fc.constantFrom(0n, -1n, 2n ** 63n),
      ),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(values, fc.constantFrom(undefined, 60_000_000n, 2n ** 40n), (steps, maxMicrojoules) => {
      for (const integral of [new CounterIntegral({ maxMicrojoules }), new GaugeIntegral()]) {
        let atMs = 0, latestMs = 0, sum = 0n, measuredMs = 0;
        for (const { afterMs, value } of steps) {
          const step = integral.add({ atMs: atMs += afterMs, value }, 100);
          latestMs = Math.max(latestMs, atMs);
          if (step === undefined) continue;
          assert(step.microjoules >= 0n && step.measuredMs >= 0);
          sum += step.microjoules;
          measuredMs += step.measuredMs;
        }
        assert(Number(sum) <= 2 * MAX_PLAUSIBLE_WATTS * 1000 * (latestMs + 100 * steps.length), `${sum}`);
        assert(measuredMs <= latestMs + 50 * steps.length);
      }
    }),
  );
});

Deno.test("GaugeIntegral takes power below 0 for none, and owes nothing for it", () => {
  const gauge = new GaugeIntegral();
  for (let ms = 0; ms <= 10_000; ms += 100) assertEquals(gauge.add(at(ms, -5e6), 100)?.microjoules, 0n);
  assertEquals(gauge.add(at(10_100, 10_000_000), 100)?.microjoules, 500_000n);
  assertEquals(gauge.add(at(10_200, 10_000_000), 100)?.microjoules, 1_000_000n);
  assertEquals(gauge.add({ atMs: 10_300, value: 2n ** 63n }, 100)?.event, "implausible");
  assertEquals(gauge.add(at(10_400, 10_000_000), 100)?.microjoules, 2_000_000n);
});
