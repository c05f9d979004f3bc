import { assert, assertEquals } from "@std/assert";

const read = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));

Deno.test("the dashboard for Grafana has its panels, and names no metric that the node does not tell", async () => {
  const dashboard = JSON.parse(await read("docs/grafana/kwaainet-energy.json"));
  assert(dashboard.schemaVersion >= 36);
  assertEquals(dashboard.panels.length, 5);
  const told = new Set((await read("src/api/metrics.ts")).match(/kwaai_[a-z_]+/g));
  const asked = JSON.stringify(dashboard).match(/kwaai_[a-z_]+/g)!;
  assertEquals([...new Set(asked)].filter((name) => !told.has(name)), []);
  for (const { datasource, targets } of dashboard.panels) {
    assertEquals(datasource.uid, "${datasource}");
    assert(targets.length > 0);
  }
});
