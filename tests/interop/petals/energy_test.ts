/**
 * A Petals client that nobody here wrote, through our node beside a sensor that moves: what the node says a token costs is
 * what the sensor's own integral says. Needs KWAAI_PEERS_VENV; KWAAI_BINARY names the program under test.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { alone, ask, Program, withFolder } from "../../e2e/program.ts";
import { FakeRapl } from "../../support/fake_rapl.ts";
import { makeTinyModel } from "../generate/stock.ts";
import { lastJson, python, VENV, WHY } from "./python.ts";

Deno.test({
  name: `joules for a token that a stock client generates match the sensor's exact integral${WHY}`,
  ignore: VENV === undefined,
  fn: () =>
    withFolder(async (folder) => {
      const [model, data, sysfs] = [`${folder}/model`, `${folder}/node`, `${folder}/sys`];
      await makeTinyModel(model, "x", 1);
      await using sensor = await FakeRapl.open(sysfs, 100);
      await using node = Program.start([
        ...alone(data),
        ...["--model", model, "--dht-prefix", "tiny-llama", "--dtype", "f32", "--sysfs", sysfs],
      ]);
      const { addresses } = await node.event("ready");
      const look = async () => {
        const { out, err, code } = await ask(["status", "--json", "--data-dir", data]);
        assertEquals(code, 0, err);
        return { atMs: Date.now(), ...JSON.parse(out) };
      };
      const before = await look();
      await sensor.set(11);
      const said = await python("../peers/petals_client.py", [model, addresses[0], "tiny-llama"]);
      assertEquals([said.code, lastJson(said).equal], [0, true], said.out + said.err);
      await sensor.set(3);
      const after = await look();

      assertEquals([after.energy.kind, after.energy.scope], ["measured", "package"]);
      const tokens = after.work.tokens - before.work.tokens;
      assert(tokens >= 16, `${tokens} positions`);
      const exact = await sensor.joules(before.atMs, after.atMs);
      const joules = after.energy.joules - before.energy.joules;
      assertAlmostEquals(joules / tokens / (exact / tokens), 1, 0.02);
      assertAlmostEquals(after.energy.joulesPerToken.full, after.energy.joules / after.work.tokens, 1e-6);
      assertEquals(await node.stop(), 0);
    }),
});
