import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { type KeptChannelOptions, openKeptChannel } from "../../src/energy/sources/kept_channel.ts";
import { FakeFiles } from "../support/fake_files.ts";
import { FakeClock } from "../support/world.ts";

const A = "/sys/a", B = "/sys/b";

function open(content: Record<string, string>, change: Partial<KeptChannelOptions> = {}) {
  const files = new FakeFiles(content);
  const clock = new FakeClock();
  const channel = openKeptChannel(clock, files, {
    id: "x",
    type: "gauge",
    paths: [A],
    scale: [1n, 1n],
    minPeriodMs: 20,
    relativeUncertainty: 0.05,
    ...change,
  });
  return { files, clock, channel, value: () => channel.read()?.value };
}

Deno.test("a channel scales, multiplies, and tells the middle of the read", () => {
  const product = open({ a: "11400000", b: "-741000" }, {
    paths: [A, B],
    scale: [1n, 1_000_000n],
    isUnsigned: true,
  });
  assertEquals(product.channel.read(), { atMs: 0, value: 8_447_400n });
  assertEquals(open({ a: "2499" }, { scale: [1000n, 1n] }).value(), 2_499_000n);
});

Deno.test("a channel tells why it has no value, in one word, and has one again when the file has", () => {
  const { files, channel, value } = open({ a: "5" });
  assertEquals(value(), 5n);
  for (const failure of ["busy", "io", "gone"] as const) {
    files.fail(A, failure);
    assertEquals([value(), channel.failure], [undefined, failure]);
  }
  files.heal(A);
  files.set(A, "12 W");
  assertEquals([value(), channel.failure], [undefined, "malformed"]);
  files.set(A, "6");
  assertEquals([value(), channel.failure], [6n, undefined]);
});

Deno.test("after ten failures in a row a channel asks once in ten seconds, until it answers", async () => {
  const { files, clock, value } = open({ a: "5" });
  files.fail(A, "io");
  for (let i = 0; i < 30; i++) {
    value();
    await clock.advance(100);
  }
  assertEquals(files.reads.get(A), 10);
  await clock.advance(10_000);
  value();
  value();
  assertEquals(files.reads.get(A), 11);
  files.heal(A);
  await clock.advance(10_000);
  assertEquals([value(), value()], [5n, 5n]);
});

Deno.test("figures that no sensor of the kind can show are not believed", () => {
  const { files, channel, value } = open({ a: "1000" }, { least: 100n, most: 10_000n });
  for (const [text, refused] of [["99", 99n], ["10001", 10_001n], ["-5", -5n]] as const) {
    files.set(A, text);
    assertEquals([value(), channel.failure, channel.refused], [undefined, "implausible", refused]);
  }
  files.set(A, "100");
  assertEquals([value(), channel.refused], [100n, undefined]);
});

Deno.test("a gauge a little below nothing is at rest; far below, power flows the other way and is none", () => {
  const { files, value } = open({ a: "-99999" });
  assertEquals(value(), 0n);
  files.set(A, "-100001");
  assertEquals(value(), undefined);
  assertEquals(open({ a: "-1" }, { type: "counter" }).value(), undefined);
});

Deno.test("what is renewed once a second is asked once a second, by whoever asks oftener", async () => {
  const { files, clock, channel } = open({ a: "5" }, { minPeriodMs: 1000 });
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    times.push(channel.read()!.atMs);
    await clock.advance(100);
  }
  assertEquals(files.reads.get(A), 5);
  assertEquals([...new Set(times)], [0, 1000, 2000, 3000, 4000]);
});

Deno.test("a device that sleeps is not asked", () => {
  const { files, channel, value } = open({ a: "5", "card/power/runtime_status": "suspended" }, {
    sleeper: "/sys/card",
  });
  assertEquals([value(), channel.failure, channel.isAsleep], [undefined, undefined, true]);
  assertEquals(files.reads.get(A), undefined);
  files.set("/sys/card/power/runtime_status", "active");
  assertEquals([value(), channel.isAsleep], [5n, false]);
});

Deno.test("files that are not there or may not be read are refused at opening, and nothing stays open", () => {
  const files = new FakeFiles({ a: "5", b: "6" });
  files.deny(B);
  const options = {
    id: "x",
    type: "gauge",
    scale: [1n, 1n],
    minPeriodMs: 20,
    relativeUncertainty: 0.05,
  } as const;
  assertThrows(
    () => openKeptChannel(new FakeClock(), files, { ...options, paths: [A, B] }),
    NodeError,
    "permission denied",
  );
  assertThrows(
    () => openKeptChannel(new FakeClock(), files, { ...options, paths: [A, "/sys/c"] }),
    NodeError,
  );
  assertEquals(files.opened, 0);
});
