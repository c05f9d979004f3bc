import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import type { StoredCertificate } from "../../../src/energy/certificates/types.ts";
import {
  type Addition,
  openUsedRanges,
  type UsedRanges,
} from "../../../src/energy/certificates/used_ranges.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { stored, TEN } from "./some.ts";

const inMemory = (limits?: { entries: number; unverified: number }) => openUsedRanges(":memory:", limits);
const add = (ranges: UsedRanges, certificate: StoredCertificate, mostWattHours?: bigint): Addition =>
  ranges.add([{ certificate, mostWattHours }])[0]!;
const reasonOf = (ranges: UsedRanges, certificate: StoredCertificate, most?: bigint): string => {
  const addition = add(ranges, certificate, most);
  return addition.outcome === "refused" ? addition.reason : addition.outcome;
};

Deno.test("openUsedRanges keeps a certificate as it was, over a restart", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/certificates.db`;
  const certificate = stored(1, 42, {
    gramsPerKwh: 11.5,
    source: "wind",
    by: "registry:example",
    zone: "SE3",
  });
  {
    using ranges = openUsedRanges(path);
    assertEquals(add(ranges, certificate, 100n), { outcome: "added", replaced: 0 });
  }
  using ranges = openUsedRanges(path);
  assertEquals(ranges.between(TEN, TEN + HOUR_MS), [certificate]);
  assertEquals(ranges.between(TEN + HOUR_MS, TEN + 2 * HOUR_MS), []);
  assertEquals(add(ranges, certificate, 100n), { outcome: "known", replaced: 0 });
});

Deno.test("UsedRanges.add refuses a range of which one number is used", () => {
  using ranges = inMemory();
  add(ranges, stored(100, 10));
  for (const [start, count] of [[100, 1], [109, 1], [95, 6], [104, 2], [90, 100]] as const) {
    assertMatch(reasonOf(ranges, stored(start, count)), /^certificates 100 to 109 of it are used already$/);
  }
  for (const [start, count] of [[90, 10], [110, 5]] as const) {
    assertEquals(reasonOf(ranges, stored(start, count)), "added");
  }
});

Deno.test("UsedRanges.add knows an issuance whose time is written in another way, or under another name", () => {
  using ranges = inMemory();
  add(ranges, stored(100, 10, { issuanceId: "1-2026-11-20T10:00:00" }));
  const others = [
    "1-2026-11-20 10:00:00",
    "1-2026-11-20T10:00:00Z",
    "1-2026-11-20T11:00:00+01:00",
    "invented",
    "1",
  ];
  for (const issuanceId of others) {
    assertMatch(reasonOf(ranges, stored(105, 10, { issuanceId })), /used already/);
  }
  // the same time under the same issuance, of which the file says another device
  assertMatch(
    reasonOf(ranges, stored(105, 10, { deviceId: "2", issuanceId: "1-2026-11-20 10:00:00" })),
    /used already/,
  );
  // numbers begin anew at other devices and hours
  assertEquals(
    reasonOf(ranges, stored(105, 10, { deviceId: "2", issuanceId: "2-2026-11-20T10:00:00" })),
    "added",
  );
  assertEquals(reasonOf(ranges, stored(105, 10, { startMs: TEN + HOUR_MS })), "added");
});

Deno.test("UsedRanges.add refuses what would certify more than the hour used", () => {
  using ranges = inMemory();
  assertEquals(reasonOf(ranges, stored(1, 60), 100n), "added");
  assertEquals(
    reasonOf(ranges, stored(61, 41), 100n),
    "2026-11-20T10:00:00Z used 100 Wh and has 60 Wh of certificates: 41 Wh more are too many",
  );
  const quarter = { startMs: TEN + HOUR_MS / 4, endMs: TEN + HOUR_MS / 2 };
  assertMatch(reasonOf(ranges, stored(61, 41, quarter), 100n), /too many/);
  assertEquals(reasonOf(ranges, stored(61, 40, quarter), 100n), "added");
  assertMatch(reasonOf(ranges, stored(200, 1), 100n), /too many/);
  assertEquals(reasonOf(ranges, stored(200, 100, { startMs: TEN + HOUR_MS }), 100n), "added");
});

Deno.test("UsedRanges.add lets what somebody vouches for take the place of what nobody does, never the other way", () => {
  using ranges = inMemory();
  const word = { evidence: "E", by: "unverified: no key" } as const;
  add(ranges, stored(1, 50, word), 100n);
  add(ranges, stored(51, 50, word), 100n);
  assertMatch(reasonOf(ranges, stored(40, 5, word), 1000n), /used already/);
  assertEquals(add(ranges, stored(40, 20), 20n), { outcome: "added", replaced: 2 });
  assertEquals(ranges.between(TEN, TEN + 1).map(({ rangeStart, evidence }) => [rangeStart, evidence]), [[
    40,
    "B",
  ]]);
  assertMatch(reasonOf(ranges, stored(45, 5, word), 1000n), /used already/);
  // the same again, but worse known: nothing new
  assertEquals(reasonOf(ranges, stored(40, 20, word), 20n), "known");
  assertEquals(reasonOf(ranges, stored(40, 20), 20n), "known");
});

Deno.test("UsedRanges stay bounded: the oldest are forgotten with their time, unverified ones make no room", () => {
  using ranges = inMemory({ entries: 20, unverified: 3 });
  const at = (hour: number) => ({ startMs: TEN + hour * HOUR_MS });
  for (let hour = 0; hour < 3; hour++) {
    assertEquals(reasonOf(ranges, stored(1, 5, { ...at(hour), evidence: "E" })), "added");
  }
  assertMatch(reasonOf(ranges, stored(1, 5, { ...at(3), evidence: "E" })), /3 unverified ones already/);
  for (let hour = 3; hour < 500; hour++) assertEquals(reasonOf(ranges, stored(1, 5, at(hour))), "added");
  const kept = ranges.between(0, TEN + 1000 * HOUR_MS);
  assert(kept.length <= 20, `${kept.length}`);
  assertEquals(kept.at(-1)!.startMs, TEN + 499 * HOUR_MS);
  // none that was ever counted can be counted again
  for (let hour = 3; hour < 500; hour++) {
    assertMatch(reasonOf(ranges, stored(1, 5, at(hour))), /^known$|forgotten/);
    assertMatch(reasonOf(ranges, stored(3, 1, at(hour))), /used already|forgotten/);
  }
});

Deno.test("UsedRanges never count a watt-hour twice, nor more than an hour used, over random ranges and restarts", async () => {
  await using folder = await temporaryFolder();
  const offer = fc.record({
    device: fc.integer({ min: 1, max: 2 }),
    hour: fc.integer({ min: 0, max: 1 }),
    spelling: fc.integer({ min: 0, max: 3 }),
    start: fc.integer({ min: 0, max: 60 }),
    count: fc.integer({ min: 1, max: 20 }),
    evidence: fc.constantFrom("B" as const, "E" as const, "C" as const),
    reopen: fc.boolean(),
  });
  let runs = 0;
  fc.assert(
    fc.property(fc.array(offer, { maxLength: 40 }), fc.bigInt({ min: 0n, max: 80n }), (offers, most) => {
      const path = `${folder.path}/${runs++}.db`;
      let ranges = openUsedRanges(path);
      try {
        for (const { device, hour, spelling, start, count, evidence, reopen } of offers) {
          const startMs = TEN + hour * HOUR_MS;
          const time = new Date(startMs).toISOString();
          const times = [time.slice(0, 19), time.slice(0, 19).replace("T", " "), time, "something else"];
          const certificate = stored(start, count, {
            startMs,
            deviceId: `${device}`,
            issuanceId: `${device}-${times[spelling]}`,
            evidence,
            ...(evidence === "C" ? { endMs: startMs + 24 * HOUR_MS } : {}),
          });
          add(ranges, certificate, evidence === "C" ? undefined : most);
          if (reopen) {
            ranges[Symbol.dispose]();
            ranges = openUsedRanges(path);
          }
        }
        const all = ranges.between(0, TEN + 1000 * HOUR_MS);
        for (const [at, one] of all.entries()) {
          const same = all.slice(at + 1).find((other) =>
            other.deviceId === one.deviceId && other.startMs < one.endMs && other.endMs > one.startMs &&
            other.rangeStart <= one.rangeEnd && other.rangeEnd >= one.rangeStart
          );
          assertEquals(same, undefined);
        }
        for (const hour of [0, 1]) {
          const sum = all.filter((each) => each.evidence === "B" && each.startMs === TEN + hour * HOUR_MS)
            .reduce((total, { wattHours }) => total + wattHours, 0n);
          assert(sum <= most, `${sum} of ${most}`);
        }
      } finally {
        ranges[Symbol.dispose]();
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("openUsedRanges begins no new book over a damaged one", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/certificates.db`;
  {
    using ranges = openUsedRanges(path);
    const certificates = Array.from(
      { length: 300 },
      (_, i) => stored(i * 10, 10, { startMs: TEN + i * HOUR_MS }),
    );
    ranges.add(certificates.map((certificate) => ({ certificate, mostWattHours: undefined })));
  }
  const whole = await Deno.readFile(path);
  for (const at of [0, 4096, 8192, 12_288]) {
    const damaged = whole.slice();
    damaged.fill(0xaa, at, at + 600);
    await Deno.writeFile(path, damaged);
    const error = assertThrows(
      () => openUsedRanges(path),
      NodeError,
      "let certificates that were counted count again",
    );
    assertEquals(error.code, "corrupt");
    assertEquals(await Deno.readFile(path), damaged);
  }
  const error = assertThrows(() => openUsedRanges(`${folder.path}/nowhere/certificates.db`), NodeError);
  assertEquals(error.code, "denied");
});

