import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import { addProduction, readProduction } from "../../../src/energy/certificates/production_book.ts";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { produced, TEN } from "./some.ts";

const ALL = [0, Date.UTC(2100, 0, 1)] as const;

Deno.test("readProduction reads what addProduction wrote, in order, by month and device", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/production`;
  assertEquals(await readProduction(path, ...ALL), []);
  const { siteMilliwattHours: _, ...noMeter } = produced(TEN + HOUR_MS, 0.5, {
    uncertainty: null,
    source: "wind",
  });
  const hours = [
    produced(TEN, 420.123),
    produced(TEN, 1, { device: "mill", coverage: 0.5, kind: "mixed" }),
    noMeter,
    produced(Date.UTC(2026, 11, 1), 7),
  ];
  await addProduction(path, hours.slice(0, 1));
  await addProduction(path, hours.slice(1));
  assertEquals(await readProduction(path, ...ALL), hours);
  assertEquals(await readProduction(path, TEN, TEN + HOUR_MS), hours.slice(0, 2));
  assertEquals(await readProduction(path, Date.UTC(2026, 11, 1), ALL[1]), hours.slice(3));
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  assertEquals(names.sort(), ["2026-11.production", "2026-12.production"]);
});

Deno.test("readProduction counts an hour once, however often it was written", async () => {
  await using folder = await temporaryFolder();
  await addProduction(folder.path, [produced(TEN, 1)]);
  await addProduction(folder.path, [produced(TEN, 2), produced(TEN + HOUR_MS, 3)]);
  const found = await readProduction(folder.path, ...ALL);
  assertEquals(found.map(({ milliwattHours }) => milliwattHours), [1000n, 3000n]);
});

Deno.test("readProduction loses the line that a kill cut, and no other", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/2026-11.production`;
  await addProduction(folder.path, [produced(TEN, 1), produced(TEN + HOUR_MS, 2)]);
  const whole = await Deno.readFile(file);
  const last = whole.slice(0, -1).lastIndexOf(10) + 1;
  for (let end = last; end < whole.length; end++) {
    await Deno.writeFile(file, whole.slice(0, end));
    await addProduction(folder.path, [produced(TEN + 2 * HOUR_MS, 3)]);
    const hours = (await readProduction(folder.path, ...ALL)).map(({ startMs }) => (startMs - TEN) / HOUR_MS);
    // only its line end may be missing
    assertEquals(hours, end === whole.length - 1 ? [0, 1, 2] : [0, 2], `cut at ${end}`);
  }
});

Deno.test("readProduction takes no changed line, and ends odd files in what is whole of them", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/2026-11.production`;
  await addProduction(folder.path, [produced(TEN, 420)]);
  const whole = await Deno.readFile(file);
  for (let at = 1; at < whole.length; at++) {
    const damaged = whole.slice();
    damaged[at]! ^= 1;
    await Deno.writeFile(file, damaged);
    const found = await readProduction(folder.path, ...ALL);
    assert(found.length === 0 || found[0]!.milliwattHours === 420_000n, `flip at ${at}`);
  }
  await Deno.writeTextFile(file, `${"[".repeat(100_000)}\n{} 00000000\n null 1\n`);
  assertEquals(await readProduction(folder.path, ...ALL), []);
  await Deno.truncate(file, 9 << 20);
  await assertRejects(() => readProduction(folder.path, ...ALL), NodeError, "wanted at most");
});

Deno.test("addProduction keeps ten years", async () => {
  await using folder = await temporaryFolder();
  for (let month = 0; month < 125; month++) {
    await addProduction(folder.path, [produced(Date.UTC(2026, month, 1), 1)]);
  }
  const found = await readProduction(folder.path, ...ALL);
  assertEquals([found.length, found[0]!.startMs], [120, Date.UTC(2026, 5, 1)]);
});
