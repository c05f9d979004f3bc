import { assertEquals } from "@std/assert";
import { expandModel, matrixFormats, readValues } from "../../src/compute/expanded.ts";
import { dequantize } from "../../src/model/dequantize.ts";
import type { WeightFormat } from "../../src/model/source.ts";
import { openGguf, signal } from "./case_help.ts";

const NAME = "blk.1.attn_q.weight";

Deno.test("expandModel gives every tensor as single precision, whole and by rows", async () => {
  for (const format of ["F16", "Q4_0"] as readonly WeightFormat[]) {
    await using opened = await openGguf({ format });
    const model = expandModel(opened.model, "auto");
    const wanted = dequantize(format, await opened.model.read(NAME, signal));
    assertEquals(model.tensors.get(NAME), { name: NAME, format: "F32", shape: [64, 64], bytes: 4 * 64 * 64 });
    assertEquals(await readValues(model, NAME, signal), wanted);
    const rows = await model.readRows(NAME, 2, 4, signal);
    assertEquals(dequantize("F32", rows), wanted.slice(2 * 64, 4 * 64));
    assertEquals(matrixFormats(opened.model, { start: 0, end: 2 }), new Set([format]));
  }
});

Deno.test("expandModel rounds single precision as an engine that holds f16 does, norms excepted", async () => {
  await using opened = await openGguf();
  const model = expandModel(opened.model, "f16");
  const stored = await readValues(opened.model, NAME, signal);
  assertEquals(await readValues(model, NAME, signal), Float32Array.from(new Float16Array(stored)));
  const norm = "blk.1.attn_norm.weight";
  assertEquals(await readValues(model, norm, signal), await readValues(opened.model, norm, signal));
});
