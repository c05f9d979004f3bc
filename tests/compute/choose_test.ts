import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { BlockBackend, EngineName, Probe } from "../../src/compute/backend.ts";
import { chooseBackend, threadsFor } from "../../src/compute/choose.ts";

const backend = (name: EngineName, probe: Probe): BlockBackend => ({
  name,
  probe: () => Promise.resolve(probe),
  load: () => Promise.reject(new TypeError("not asked")),
  loadHead: () => Promise.reject(new TypeError("not asked")),
});
const ggml = backend("ggml", { usable: false, reason: "glibc 2.34 is wanted" });
const onnx = backend("onnx", { usable: true, device: "CPU", version: "1.27.0" });
const reference = backend("reference", { usable: true, device: "JavaScript", version: "1" });

Deno.test("chooseBackend takes the first usable engine and says what is wrong with those before it", async () => {
  const chosen = await chooseBackend([ggml, onnx, reference], "auto");
  assertEquals(chosen.backend.name, "onnx");
  assertEquals(chosen.reason, "1.27.0 on CPU; ggml is not usable: glibc 2.34 is wanted");
});

Deno.test("chooseBackend takes the named engine although another comes first", async () => {
  assertEquals((await chooseBackend([ggml, onnx, reference], "reference")).backend.name, "reference");
});

Deno.test("chooseBackend says why the named engine, or every engine, is unusable", async () => {
  const why = async (backends: BlockBackend[], choice: "auto" | EngineName) => {
    const error = await assertRejects(() => chooseBackend(backends, choice), NodeError);
    assertEquals(error.code, "no_backend");
    return error.message;
  };
  const words = "ggml is not usable: glibc 2.34 is wanted";
  assertEquals(await why([ggml, onnx], "ggml"), `Cannot use the engine "ggml": ${words}`);
  assertEquals(await why([ggml], "auto"), `Cannot use the engine "auto": ${words}`);
  assertEquals(
    await why([ggml], "onnx"),
    'Cannot use the engine "onnx": it is not part of this program',
  );
});

Deno.test("threadsFor leaves a core to the network, unless it is told", () => {
  assertEquals([1, 2, 4].map((cores) => threadsFor(0, cores)), [1, 1, 3]);
  assertEquals(threadsFor(4, 2), 4);
});
