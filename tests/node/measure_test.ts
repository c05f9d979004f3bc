import { assertEquals } from "@std/assert";
import type { CacheSize, KvCache, LoadedBlocks } from "../../src/compute/backend.ts";
import { measureBlocks } from "../../src/node/measure.ts";
import { FakeClock } from "../support/world.ts";

Deno.test("measureBlocks counts tokens through one block, the first step apart, and gives its cache back", async () => {
  const clock = new FakeClock();
  let [steps, closed] = [0, 0];
  const take = async (ms: number) => {
    await clock.advance(ms);
    return new Float32Array(0);
  };
  const blocks = {
    range: { start: 2, end: 6 },
    hiddenSize: 3,
    openCache: (size: CacheSize) =>
      Promise.resolve(
        { ...size, length: 0, [Symbol.asyncDispose]: () => Promise.resolve(void closed++) } as KvCache,
      ),
    step: () => take(++steps === 1 ? 5000 : 100),
    forward: () => take(512),
  } as unknown as LoadedBlocks;
  const rates = await measureBlocks(clock, blocks, new AbortController().signal);
  assertEquals(rates, { inferenceRps: 40, forwardRps: 500 });
  assertEquals([steps, closed], [5, 1]);
});
