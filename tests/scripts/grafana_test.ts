import { assert, assertEquals } from "@std/assert";
import { exposition } from "../../src/api/metrics.ts";
import { FULL_NODE } from "../support/metrics_page.ts";

const path = new URL("../../docs/grafana/kwaainet-energy.json", import.meta.url);

/** Labels by metric, of a page on which everything is told. */
async function told(): Promise<Map<string, Set<string>>> {
  const { text } = await exposition(FULL_NODE, false);
  const found = new Map<string, Set<string>>();
  for (const [, name, labels] of text.matchAll(/^(kwaai_\w+)(?:\{(.*)\})? /gm)) {
    found.set(name!, new Set((labels ?? "").match(/\w+(?==")/g)));
  }
  return found;
}

Deno.test("the dashboard for Grafana has its panels, and asks for no metric and shows no label that the node does not tell", async () => {
  const dashboard = JSON.parse(await Deno.readTextFile(path));
  assert(dashboard.schemaVersion >= 36);
  assertEquals(dashboard.templating.list[0].type, "datasource");
  assertEquals(dashboard.panels.map(({ title }: { title: string }) => title), [
    "Power by scope",
    "Joules for a token",
    "Carbon",
    "Green share",
    "Sensors",
  ]);
  const metrics = await told();
  for (const { title, datasource, targets } of dashboard.panels) {
    assertEquals(datasource.uid, "${datasource}");
    assert(targets.length > 0);
    for (const { expr, legendFormat } of targets) {
      const names: string[] = expr.match(/kwaai_\w+/g);
      assertEquals(names.filter((name) => !metrics.has(name)), [], title);
      const labels: string[] = legendFormat.match(/(?<=\{\{)\w+(?=\}\})/g) ?? [];
      const shown = new Set(["instance", "job", ...names.flatMap((name) => [...metrics.get(name)!])]);
      assertEquals(labels.filter((label) => !shown.has(label)), [], `${title}: ${legendFormat}`);
    }
  }
});

Deno.test("docs/energy.md names each metric that the node tells, and no other", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/energy.md", import.meta.url));
  assertEquals(
    [...new Set(text.match(/\bkwaai_(?!energy: )\w+/g))].sort(),
    [...(await told()).keys()].sort(),
  );
});
