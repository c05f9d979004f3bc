import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { Lane } from "../../src/base/lane.ts";
import type { GgmlDevice } from "../../src/compute/ggml_ffi.ts";
import { loadGgmlWeights } from "../../src/compute/ggml_weights.ts";
import type { ModelSource } from "../../src/model/source.ts";

Deno.test("Weights are freed only after a fill that has begun has ended, also when the caller has left", async () => {
  const order: string[] = [];
  const begun = Promise.withResolvers<void>(), end = Promise.withResolvers<void>();
  const memory = {
    add: () => ({}),
    allocate: () => 4,
    async fill() {
      begun.resolve();
      await end.promise;
      order.push("filled");
    },
    [Symbol.dispose]: () => void order.push("freed"),
  };
  const device = { newMemory: () => memory, canRepack: () => false } as unknown as GgmlDevice;
  const model = {
    tensors: new Map([["w", { name: "w", format: "F32", shape: [1, 1], bytes: 4 }]]),
    read: () => Promise.resolve(new Uint8Array(4)),
  } as unknown as ModelSource;
  const caller = new AbortController();
  const names = ["w"];
  const loading = loadGgmlWeights(
    { device, lane: new Lane() },
    model,
    { names, dtype: "auto" },
    caller.signal,
  );
  const refused = assertRejects(() => loading, NodeError, "gone");
  await begun.promise;
  caller.abort(new NodeError("aborted", "gone"));
  // Whatever hears of it at once has its turn
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals(order, []);
  end.resolve();
  await refused;
  assertEquals(order, ["filled", "freed"]);
});
