/** Golden bytes of stored weights (tests/vectors/make_weights.py). */
import { fromHex } from "../../src/base/bytes.ts";
import type { WeightFormat } from "../../src/model/source.ts";

interface WeightVectors {
  readonly formats: Readonly<
    Record<WeightFormat, { readonly stored_hex: string; readonly float32_hex: string }>
  >;
  readonly gguf_hex: string;
  readonly safetensors_hex: string;
  readonly llama3: {
    readonly scaling: Readonly<Record<"base" | "dims" | "factor" | "low" | "high" | "context", number>>;
    readonly divisors: readonly number[];
  };
}

export const weightVectors: WeightVectors = JSON.parse(
  Deno.readTextFileSync(new URL("../vectors/weights.json", import.meta.url)),
);

/** Single-precision numbers of a `float32_hex` field. */
export const floatsOf = (hex: string): Float32Array<ArrayBuffer> => new Float32Array(fromHex(hex).buffer);
