/**
 * What a Hugging Face `config.json` says about the model's shape, in its old and its new form. Pure.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { checkArchitecture } from "./check_architecture.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";
import { llama3RopeFactors } from "./rope_factors.ts";
import type { Architecture, ModelFamily, RopeParameters } from "./source.ts";

/** Families by `model_type`. */
const FAMILIES: ReadonlyMap<unknown, ModelFamily> = new Map<unknown, ModelFamily>([
  ["llama", "llama"],
  ["mistral", "llama"],
  ["qwen2", "qwen2"],
  ["qwen3", "qwen3"],
]);

/** Defaults of transformers' `LlamaConfig`, for files that leave them out. */
const DEFAULT_ROPE_BASE = 10_000;
const DEFAULT_EPSILON = 1e-6;
const DEFAULT_CONTEXT = 2048;
/** Of transformers' `Qwen3Config`, whatever the hidden size. */
const QWEN3_HEAD_DIM = 128;

/**
 * The architecture of a checkpoint. `path` is for messages. Throws `NodeError` `unsupported` for what would compute
 * something else than we do, `corrupt` for numbers that are missing or cannot be.
 */
export function checkpointArchitecture(config: JsonObject, path: string): Architecture {
  const read = new ConfigReader(config, path);
  const family = FAMILIES.get(config["model_type"]);
  if (family === undefined) {
    const known = Array.from(FAMILIES.keys(), (name) => JSON.stringify(name)).join(", ");
    throw read.unsupported(
      `its model_type is ${JSON.stringify(config["model_type"])}, wanted one of ${known}`,
    );
  }
  checkVariants(read, family);
  const hiddenSize = read.number("hidden_size");
  const heads = read.number("num_attention_heads");
  const headDim = read.optional("head_dim") ?? (family === "qwen3" ? QWEN3_HEAD_DIM : hiddenSize / heads);
  return checkArchitecture({
    family,
    blocks: read.number("num_hidden_layers"),
    hiddenSize,
    ffnSize: read.number("intermediate_size"),
    heads,
    kvHeads: read.optional("num_key_value_heads") ?? heads,
    headDim,
    normEpsilon: read.optional("rms_norm_eps") ?? DEFAULT_EPSILON,
    contextLength: contextLength(read, family),
    vocabularySize: read.number("vocab_size"),
    rope: ropeParameters(read, headDim),
  }, path);
}

/** Whether the output matrix is the embedding matrix; transformers then ignores a stored `lm_head`. */
export const isTied = (config: JsonObject): boolean => config["tie_word_embeddings"] === true;

function checkVariants(read: ConfigReader, family: ModelFamily): void {
  const { config } = read;
  // Qwen 2 has its biases whatever this says, and in transformers too
  const attentionBias = family !== "qwen2" && config["attention_bias"] === true;
  if (attentionBias || config["mlp_bias"] === true) {
    throw read.unsupported("its matrices have biases, wanted blocks without (or those of Qwen 2)");
  }
  const activation = config["hidden_act"] ?? "silu";
  if (activation !== "silu" && activation !== "swish") {
    throw read.unsupported(`its activation is ${JSON.stringify(activation)}, wanted "silu"`);
  }
  if (isJsonObject(config["quantization_config"])) {
    const method = JSON.stringify(config["quantization_config"]["quant_method"] ?? "unknown");
    throw read.unsupported(`its weights are quantised (${method}), wanted F32, F16 or BF16, or a .gguf file`);
  }
  if ((read.optional("num_local_experts") ?? 0) > 0) {
    throw read.unsupported("it is a mixture of experts, wanted a dense model");
  }
}

/**
 * Positions a text may have. Early Mistral models see only a window of the last tokens; within one window that is plain
 * attention, so we serve them that far and no further. Qwen's files state a window that is off unless they say it is on.
 */
function contextLength(read: ConfigReader, family: ModelFamily): number {
  const context = read.optional("max_position_embeddings") ?? DEFAULT_CONTEXT;
  const isOn = read.config["use_sliding_window"] ?? family === "llama";
  const window = isOn === true ? read.optional("sliding_window") : undefined;
  return Math.min(context, window ?? context);
}

function ropeParameters(read: ConfigReader, headDim: number): RopeParameters {
  const { config } = read;
  const modern = isJsonObject(config["rope_parameters"]) ? config["rope_parameters"] : {};
  const old = isJsonObject(config["rope_scaling"]) ? config["rope_scaling"] : {};
  const scaling = new ConfigReader({ ...old, ...modern }, read.path);
  const base = scaling.optional("rope_theta") ?? read.optional("rope_theta") ?? DEFAULT_ROPE_BASE;
  const rotated = scaling.optional("partial_rotary_factor") ?? read.optional("partial_rotary_factor") ?? 1;
  if (rotated !== 1) throw read.unsupported(`it rotates ${rotated} of each head, wanted all of it`);
  const plain = { base, dims: headDim, pairs: "halves", scale: 1 } as const;
  const type = scaling.config["rope_type"] ?? scaling.config["type"] ?? "default";
  switch (type) {
    case "default":
      return plain;
    case "linear":
      return { ...plain, scale: 1 / scaling.number("factor") };
    case "llama3": {
      const factors = llama3RopeFactors({
        base,
        dims: headDim,
        factor: scaling.number("factor"),
        lowFrequencyFactor: scaling.number("low_freq_factor"),
        highFrequencyFactor: scaling.number("high_freq_factor"),
        originalContext: scaling.number("original_max_position_embeddings"),
      });
      return { ...plain, factors };
    }
    default:
      throw read.unsupported(
        `it scales positions by ${JSON.stringify(type)}, wanted none, "linear" or "llama3"`,
      );
  }
}

class ConfigReader {
  constructor(readonly config: JsonObject, readonly path: string) {}

  unsupported(what: string): NodeError {
    return new NodeError("unsupported", `Cannot use "${this.path}": ${what}`);
  }

  number(key: string): number {
    const value = this.optional(key);
    if (value !== undefined) return value;
    throw new NodeError("corrupt", `Cannot read "${this.path}": its config.json has no number "${key}"`);
  }

  optional(key: string): number | undefined {
    const value = this.config[key];
    return typeof value === "number" ? value : undefined;
  }
}
