/** Claims about embeddings and scores. Part of cases.ts. */
import { assertEquals, assertRejects } from "@std/assert";
import type { WeightFormat } from "../../src/model/source.ts";
import { dequantize } from "../../src/model/dequantize.ts";
import { assertNear, AUTO, HIDDEN, numbers, openGguf, reference, signal, toleranceOf } from "./case_help.ts";
import type { BlockCase } from "./cases.ts";

const VOCABULARY = 320;

/** See cases.ts. */
export const HEAD_CASES: readonly BlockCase[] = [
  ...[false, true].map((tied): BlockCase => ({
    name: `reads embeddings and scores hidden states, ${tied ? "with a tied" : "with its own"} output matrix`,
    async run(backend) {
      for (const embeddingFormat of ["F32", "F16", "Q8_0"] as readonly WeightFormat[]) {
        await using opened = await openGguf({ tied, embeddingFormat });
        const { model } = opened;
        await using head = await backend.loadHead(model, AUTO, signal);
        await using plain = await reference.loadHead(model, AUTO, signal);
        assertEquals([head.hiddenSize, head.vocabularySize], [HIDDEN, VOCABULARY]);
        const ids = [3, 0, VOCABULARY - 1, 3];
        const table = dequantize(embeddingFormat, await model.read("token_embd.weight", signal));
        const wanted = ids.flatMap((id) => [...table.subarray(id * HIDDEN, (id + 1) * HIDDEN)]);
        assertEquals(await head.embed(ids, signal), Float32Array.from(wanted));
        const rows = 37;
        const hidden = numbers(rows * HIDDEN, 3);
        const scores = await head.logits(hidden, rows, signal);
        const tolerance = toleranceOf(backend.name, embeddingFormat);
        assertNear(scores, await plain.logits(hidden, rows, signal), tolerance, { width: VOCABULARY });
        const one = await head.logits(hidden.slice(-HIDDEN), 1, signal);
        assertNear(one, scores.slice(-VOCABULARY), tolerance, { width: VOCABULARY });
      }
    },
  })),
  {
    name: "refuses tokens outside the vocabulary and hidden states of another width",
    async run(backend) {
      await using opened = await openGguf();
      await using head = await backend.loadHead(opened.model, AUTO, signal);
      for (const id of [VOCABULARY, -1, 0.5, NaN]) {
        await assertRejects(() => head.embed([1, id], signal), RangeError);
      }
      for (const [count, rows] of [[HIDDEN, 2], [HIDDEN - 1, 1], [0, -1]] as const) {
        await assertRejects(() => head.logits(numbers(count, 1), rows, signal), RangeError);
      }
      assertEquals(await head.embed([], signal), new Float32Array(0));
      assertEquals(await head.logits(new Float32Array(0), 0, signal), new Float32Array(0));
    },
  },
  {
    name: "is no head any more once it was unloaded",
    async run(backend) {
      await using opened = await openGguf();
      const head = await backend.loadHead(opened.model, AUTO, signal);
      await head[Symbol.asyncDispose]();
      await head[Symbol.asyncDispose]();
      await assertRejects(() => head.embed([1], signal), TypeError);
      await assertRejects(() => head.logits(numbers(HIDDEN, 1), 1, signal), TypeError);
    },
  },
];
