import { assertEquals } from "@std/assert";
import { CounterIntegral } from "../../src/energy/counter.ts";
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
