/** The node's page of metrics, read by a parser that nobody here wrote. */
import { assert, assertEquals } from "@std/assert";
import { alone, Program, withFolder } from "../../e2e/program.ts";
import { FakeRapl } from "../../support/fake_rapl.ts";
import { INSTALLED, runScript, WHY } from "./foreign_peers.ts";

Deno.test({
  name:
    `prometheus_client reads /metrics of a running node, as text and as OpenMetrics, and its counters never go back${WHY}`,
  ignore: !INSTALLED,
  fn: () =>
    withFolder(async (folder) => {
      await using sensor = await FakeRapl.open(`${folder}/sys`, 20);
      await using node = Program.start([
        ...alone(`${folder}/data`),
        ...["--no-serve", "--sysfs", `${folder}/sys`, "--set", "carbon.zone=DE"],
      ]);
      const { api } = await node.event("ready");
      await sensor.set(9);
      const read = async (form: "text" | "openmetrics") => {
        const accept = form === "text" ? "text/plain" : "application/openmetrics-text; version=1.0.0";
        const answer = await fetch(`${api}/metrics`, { headers: { accept } });
        assert(answer.headers.get("content-type")!.startsWith(accept.split(";")[0]!));
        await Deno.writeTextFile(`${folder}/${form}`, await answer.text());
        return await runScript("check_metrics.py", [`${folder}/${form}`, form]);
      };
      let last = 0;
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const { samples } = await read("text");
        const joules = samples["kwaai_energy_node_joules_total{kind=measured}"];
        assert(joules >= last, `${joules} after ${last}`);
        last = joules;
      }
      assert(last > 20, `${last} J: the counter came round`);
      const { families, samples } = await read("openmetrics");
      assertEquals(families.kwaai_energy_node_joules, "counter");
      assertEquals(families.kwaai_power_watts, "gauge");
      assert(samples["kwaai_grid_intensity_grams_per_kwh{quality=yearly,zone=DE}"] > 100);
      assertEquals(await node.stop(), 0);
    }),
});
