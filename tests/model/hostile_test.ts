import { assert } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../src/base/errors.ts";
import { memoryRanges } from "../../src/model/byte_ranges.ts";
import { openChatTemplate } from "../../src/model/chat_template.ts";
import { checkpointArchitecture } from "../../src/model/checkpoint_config.ts";
import { openGgufRanges } from "../../src/model/gguf.ts";
import { openTokenizer } from "../../src/model/tokenizer.ts";
import { tinyGgufBytes } from "../support/tiny_model.ts";

const signal = AbortSignal.timeout(60_000);

/** Whether `work` ended in a value or a `NodeError`. */
async function endsWell(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert(error instanceof NodeError, `threw ${error instanceof Error ? error.stack : String(error)}`);
  }
}

Deno.test("a GGUF file with damaged bytes opens, tokenizer and template too, or fails in words", async () => {
  const whole = tinyGgufBytes({
    blocks: 1,
    hidden: 16,
    ffn: 16,
    heads: 2,
    kvHeads: 1,
    embeddingFormat: "F16",
  });
  const header = 13_000;
  const flip = fc.tuple(fc.nat(header), fc.integer({ min: 1, max: 255 }));
  const property = fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
    const damaged = whole.slice();
    for (const [at, bits] of flips) damaged[at]! ^= bits;
    await endsWell(async () => {
      await using model = await openGgufRanges(memoryRanges(damaged), "damaged.gguf", signal);
      const files = await model.tokenizer(signal);
      if (files === undefined) return;
      openTokenizer(files).encode("Hello the world");
      openChatTemplate(files)?.render([{ role: "user", content: "Hello" }]);
    });
  });
  await fc.assert(property, { numRuns: 300 });
});

Deno.test("checkpointArchitecture ends in a value or a NodeError for any object", async () => {
  const good = {
    model_type: "llama",
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    vocab_size: 300,
  };
  const keys = [
    ...Object.keys(good),
    "head_dim",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "sliding_window",
  ];
  const changes = fc.dictionary(fc.constantFrom(...keys), fc.anything(), { maxKeys: 3 });
  const property = fc.asyncProperty(changes, async (change) => {
    await endsWell(() => checkpointArchitecture({ ...good, ...change }, "config.json"));
  });
  await fc.assert(property, { numRuns: 500 });
});
