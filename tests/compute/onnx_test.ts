import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { createOnnxBackend } from "../../src/compute/onnx.ts";
import { openOnnxRuntime } from "../../src/compute/onnx_runtime.ts";
import { ALL, AUTO, HIDDEN, inputOf, openGguf, signal } from "./case_help.ts";
import { testBlockCases } from "./cases.ts";

const onnx = createOnnxBackend();
const probe = await onnx.probe();
await testBlockCases(onnx);

/** A test that is left out, with the reason in its name, where the library cannot run. */
function onnxTest(name: string, fn: () => Promise<void>): void {
  const why = probe.usable ? "" : ` (left out: ${probe.reason})`;
  Deno.test({ name: `onnx ${name}${why}`, ignore: !probe.usable, fn });
}

Deno.test("onnx says why it cannot be used, and never throws", async () => {
  const absent = createOnnxBackend({
    openRuntime: () =>
      Promise.reject(new NodeError("no_backend", "Cannot use onnxruntime: not in this program")),
  });
  assertEquals(await absent.probe(), {
    usable: false,
    reason: "Cannot use onnxruntime: not in this program",
  });
  await using opened = await openGguf();
  const error = await assertRejects(() => absent.load(opened.model, ALL, AUTO, signal), NodeError);
  assertEquals(error.code, "no_backend");
});

onnxTest("says what it runs on", () => {
  assertEquals(probe, { usable: true, device: "CPU, onnxruntime", version: "1.27.0" });
  return Promise.resolve();
});

onnxTest("loads nothing that does not fit, and says how many blocks would", async () => {
  await using opened = await openGguf();
  let available = (64 << 20) + 200_000;
  const small = createOnnxBackend({ availableBytes: () => available });
  const error = await assertRejects(() => small.load(opened.model, ALL, AUTO, signal), NodeError);
  assertEquals(error.code, "no_memory");
  assert(error.message.includes("1 of them would fit"), error.message);
  available = 64 << 20;
  const head = await assertRejects(() => small.loadHead(opened.model, AUTO, signal), NodeError);
  assertEquals(head.code, "no_memory");
});

onnxTest("expands quantised weights before it asks for room", async () => {
  await using opened = await openGguf({ format: "Q4_0" });
  await using blocks = await onnx.load(opened.model, ALL, AUTO, signal);
  const perBlock = 2 * HIDDEN + HIDDEN * (64 + 32 + 32 + 64) + 3 * HIDDEN * 96;
  assertEquals(blocks.weightBytes, 4 * 4 * perBlock);
  assertEquals(blocks.cacheBytesPerToken, 2 * 32 * 4);
  assertEquals(blocks.dtype, "float16");
});

onnxTest("turns what the library says about a graph into an error of ours", async () => {
  const runtime = await openOnnxRuntime();
  const broken = createOnnxBackend({
    openRuntime: () =>
      Promise.resolve(
        {
          ...runtime,
          InferenceSession: { create: () => Promise.reject(new Error("no such operator")) },
        } as unknown as typeof runtime,
      ),
  });
  await using opened = await openGguf();
  const error = await assertRejects(() => broken.load(opened.model, ALL, AUTO, signal), NodeError);
  assertEquals([error.code, error.message], ["unsupported", "Cannot use onnxruntime: no such operator"]);
});

onnxTest("gives back weights and sessions of fifty loads", async () => {
  await using opened = await openGguf({ hidden: 256, ffn: 2048, blocks: 4 });
  const once = async () => {
    await using blocks = await onnx.load(opened.model, ALL, AUTO, signal);
    await blocks.forward(inputOf(1, 2, 1, 256), ALL, signal);
  };
  for (let i = 0; i < 10; i++) await once();
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < 50; i++) await once();
  const grown = Deno.memoryUsage().rss - before;
  // one load has 28 MB: a leak would take 1400
  assert(grown < 300e6, `grown by ${grown} bytes`);
});
