import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { FakeRapl } from "../support/fake_rapl.ts";
import { writeTinyGguf } from "../support/tiny_model.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

const QUESTION = ["--json", "--max-tokens", "16", "hello there"];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test(`${FLAVOUR}: a node's joules and joules per token match a moving sensor's exact integral`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    const data = `${folder}/data`;
    // comes round every ten seconds or so
    await using sensor = await FakeRapl.open(`${folder}/sys`, 60);
    await using node = Program.start([...alone(data), "--model", model, "--sysfs", `${folder}/sys`]);
    await node.event("ready");
    const energyNow = async () => {
      const { out, code, err } = await ask(["status", "--json", "--data-dir", data]);
      assertEquals(code, 0, err);
      // the answer was made a moment before it came: half way is near enough
      return { atMs: Date.now(), ...JSON.parse(out) };
    };
    const first = await energyNow();
    assertEquals([first.energy.kind, first.energy.scope], ["measured", "package"]);
    for (const watts of [9, 4, 12, 3]) {
      await sensor.set(watts);
      const { code, err } = await ask(["generate", "--data-dir", data, ...QUESTION]);
      assertEquals(code, 0, err);
      await pause(2000);
    }
    const last = await energyNow();
    const joules = last.energy.joules - first.energy.joules;
    const exact = await sensor.joules(first.atMs, last.atMs);
    assert(exact > 60, `the counter came round (${exact} J)`);
    assertAlmostEquals(joules / exact, 1, 0.03);
    const tokens = last.work.tokens - first.work.tokens;
    assert(tokens >= 60, `${tokens}`);
    assertAlmostEquals(last.energy.joulesPerToken.full, last.energy.joules / last.work.tokens, 1e-6);
    assertEquals(await node.stop(), 0);
  }));
