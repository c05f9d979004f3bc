/**
 * Models, as Ollama's clients see them.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { TextModelCard } from "../../text/types.ts";

/** When a model that stays loaded is to be unloaded. */
const NEVER = "9999-12-31T23:59:59Z";

/** An entry of `/api/tags`. */
export function tagOf(card: TextModelCard): object {
  return { ...named(card), modified_at: timeOf(card.createdAtSeconds * 1000), details: detailsOf(card) };
}

/** An entry of `/api/ps`. */
export function runningOf(card: TextModelCard): object {
  return {
    ...named(card),
    details: detailsOf(card),
    expires_at: NEVER,
    size_vram: 0,
    context_length: card.contextLength,
  };
}

/** The answer of `/api/show`. */
export function shownOf(card: TextModelCard): object {
  const { family, parameters, contextLength, hiddenSize, blocks, createdAtSeconds } = card;
  return {
    modelfile: `FROM ${card.id}\n`,
    parameters: "",
    // the model's own template is Jinja, which clients do not look into; some look for what has a place in it
    template: `{{ .System }}${card.knowsTools ? "{{ .Tools }}" : ""}{{ .Messages }}`,
    details: detailsOf(card),
    model_info: {
      "general.architecture": family,
      // the name that VS Code shows
      "general.basename": card.id,
      "general.parameter_count": parameters,
      [`${family}.context_length`]: contextLength,
      [`${family}.embedding_length`]: hiddenSize,
      [`${family}.block_count`]: blocks,
    },
    capabilities: [
      "completion",
      ...(card.knowsTools ? ["tools"] : []),
      ...(card.thinks ? ["thinking"] : []),
    ],
    modified_at: timeOf(createdAtSeconds * 1000),
  };
}

/** Unix milliseconds in Ollama's words. */
export const timeOf = (unixMs: number): string => new Date(unixMs).toISOString();

/** Ollama's names have a tag. The digest tells one state of a model from another; it is not that of its bytes. */
function named({ id, bytes, createdAtSeconds }: TextModelCard): object {
  const name = `${id}:latest`;
  const digest = createHash("sha256").update(`${id}\0${bytes}\0${createdAtSeconds}`).digest("hex");
  return { name, model: name, size: bytes, digest };
}

const detailsOf = ({ family, parameters, format }: TextModelCard): object => ({
  parent_model: "",
  format: "gguf",
  family,
  families: [family],
  parameter_size: sizeOf(parameters),
  quantization_level: format,
});

/**
 * A number of weights in short.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([134_515_008, 8_030_261_248].map(sizeOf), ["134.52M", "8.0B"]);
 * ```
 */
export const sizeOf = (parameters: number): string => {
  if (parameters >= 1e9) return `${(parameters / 1e9).toFixed(1)}B`;
  return parameters >= 1e6 ? `${(parameters / 1e6).toFixed(2)}M` : `${(parameters / 1e3).toFixed(0)}K`;
};
