import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { FakeRapl } from "../support/fake_rapl.ts";
import { writeTinyGguf } from "../support/tiny_model.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What the node says now, and when that was true: half way between question and answer. */
async function energyOf(api: string) {
  const before = Date.now();
  const answer = await fetch(`${api}/api/v1/energy`);
  return { atMs: (before + Date.now()) / 2, ...await answer.json() };
}

Deno.test(`${FLAVOUR}: joules and joules for a token match a moving sensor's exact integral, over wraps and a reset`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    const data = `${folder}/data`;
    // comes round every six seconds or so
    await using sensor = await FakeRapl.open(`${folder}/sys`, 40);
    await using node = Program.start([...alone(data), "--model", model, "--sysfs", `${folder}/sys`]);
    const { api } = await node.event("ready");
    await pause(2000);
    const first = await energyOf(api);
    assertEquals([first.node.kind, first.node.scope, first.node.source], [
      "measured",
      "package",
      "rapl:package-0",
    ]);
    for (const watts of [9, 4, 12, 3]) {
      await sensor.set(watts);
      const { code, err } = await ask([
        ...["generate", "--data-dir", data, "--json", "--max-tokens", "16", "hello there"],
      ]);
      assertEquals(code, 0, err);
      await pause(4000);
    }
    await sensor.set(6);
    await pause(1500);
    await sensor.reset();
    await pause(1500);
    const last = await energyOf(api);
    const joules = last.node.joules - first.node.joules;
    const exact = await sensor.joules(first.atMs, last.atMs);
    assert(exact > 120, `the counter came round three times (${exact} J)`);
    assertEquals(last.sources.find(({ id }: { id: string }) => id === "rapl:package-0").counted, true);
    assertAlmostEquals(joules / exact, 1, 0.01);
    const tokens = last.tokens - first.tokens;
    assert(tokens >= 60, `${tokens}`);
    assertAlmostEquals(last.joulesPerToken.full, last.node.joules / last.tokens, 1e-6);
    // what costs P watts at R tokens a second costs P / R a token, and no more than the most the machine took
    assert(joules / tokens * (tokens / ((last.atMs - first.atMs) / 1000)) <= 12);
    if (last.accounts !== undefined) {
      const { serve, idle, other } = last.accounts;
      assertAlmostEquals(serve + idle + other, last.node.joules, 1e-6);
    }
    const text = await ask(["energy", "--data-dir", data]);
    assertMatch(
      text.out,
      /^[\d.]+ W of the processor \(not the whole machine\), measured, ±5 %, by rapl:package-0\n/,
    );
    assertEquals(await node.stop(), 0);
  }));
