import { assertEquals } from "@std/assert";
import { Health } from "../../src/node/health.ts";

Deno.test("Health is not ready while the engine gives no sign of life, and becomes so but once", () => {
  let ready = 0;
  const health = new Health(() => {}, () => ready++);
  health.pending("blocks", "blocks are not served yet");
  health.done("blocks");
  health.silence(true);
  assertEquals(health.readiness, {
    ready: false,
    reason: "the engine gives no sign of life; if it goes on so, it is started again",
  });
  health.silence(false);
  assertEquals([health.readiness, ready], [{ ready: true }, 1]);
});
