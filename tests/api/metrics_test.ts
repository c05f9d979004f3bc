import { assert, assertEquals, assertMatch } from "@std/assert";
import { exposition, wantsOpenMetrics } from "../../src/api/metrics.ts";
import { FULL_NODE, input, SIX, source } from "../support/metrics_page.ts";

Deno.test("exposition tells energy in base units, settled where it must not go back, and nothing where nothing is known", async () => {
  const { text, contentType } = await exposition(input(SIX), false);
  assertMatch(contentType, /^text\/plain/);
  const lines = text.split("\n");
  for (
    const line of [
      'kwaai_energy_node_joules_total{kind="measured"} 1234.5',
      'kwaai_energy_attributed_joules_total{account="serve"} 9',
      'kwaai_energy_attributed_joules_total{account="other"} 26',
      'kwaai_energy_attributed_joules_total{account="node_overhead"} 4',
      'kwaai_tokens_total{phase="decode"} 10',
      'kwaai_steps_total{outcome="failed"} 2',
      'kwaai_energy_joules_per_token{window="5m",basis="dynamic"} 0.3',
      'kwaai_energy_sensor_errors_total{source="rapl:psys",reason="io"} 3',
      "kwaai_compute_seconds_total 1.5",
      'kwaai_energy_source_up{source="battery",state="denied"} 0',
      'kwaai_energy_joules_total{source="shelly",device="192.0.2.7",domain="socket0/package",scope="wall",kind="measured"} 1234.5',
    ]
  ) assert(lines.includes(line), `${line}\nin\n${text}`);
  // unknown figures have no series at all
  assertEquals(lines.filter((line) => line.startsWith('kwaai_power_watts{source="shelly"')), []);
  assertEquals(lines.filter((line) => line.includes('basis="full"')), []);
  assertEquals(lines.filter((line) => line.includes("kwaai_sessions ")), []);
  assert(!text.includes("12D3Koo") && !text.includes("192.0.2.9"), "no peer and no address of ours");
});

Deno.test("exposition of six sources takes less than 6 kB, also of a node that does all there is, and none tells none", async () => {
  for (const all of [input(SIX), FULL_NODE]) {
    const { text } = await exposition(all, false);
    assert(text.length <= 6000, `${text.length} bytes`);
  }
  const none = await exposition(input([], { idleWatts: null }), false);
  assert(!/kwaai_energy_joules_total|kwaai_idle_power_watts|kwaai_energy_source_up/.test(none.text));
});

Deno.test("exposition tells carbon, own power and what is served where they are known, and what is absent nowhere", async () => {
  const { text } = await exposition(FULL_NODE, false);
  const lines = text.split("\n");
  for (
    const line of [
      "kwaai_sessions 3",
      'kwaai_carbon_grams_total{method="market"} 5.4321',
      'kwaai_grid_intensity_grams_per_kwh{zone="DE",quality="estimated"} 321.45',
      'kwaai_renewable_ratio{basis="grid"} 0.524',
      'kwaai_renewable_ratio{basis="local"} 0.25',
      'kwaai_energy_relative_uncertainty{source="rapl",device="psys",domain="board",scope="board",kind="measured"} 0.05',
    ]
  ) assert(lines.includes(line), `${line}\nin\n${text}`);
  assertEquals(lines.filter((line) => /"(?:battery|amdsmi|model|absent)"/.test(line)), []);
  assertEquals(lines.filter((line) => /_relative_uncertainty\{.*"(?:shelly|nvml|hwmon)"/.test(line)), []);
});

Deno.test("exposition escapes what a sensor's name may hold", async () => {
  const { text } = await exposition(input([source('hwmon:x@"y"\\z\n{}/a')]), false);
  assert(text.includes('device="x@\\"y\\"\\\\z\\n{}/a"'), text);
});

Deno.test("exposition in OpenMetrics ends as it must, and is given to who asks", async () => {
  const { text, contentType } = await exposition(input(SIX), true);
  assertMatch(contentType, /^application\/openmetrics-text/);
  assert(text.endsWith("# EOF\n"));
  assert(wantsOpenMetrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
  assert(!wantsOpenMetrics("text/plain") && !wantsOpenMetrics(undefined));
});
