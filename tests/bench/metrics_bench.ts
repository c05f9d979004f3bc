/**
 * What a page of metrics costs: bytes, and milliseconds to write it once it has been written a hundred times.
 * `deno run -A tests/bench/metrics_bench.ts`; prints one JSON object.
 */
import { exposition } from "../../src/api/metrics.ts";
import { FULL_NODE } from "../support/metrics_page.ts";

const TURNS = 2000;
const cold = performance.now();
const { text } = await exposition(FULL_NODE, false);
const firstMs = performance.now() - cold;
const times: number[] = [];
for (let turn = 0; turn < TURNS; turn++) {
  const startMs = performance.now();
  await exposition(FULL_NODE, turn % 2 === 1);
  times.push(performance.now() - startMs);
}
const warm = times.slice(100).sort((a, b) => a - b);
const at = (share: number) => +warm[Math.floor(share * warm.length)]!.toFixed(3);
const said = JSON.stringify({
  deno: Deno.version.deno,
  bytes: text.length,
  firstMs: +firstMs.toFixed(2),
  medianMs: at(0.5),
  p99Ms: at(0.99),
});
await Deno.stdout.write(new TextEncoder().encode(`${said}\n`));