const ADDER = new URL("./add_ranges.ts", import.meta.url).pathname;
const adder = (path: string, ...args: string[]) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", ADDER, path, ...args],
    stdout: "piped",
    stderr: "inherit",
  });

Deno.test("UsedRanges that a killed process wrote hold all that it had told of, and are whole", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/certificates.db`;
  let told = 0;
  for (let run = 0; run < 3; run++) {
    const child = adder(path, `${run * 1000}`, "1000").spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; !text.includes(`${run * 1000 + 7}\n`);) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
      told = Math.max(told, ...text.trim().split("\n").filter(Boolean).map(Number));
    }
    child.kill("SIGKILL");
    await Promise.all([child.status, reader.cancel()]);
    using ranges = openUsedRanges(path);
    const starts = new Set(
      ranges.between(0, TEN + 10_000 * HOUR_MS).map(({ startMs }) => (startMs - TEN) / HOUR_MS),
    );
    for (let hour = run * 1000; hour <= told; hour++) {
      assert(starts.has(hour), `hour ${hour} was told of and is gone`);
    }
    assertMatch(reasonOf(ranges, stored(10, 1, { startMs: TEN + told * HOUR_MS })), /used already/);
  }
});

Deno.test("UsedRanges that two processes write at once let each range be taken by one of them", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/certificates.db`;
  const outputs = await Promise.all([1, 2].map(() => adder(path, "0", "40").output()));
  const told = outputs.flatMap(({ stdout }) =>
    new TextDecoder().decode(stdout).trim().split("\n").filter(Boolean)
  );
  assertEquals(told.length, 40);
  assertEquals(new Set(told).size, 40);
});

Deno.test("UsedRanges.add takes a year of hours in one go, each seeing those before it", () => {
  using ranges = inMemory();
  const certificates = Array.from(
    { length: 8784 },
    (_, i) => stored(i * 10, 10, { startMs: TEN + i * HOUR_MS }),
  );
  const twice = [
    ...certificates,
    ...certificates.map((each) => ({ ...each, rangeStart: each.rangeStart + 1 })),
  ];
  const additions = ranges.add(twice.map((certificate) => ({ certificate, mostWattHours: 1000n })));
  assertEquals(additions.filter(({ outcome }) => outcome === "added").length, 8784);
  assertEquals(ranges.between(0, TEN + 9000 * HOUR_MS).length, 8784);
});

Deno.test("UsedRanges.preview tells what add would, and takes nothing", () => {
  using ranges = inMemory();
  const offers = [stored(1, 10), stored(5, 10)].map((certificate) => ({ certificate, mostWattHours: 100n }));
  const told = ranges.preview(offers);
  assertEquals(told.map(({ outcome }) => outcome), ["added", "refused"]);
  assertEquals(ranges.between(0, TEN + HOUR_MS), []);
  assertEquals(ranges.add(offers), told);
});
