import { assert, assertEquals } from "@std/assert";
import { messageOf } from "../../src/base/errors.ts";
import { findOnnxRuntime, openOnnxRuntime } from "../../src/compute/onnx_runtime.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const unusable = await openOnnxRuntime().then(() => undefined, messageOf);

/** A test that is left out, with the reason in its name, where the library cannot run. */
function onnxTest(name: string, fn: () => Promise<void>): void {
  const ignore = unusable !== undefined;
  Deno.test({ name: ignore ? `${name} (left out: ${unusable})` : name, ignore, fn });
}

onnxTest("onnxruntime is the pinned one, which carries no uploader", async () => {
  const { env } = await openOnnxRuntime();
  assertEquals(env.versions.node, "1.27.0");
  assert(findOnnxRuntime() !== undefined);
  assertEquals(Deno.env.get("ORT_DISABLE_TELEMETRY"), "1");
});

/** Run in a process of its own: loads the library, computes a product of 64 × 64 ones and twos. */
const PROGRAM = `
import { openOnnxRuntime } from ${JSON.stringify(import.meta.resolve("../../src/compute/onnx_runtime.ts"))};
const { InferenceSession, Tensor } = await openOnnxRuntime();
const model = Uint8Array.fromBase64("CAg6VQoRCgFhCgFiEgFjIgZNYXRNdWwSAW1aEwoBYRIOCgwIARIICgIIQAoCCEBaEwoBYhIOCgwIARIICgIIQAoCCEBiEwoBYxIOCgwIARIICgIIQAoCCEBCBAoAEA0=");
const session = await InferenceSession.create(model);
const all = (value) => new Tensor("float32", new Float32Array(4096).fill(value), [64, 64]);
const { c } = await session.run({ a: all(1), b: all(2) });
console.log(c.data[5]);
`;

onnxTest("onnxruntime leaves no file behind: there is no telemetry", async () => {
  await using home = await temporaryFolder();
  const before = await exists("/tmp/.ses");
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", new URL("../../deno.json", import.meta.url).pathname, PROGRAM],
    env: {
      HOME: home.path,
      TMPDIR: home.path,
      XDG_CACHE_HOME: home.path,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
      ORT_DISABLE_TELEMETRY: "",
    },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout), "128\n");
  assertEquals(await Array.fromAsync(Deno.readDir(home.path), ({ name }) => name), []);
  assertEquals(await exists("/tmp/.ses"), before);
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
