/** Writes safetensors files (format of Hugging Face) for tests. */
import { concatBytes, encodeUtf8, viewOf } from "../../src/base/bytes.ts";

/** A tensor as it goes into the file. */
export interface SafeTensor {
  readonly name: string;
  readonly dtype: "F32" | "F16" | "BF16";
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A whole file: length of the header, header, tensors one after another. */
export function safetensorsBytes(tensors: readonly SafeTensor[]): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let at = 0;
  for (const { name, dtype, shape, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  return concatBytes(safetensorsHead(header), ...tensors.map((tensor) => tensor.data));
}

/** Length and header alone, for headers that lie. */
export function safetensorsHead(header: unknown): Uint8Array<ArrayBuffer> {
  const json = encodeUtf8(JSON.stringify(header));
  const padded = concatBytes(json, encodeUtf8(" ".repeat((8 - json.length % 8) % 8)));
  const length = new Uint8Array(8);
  viewOf(length).setBigUint64(0, BigInt(padded.length), true);
  return concatBytes(length, padded);
}
