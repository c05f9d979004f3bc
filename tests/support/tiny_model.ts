/**
 * Random llamas and qwens of a few kB, the same for the same options: as a GGUF file in any weight format, and as a Hugging
 * Face checkpoint. With equal options both hold the same function (GGUF keeps the rows of Llama's q and k in its own order).
 */
import type { ModelFamily, WeightFormat } from "../../src/model/source.ts";
import { f32, GGML_TYPE, ggufBytes, type GgufTensor, type GgufValue, text, u32 } from "./gguf_writer.ts";
import { quantize } from "./quantize.ts";
import { safetensorsBytes } from "./safetensors_writer.ts";
import {
  TINY_CHAT_TEMPLATE,
  TINY_END_ID,
  TINY_START_ID,
  TINY_VOCABULARY,
  tinyTokenizerFiles,
  tinyTokenizerTables,
} from "./tiny_tokenizer.ts";

/** Sizes of a tiny model; what is left out has the value of {@linkcode TINY}. */
export interface TinyOptions {
  readonly family?: ModelFamily;
  readonly hidden?: number;
  readonly ffn?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  /** `hidden / heads` where absent. */
  readonly headDim?: number;
  readonly blocks?: number;
  /** With 279 tokens or more the model carries the tokenizer of `tiny_tokenizer.ts`. */
  readonly vocab?: number;
  readonly context?: number;
  readonly ropeBase?: number;
  /** The output matrix is the embedding matrix. */
  readonly tied?: boolean;
  readonly seed?: number;
}

/** Of `writeTinyGguf`. */
export interface TinyGgufOptions extends TinyOptions {
  /** Of the matrices in blocks; norms are F32. Rows must be multiples of 32, or of 256 for the K formats. */
  readonly format?: WeightFormat;
  /** Of `token_embd` and `output`; as `format` where absent. */
  readonly embeddingFormat?: WeightFormat;
  /** `rope_freqs.weight`: `headDim / 2` divisors. */
  readonly ropeFactors?: readonly number[];
  /** Added to, or in place of, what the file would say. */
  readonly metadata?: Readonly<Record<string, GgufValue>>;
  /** Added after the others. */
  readonly moreTensors?: readonly GgufTensor[];
}

