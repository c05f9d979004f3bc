/** The node's page of metrics, read by a parser that nobody here wrote. */
import { assert, assertEquals } from "@std/assert";
import { exposition } from "../../../src/api/metrics.ts";
import { FULL_NODE, input, source } from "../../support/metrics_page.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
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

Deno.test({
  name: `prometheus_client reads a page on which everything is told, and names of sensors as they were${WHY}`,
  ignore: !INSTALLED,
  async fn() {
    await using folder = await temporaryFolder();
    const device = 'x@"y"\\z\n{}=,/a';
    const pages = { full: FULL_NODE, hostile: input([source(`hwmon:${device}`)]) };
    for (const [name, page] of Object.entries(pages)) {
      for (const form of ["text", "openmetrics"] as const) {
        const path = `${folder.path}/${name}`;
        await Deno.writeTextFile(path, (await exposition(page, form === "openmetrics")).text);
        const { families, samples } = await runScript("check_metrics.py", [path, form]);
        assert(Object.keys(families).length > 10);
        assertEquals(samples["kwaai_energy_node_joules_total{kind=measured}"], 1234.5);
        if (page !== pages.hostile) continue;
        const labels = `{device=${device},domain=socket0/package,kind=measured,scope=package,source=hwmon}`;
        assertEquals(samples[`kwaai_power_watts${labels}`], 12.5, Object.keys(samples).join(" "));
      }
    }
  },
});
