/** Claims about what blocks compute. Part of cases.ts. */
import { assert, assertEquals } from "@std/assert";
import type { BlockBackend } from "../../src/compute/backend.ts";
import type { WeightFormat } from "../../src/model/source.ts";
import type { TinyGgufOptions, TinyOptions } from "../support/tiny_model.ts";
import {
  ALL,
  assertNear,
  AUTO,
  distance,
  HIDDEN,
  inputOf,
  loadTwins,
  numbers,
  openCheckpoint,
  type OpenedTiny,
  openGguf,
  reference,
  signal,
  tokensOf,
  toleranceOf,
} from "./case_help.ts";
import type { BlockCase } from "./cases.ts";

/** One model of tests/vectors/make_blocks.py or make_qwen_blocks.py. */
interface GoldenBlocks {
  readonly name: string;
  readonly options: TinyOptions & { readonly blocks: number };
  readonly scaling: Readonly<Record<string, unknown>> | null;
  readonly tokens: number;
  readonly input_seed: number;
  /** Output of each block, `[tokens, hidden]`, and scores of the last token: base64 of single-precision values. */
  readonly blocks_f32: readonly string[];
  readonly last_scores_f32: string;
}

const readGolden = async (file: string): Promise<readonly GoldenBlocks[]> =>
  JSON.parse(await Deno.readTextFile(new URL(`../vectors/${file}`, import.meta.url)));
const llamas = await readGolden("blocks.json");
const qwens = await readGolden("qwen_blocks.json");
const floatsOf = (base64: string) => new Float32Array(Uint8Array.fromBase64(base64).buffer);

async function computesAsTorch(
  backend: BlockBackend,
  of: GoldenBlocks,
  opening: Promise<OpenedTiny>,
): Promise<void> {
  await using opened = await opening;
  const range = { start: 0, end: of.options.blocks };
  await using blocks = await backend.load(opened.model, range, AUTO, signal);
  await using head = await backend.loadHead(opened.model, AUTO, signal);
  const input = { batch: 1, tokens: of.tokens, hidden: HIDDEN };
  const first = numbers(of.tokens * HIDDEN, of.input_seed);
  for (const [i, wanted] of of.blocks_f32.entries()) {
    const out = await blocks.forward({ input: { ...input, data: first } }, { start: 0, end: i + 1 }, signal);
    assertNear(out, floatsOf(wanted), 1e-5, { what: `block ${i}` });
  }
  const last = floatsOf(of.blocks_f32.at(-1)!).slice(-HIDDEN);
  const scores = await head.logits(last, 1, signal);
  assertNear(scores, floatsOf(of.last_scores_f32), 1e-5, { what: "scores", width: scores.length });
}

/** A batch of prefills, over a model of `options` as GGUF and with the same weights as a checkpoint. */
async function computesAsReference(backend: BlockBackend, options: TinyGgufOptions): Promise<void> {
  const hidden = options.hidden ?? HIDDEN;
  const range = { start: 0, end: options.blocks ?? ALL.end };
  await using twins = await loadTwins(backend, await openGguf(options), range);
  const step = inputOf(2, 20, 5, hidden);
  const out = await twins.blocks.forward(step, range, signal);
  const wanted = await twins.plain.forward(step, range, signal);
  const tolerance = toleranceOf(backend.name, options.format ?? "F32");
  assertNear(out, wanted, tolerance, { width: hidden });
  assertEquals(twins.blocks.dtype, twins.plain.dtype);
}

const FORMATS: readonly WeightFormat[] = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q4_K",
  "Q5_K",
  "Q6_K",
];
/** Of both families: each K format, and those of the files that are most in use. */
const QWEN_FORMATS: readonly WeightFormat[] = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K"];
const QWENS = ["qwen2", "qwen3"] as const;
const WIDE = { hidden: 256, ffn: 512, heads: 8, kvHeads: 2, blocks: 2 };

const SHAPES: readonly (readonly [name: string, options: TinyGgufOptions])[] = [
  ["heads wider than their share of the width", { headDim: 32 }],
  ["heads narrower than their share of the width", { headDim: 8 }],
  ["one key-value head for all", { kvHeads: 1 }],
  ["a key-value head for each head", { kvHeads: 4 }],
  ["rope factors", { ropeFactors: [1, 1, 1.5, 2, 4, 8, 8, 8] }],
  ["a linear rope scale", {
    metadata: {
      "llama.rope.scaling.type": { type: "string", value: "linear" },
      "llama.rope.scaling.factor": { type: "f32", value: 4 },
    },
  }],
  ["half of each head's dimensions turned", {
    metadata: { "llama.rope.dimension_count": { type: "u32", value: 8 } },
  }],
  ["another rope base", { ropeBase: 500_000 }],
  ["a linear rope scale of Qwen 2", {
    family: "qwen2",
    metadata: { "qwen2.rope.scaling.factor": { type: "f32", value: 4 } },
  }],
  ["the heads of Qwen 3, one key-value head for all", { family: "qwen3", headDim: 32, kvHeads: 1 }],
];

