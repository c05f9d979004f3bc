/**
 * What a GGUF file's metadata says about the model's shape. Pure.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { checkArchitecture } from "./check_architecture.ts";
import type { GgufValue } from "./gguf_header.ts";
import type { Architecture, ModelFamily, RopeParameters } from "./source.ts";

/**
 * Families by `general.architecture`, with the pairs that rotate: converters reorder the rows of Llama's q and k, those
 * of Qwen they leave as they are (llama.cpp, `llama_model_rope_type`).
 */
const PAIRS: Readonly<Record<ModelFamily, RopeParameters["pairs"]>> = {
  llama: "adjacent",
  qwen2: "halves",
  qwen3: "halves",
};

/** llama.cpp's default where a file says nothing. */
const DEFAULT_ROPE_BASE = 10_000;

/** What stands elsewhere in the file than in its metadata. */
export interface GgufFacts {
  readonly path: string;
  /** Rows of `token_embd.weight`, or length of the token list, for files without `vocab_size`. */
  readonly vocabularySize: number | undefined;
  /** `rope_freqs.weight`. */
  readonly ropeFactors: Float32Array<ArrayBuffer> | undefined;
}

/**
 * The architecture of a file with this metadata. Throws `NodeError` `unsupported` for families and position schemes
 * that we do not compute, `corrupt` for numbers that are missing or cannot be.
 */
export function ggufArchitecture(metadata: ReadonlyMap<string, GgufValue>, facts: GgufFacts): Architecture {
  const { family, read } = openFamily(metadata, facts.path);
  const heads = read.number("attention.head_count");
  const hiddenSize = read.number("embedding_length");
  const headDim = read.optional("attention.key_length") ??
    read.optional("rope.dimension_count") ?? hiddenSize / heads;
  const valueDim = read.optional("attention.value_length") ?? headDim;
  if (valueDim !== headDim) {
    throw read.unsupported(
      `its values have ${valueDim} numbers a head and its keys ${headDim}, wanted as many`,
    );
  }
  return checkArchitecture({
    family,
    blocks: read.number("block_count"),
    hiddenSize,
    ffnSize: read.number("feed_forward_length"),
    heads,
    kvHeads: read.optional("attention.head_count_kv") ?? heads,
    headDim,
    normEpsilon: written(read.number("attention.layer_norm_rms_epsilon")),
    contextLength: read.number("context_length"),
    vocabularySize: read.optional("vocab_size") ?? facts.vocabularySize ?? 0,
    rope: {
      base: read.optional("rope.freq_base") ?? DEFAULT_ROPE_BASE,
      dims: read.optional("rope.dimension_count") ?? headDim,
      pairs: PAIRS[family],
      ...(facts.ropeFactors === undefined ? {} : { factors: facts.ropeFactors }),
      scale: ropeScale(read),
    },
  }, facts.path);
}

/** Which family the file is of, and a reader of that family's keys. */
function openFamily(metadata: ReadonlyMap<string, GgufValue>, path: string) {
  const family = metadata.get("general.architecture");
  const read = new MetadataReader(metadata, path, String(family));
  if (typeof family !== "string") throw read.corrupt("general.architecture");
  if (!isFamily(family)) {
    throw read.unsupported(
      `its architecture is "${family}", wanted "llama" (Llama, Mistral and their kin), "qwen2" or "qwen3"`,
    );
  }
  checkVariants(read);
  return { family, read };
}

const isFamily = (name: string): name is ModelFamily => Object.hasOwn(PAIRS, name);

function checkVariants(read: MetadataReader): void {
  const parts = read.plain("split.count") ?? 1;
  if (parts > 1) {
    throw read.unsupported(
      `it is one of ${parts} parts, wanted one whole file: llama-gguf-split --merge makes it`,
    );
  }
  if ((read.optional("expert_count") ?? 0) > 0) {
    throw read.unsupported("it is a mixture of experts, wanted a dense model");
  }
  if (read.flag("attention.causal") === false) {
    throw read.unsupported(
      "its attention sees later tokens (an embedding model), wanted one that generates text",
    );
  }
}

/** Positions are multiplied by this: 1 / factor of linear scaling. */
function ropeScale(read: MetadataReader): number {
  const type = read.text("rope.scaling.type") ?? "linear";
  if (type === "none") return 1;
  if (type !== "linear") {
    throw read.unsupported(`it scales positions by "${type}", wanted none, linear or Llama 3's factors`);
  }
  const factor = read.optional("rope.scaling.factor") ?? read.optional("rope.scale_linear") ?? 1;
  return factor === 0 ? 1 : 1 / factor;
}

/** A single-precision number as its author wrote it: 1e-5 is stored as 9.99999974e-6. */
const written = (stored: number) => Number(stored.toPrecision(7));

/** Reads keys of one family, such as `block_count` for `llama.block_count`. */
class MetadataReader {
  constructor(
    readonly metadata: ReadonlyMap<string, GgufValue>,
    readonly path: string,
    readonly family: string,
  ) {}

  unsupported(what: string): NodeError {
    return new NodeError("unsupported", `Cannot use "${this.path}": ${what}`);
  }

  corrupt(key: string): NodeError {
    return new NodeError(
      "corrupt",
      `Cannot read "${this.path}": its key "${key}" is missing or of another type`,
    );
  }

  text(key: string): string | undefined {
    const value = this.metadata.get(this.#named(key));
    return typeof value === "string" ? value : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.metadata.get(this.#named(key));
    return typeof value === "boolean" ? value : undefined;
  }

  number(key: string): number {
    const value = this.optional(key);
    if (value === undefined) throw this.corrupt(this.#named(key));
    return value;
  }

  optional(key: string): number | undefined {
    return this.plain(this.#named(key));
  }

  /** The same under a key that no family has for itself. */
  plain(key: string): number | undefined {
    const value = this.metadata.get(key);
    if (typeof value === "number") return value;
    if (typeof value === "object") {
      throw this.unsupported(`its "${key}" differs from block to block, wanted one number`);
    }
    return undefined;
  }

  #named(key: string): string {
    return `${this.family}.${key}`;
  }
}