/** Of `writeTinyCheckpoint`. */
export interface TinyCheckpointOptions extends TinyOptions {
  readonly dtype?: "F32" | "F16" | "BF16";
  /** Blocks of one safetensors file; one file `model.safetensors` without an index where absent. */
  readonly blocksPerFile?: number;
  /** Added to, or in place of, what `config.json` would say. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A matrix or vector under its Hugging Face name; rows of q and k in the order of Hugging Face. */
export interface TinyWeight {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Defaults of every option. */
export const TINY = {
  family: "llama",
  hidden: 64,
  ffn: 96,
  heads: 4,
  kvHeads: 2,
  blocks: 4,
  vocab: 320,
  context: 256,
  ropeBase: 10000,
  tied: false,
  seed: 1,
} as const satisfies TinyOptions;
const EPSILON = 1e-5;

function sizesOf(options: TinyOptions) {
  const sizes = { ...TINY, ...options };
  return { ...sizes, headDim: options.headDim ?? sizes.hidden / sizes.heads };
}

/** All weights of the model of `options`, by Hugging Face name. */
export function tinyWeights(options: TinyOptions = {}): Map<string, TinyWeight> {
  const { family, hidden, ffn, heads, kvHeads, headDim, blocks, vocab, tied, seed } = sizesOf(options);
  const next = randomNumbers(seed);
  const matrix = (rows: number, columns: number, spread = Math.sqrt(3 / columns)): TinyWeight => ({
    shape: [rows, columns],
    data: Float32Array.from({ length: rows * columns }, () => spread * next()),
  });
  const norm = (size = hidden): TinyWeight => ({
    shape: [size],
    data: Float32Array.from({ length: size }, () => 1 + 0.2 * next()),
  });
  const bias = (size: number): TinyWeight => ({
    shape: [size],
    data: Float32Array.from({ length: size }, next),
  });
  const weights = new Map<string, TinyWeight>([["model.embed_tokens.weight", matrix(vocab, hidden, 1.7)]]);
  for (let block = 0; block < blocks; block++) {
    const put = (name: string, weight: TinyWeight) =>
      weights.set(`model.layers.${block}.${name}.weight`, weight);
    put("input_layernorm", norm());
    put("self_attn.q_proj", matrix(heads * headDim, hidden));
    put("self_attn.k_proj", matrix(kvHeads * headDim, hidden));
    put("self_attn.v_proj", matrix(kvHeads * headDim, hidden));
    put("self_attn.o_proj", matrix(hidden, heads * headDim));
    if (family === "qwen2") {
      const at = `model.layers.${block}.self_attn`;
      weights.set(`${at}.q_proj.bias`, bias(heads * headDim));
      weights.set(`${at}.k_proj.bias`, bias(kvHeads * headDim));
      weights.set(`${at}.v_proj.bias`, bias(kvHeads * headDim));
    }
    if (family === "qwen3") {
      put("self_attn.q_norm", norm(headDim));
      put("self_attn.k_norm", norm(headDim));
    }
    put("post_attention_layernorm", norm());
    put("mlp.gate_proj", matrix(ffn, hidden));
    put("mlp.up_proj", matrix(ffn, hidden));
    put("mlp.down_proj", matrix(hidden, ffn));
  }
  weights.set("model.norm.weight", norm());
  if (!tied) weights.set("lm_head.weight", matrix(vocab, hidden));
  return weights;
}

/** Numbers in [-1, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

/** Writes the GGUF file `path`. */
export async function writeTinyGguf(path: string, options: TinyGgufOptions = {}): Promise<void> {
  await Deno.writeFile(path, tinyGgufBytes(options));
}

/** The bytes of the GGUF file of `options`. */
export function tinyGgufBytes(options: TinyGgufOptions = {}): Uint8Array<ArrayBuffer> {
  const { family, heads, kvHeads } = sizesOf(options);
  const isLlama = family === "llama";
  const format = options.format ?? "F32";
  const tensors: GgufTensor[] = [];
  const put = (name: string, stored: WeightFormat, { shape, data }: TinyWeight) =>
    tensors.push({ name, type: GGML_TYPE[stored], shape, data: quantize(data, stored) });
  for (const [name, weight] of tinyWeights(options)) {
    const ggufName = ggufNameOf(name);
    if (weight.shape.length === 1) put(ggufName, "F32", weight);
    else if (isLlama && ggufName.endsWith("attn_q.weight")) put(ggufName, format, interleaved(weight, heads));
    else if (isLlama && ggufName.endsWith("attn_k.weight")) {
      put(ggufName, format, interleaved(weight, kvHeads));
    } else if (ggufName.startsWith("blk.")) put(ggufName, format, weight);
    else put(ggufName, options.embeddingFormat ?? format, weight);
  }
  const factors = options.ropeFactors;
  if (factors !== undefined) {
    put("rope_freqs.weight", "F32", { shape: [factors.length], data: Float32Array.from(factors) });
  }
  return ggufBytes({ ...metadataOf(options), ...options.metadata }, [
    ...tensors,
    ...options.moreTensors ?? [],
  ]);
}

function metadataOf(options: TinyGgufOptions): Record<string, GgufValue> {
  const sizes = sizesOf(options);
  const { family, hidden, ffn, heads, kvHeads, headDim, blocks, vocab, context, ropeBase } = sizes;
  const widths = { "attention.key_length": u32(headDim), "attention.value_length": u32(headDim) };
  // As converters write them: Qwen's files leave out what follows from the rest
  const more: Record<string, GgufValue> = {
    llama: { ...widths, "rope.dimension_count": u32(headDim), "vocab_size": u32(vocab) },
    qwen2: options.headDim === undefined ? {} : widths,
    qwen3: widths,
  }[family];
  const keys: Record<string, GgufValue> = {
    "block_count": u32(blocks),
    "context_length": u32(context),
    "embedding_length": u32(hidden),
    "feed_forward_length": u32(ffn),
    "attention.head_count": u32(heads),
    "attention.head_count_kv": u32(kvHeads),
    "attention.layer_norm_rms_epsilon": f32(EPSILON),
    "rope.freq_base": f32(ropeBase),
    ...more,
  };
  return {
    "general.architecture": text(family),
    "general.name": text("tiny"),
    ...Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${family}.${key}`, value])),
    ...(vocab >= TINY_VOCABULARY ? tokenizerMetadata(family, vocab) : {}),
  };
}

function tokenizerMetadata(family: ModelFamily, vocab: number): Record<string, GgufValue> {
  const { tokens, types, merges } = tinyTokenizerTables(vocab);
  return {
    "tokenizer.ggml.model": text("gpt2"),
    "tokenizer.ggml.pre": text(family === "llama" ? "gpt-2" : "qwen2"),
    "tokenizer.ggml.tokens": { type: "strings", value: tokens },
    "tokenizer.ggml.token_type": { type: "i32s", value: types },
    "tokenizer.ggml.merges": { type: "strings", value: merges },
    "tokenizer.ggml.bos_token_id": u32(TINY_START_ID),
    "tokenizer.ggml.eos_token_id": u32(TINY_END_ID),
    "tokenizer.ggml.unknown_token_id": u32(0),
    "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
    "tokenizer.chat_template": text(TINY_CHAT_TEMPLATE),
  };
}

const GGUF_NAMES: Readonly<Record<string, string>> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
  "input_layernorm": "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "self_attn.o_proj": "attn_output",
  "post_attention_layernorm": "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** The name in a GGUF file of what a Hugging Face checkpoint calls `name`. */
export function ggufNameOf(name: string): string {
  const inBlock = name.match(/^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/);
  const found = inBlock ? `blk.${inBlock[1]}.${GGUF_NAMES[inBlock[2]!]}.${inBlock[3]}` : GGUF_NAMES[name];
  if (found === undefined) throw new RangeError(`No GGUF name for ${name}`);
  return found;
}

/** Rows of q or k as GGUF orders them: i beside i + headDim / 2 in each head. */
function interleaved({ shape, data }: TinyWeight, heads: number): TinyWeight {
  const [rows, columns] = shape as [number, number];
  const headDim = rows / heads;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / headDim), within = row % headDim;
    const from = head * headDim + (within % 2) * (headDim / 2) + (within >> 1);
    out.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return { shape, data: out };
}

/** Writes a Hugging Face checkpoint into the folder `directory`, which is made if absent. */
export async function writeTinyCheckpoint(
  directory: string,
  options: TinyCheckpointOptions = {},
): Promise<void> {
  const { blocks, vocab } = sizesOf(options);
  const dtype = options.dtype ?? "F32";
  const perFile = options.blocksPerFile;
  const files = new Map<string, string[]>();
  const count = perFile === undefined ? 1 : 1 + Math.ceil(blocks / perFile);
  const fileOf = (name: string) => {
    if (perFile === undefined) return "model.safetensors";
    const block = name.match(/layers\.(\d+)\./)?.[1];
    const number = block === undefined ? 1 : 2 + Math.floor(Number(block) / perFile);
    return `model-${String(number).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;
  };
  const weights = tinyWeights(options);
  for (const name of weights.keys()) files.set(fileOf(name), [...files.get(fileOf(name)) ?? [], name]);
  await Deno.mkdir(directory, { recursive: true });
  const json = (name: string, value: unknown) =>
    Deno.writeTextFile(`${directory}/${name}`, JSON.stringify(value, undefined, 1));
  for (const [file, names] of files) {
    const tensors = names.map((name) => {
      const { shape, data } = weights.get(name)!;
      return { name, dtype, shape, data: quantize(data, dtype) };
    });
    await Deno.writeFile(`${directory}/${file}`, safetensorsBytes(tensors));
  }
  if (perFile !== undefined) {
    const map = Object.fromEntries([...files].flatMap(([file, names]) => names.map((name) => [name, file])));
    await json("model.safetensors.index.json", { metadata: {}, weight_map: map });
  }
  await json("config.json", { ...configOf(options), ...options.config });
  if (vocab >= TINY_VOCABULARY) {
    const { tokenizer, config } = tinyTokenizerFiles(vocab);
    await json("tokenizer.json", tokenizer);
    await json("tokenizer_config.json", config);
    await json("generation_config.json", { eos_token_id: [TINY_END_ID, 0] });
  }
}

function configOf(options: TinyCheckpointOptions) {
  const sizes = sizesOf(options);
  const { family, hidden, ffn, heads, kvHeads, headDim, blocks, vocab, context, ropeBase, tied } = sizes;
  const torchDtype = { F32: "float32", F16: "float16", BF16: "bfloat16" }[options.dtype ?? "F32"];
  const window = { use_sliding_window: false, max_window_layers: blocks, sliding_window: context / 2 };
  return {
    ...{
      llama: { architectures: ["LlamaForCausalLM"], attention_bias: false, head_dim: headDim },
      qwen2: {
        architectures: ["Qwen2ForCausalLM"],
        ...(options.headDim === undefined ? {} : { head_dim: headDim }),
        ...window,
      },
      qwen3: { architectures: ["Qwen3ForCausalLM"], attention_bias: false, head_dim: headDim, ...window },
    }[family],
    model_type: family,
    hidden_act: "silu",
    hidden_size: hidden,
    intermediate_size: ffn,
    num_hidden_layers: blocks,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    max_position_embeddings: context,
    rms_norm_eps: EPSILON,
    rope_theta: ropeBase,
    rope_scaling: null,
    vocab_size: vocab,
    mlp_bias: false,
    tie_word_embeddings: tied,
    bos_token_id: TINY_START_ID,
    eos_token_id: TINY_END_ID,
    torch_dtype: torchDtype,
  };
}