/** See cases.ts. */
export const NUMBER_CASES: readonly BlockCase[] = [
  ...[...llamas, ...qwens].map((of) => ({
    name: `computes blocks and scores as torch does: ${of.name}`,
    run: (backend: BlockBackend) =>
      computesAsTorch(backend, of, openCheckpoint({ ...of.options, config: { rope_scaling: of.scaling } })),
  })),
  ...qwens.map((of) => ({
    name: `computes a GGUF file's blocks and scores as torch does: ${of.name}`,
    run: (backend: BlockBackend) => computesAsTorch(backend, of, openGguf(of.options)),
  })),
  ...FORMATS.map((format) => ({
    name: `computes ${format} weights as the reference does`,
    run: (backend: BlockBackend) => computesAsReference(backend, { format, ...WIDE }),
  })),
  ...QWENS.flatMap((family) =>
    QWEN_FORMATS.map((format) => ({
      name: `computes ${format} weights of ${family} as the reference does`,
      run: (backend: BlockBackend) => computesAsReference(backend, { family, format, ...WIDE }),
    }))
  ),
  ...SHAPES.map(([name, options]) => ({
    name: `computes as the reference does with ${name}`,
    run: (backend: BlockBackend) => computesAsReference(backend, options),
  })),
  {
    name: "turns adjacent pairs of GGUF files and halves of checkpoints to the same end",
    async run(backend) {
      await using gguf = await openGguf({ headDim: 32 });
      await using checkpoint = await openCheckpoint({ headDim: 32 });
      assertEquals(gguf.model.architecture.rope.pairs, "adjacent");
      assertEquals(checkpoint.model.architecture.rope.pairs, "halves");
      await using a = await backend.load(gguf.model, ALL, AUTO, signal);
      await using b = await backend.load(checkpoint.model, ALL, AUTO, signal);
      const step = inputOf(1, 30);
      assertNear(await a.forward(step, ALL, signal), await b.forward(step, ALL, signal), 1e-5);
    },
  },
  ...QWENS.map((family) => ({
    name: `computes a prefill of ${family} and single tokens to the same end, in a batch, half-way rewound`,
    async run(backend: BlockBackend) {
      await using twins = await loadTwins(backend, await openGguf({ family, headDim: 32 }));
      const whole = inputOf(2, 12);
      const wanted = await twins.plain.forward(whole, ALL, signal);
      await using cache = await twins.blocks.openCache({ range: ALL, batch: 2, capacity: 12 }, signal);
      await twins.blocks.step(tokensOf(whole, 0, 9), cache, signal);
      for (let token = 5; token < 12; token++) {
        const rewindTo = token === 5 ? { rewindTo: token } : {};
        const step = { ...tokensOf(whole, token, token + 1), ...rewindTo };
        const out = await twins.blocks.step(step, cache, signal);
        const there = tokensOf({ input: { ...whole.input, data: wanted } }, token, token + 1);
        assertNear(out, there.input.data, toleranceOf(backend.name, "F16"), { what: `token ${token}` });
      }
    },
  })),
  {
    name: "with dtype f32 computes half-precision checkpoints within 1e-4",
    async run(backend) {
      for (const dtype of ["F16", "BF16"] as const) {
        const options = { dtype: "f32", threads: 1 } as const;
        await using twins = await loadTwins(backend, await openCheckpoint({ dtype }), ALL, options);
        const step = inputOf(1, 20);
        const wanted = await twins.plain.forward(step, ALL, signal);
        assertNear(await twins.blocks.forward(step, ALL, signal), wanted, 1e-4, { what: dtype });
        assertEquals(twins.blocks.dtype, "float32");
      }
    },
  },
  {
    name: "with dtype f16 and bf16 computes with rounded weights and answers in that type",
    async run(backend) {
      for (
        const [dtype, format, answer] of [["f16", "F16", "float16"], ["bf16", "BF16", "bfloat16"]] as const
      ) {
        await using twins = await loadTwins(backend, await openGguf(), ALL, { dtype, threads: 1 });
        const step = inputOf(1, 20);
        const out = await twins.blocks.forward(step, ALL, signal);
        const rounded = await twins.plain.forward(step, ALL, signal);
        assertNear(out, rounded, toleranceOf(backend.name, format), { what: dtype });
        await using exact = await reference.load(twins.model, ALL, AUTO, signal);
        assert(distance(out, await exact.forward(step, ALL, signal)) > 1e-5, "nothing was rounded");
        assertEquals(twins.blocks.dtype, answer);
      }
    },
  },
];
