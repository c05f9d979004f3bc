/**
 * From tensors of a request to what the engine takes. Pure; whatever does not fit is refused in words.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import {
  type Activations,
  type BlockRange,
  elementsOf,
  lengthOf,
  type Tensor,
  toFloat32,
} from "../../base/tensor.ts";
import type { BlockStep } from "../../compute/backend.ts";
import { type Metadata, numberOf, pythonText, valueOf } from "../wire/metadata.ts";

/** What the served blocks ask of their input. */
export interface InputRules {
  readonly hiddenSize: number;
  /** Most batch × tokens of one call. */
  readonly maxTokens: number;
}

/** Hidden states `[batch, tokens, hidden]`, tokens may be 0. Throws `NodeError` `malformed`, `too_large`. */
export function hiddenOf(tensor: Tensor | undefined, { hiddenSize, maxTokens }: InputRules): Activations {
  if (tensor === undefined) throw malformed("hidden states are missing");
  const { shape, dtype } = tensor;
  const [batch = 0, tokens = 0, hidden = 0] = shape;
  if (shape.length !== 3 || batch < 1 || hidden !== hiddenSize) {
    throw malformed(`hidden states must be [batch, tokens, ${hiddenSize}], got [${shape.join(", ")}]`);
  }
  if (dtype === "int64" || dtype === "bool") {
    throw malformed(`hidden states must be floats, got torch.${dtype}`);
  }
  if (batch > maxTokens || batch * tokens > maxTokens) {
    throw new NodeError(
      "too_large",
      `Task size greater than max_batch_size (${maxTokens}), it can't be processed`,
    );
  }
  return { batch, tokens, hidden, data: finite(toFloat32(tensor), "hidden states") };
}

/**
 * Deep prompts `[blocks, batch, promptTokens, hidden]` for `range`, a batch of 1 repeated for every row; `undefined`
 * for none or the empty stand-in. Throws `NodeError` `malformed`.
 */
export function promptsOf(
  tensor: Tensor | undefined,
  range: BlockRange,
  input: Activations,
): BlockStep["prompts"] {
  if (tensor === undefined || elementsOf(tensor.shape) === 0) return undefined;
  const { shape, dtype } = tensor;
  const [blocks = 0, batch = 0, tokens = 0, hidden = 0] = shape;
  if (shape.length !== 4 || hidden !== input.hidden) {
    throw malformed(`prompts must be [blocks, batch, tokens, ${input.hidden}], got [${shape.join(", ")}]`);
  }
  if (blocks !== lengthOf(range)) {
    throw malformed(`Received ${blocks} prompts for ${lengthOf(range)} backends`);
  }
  if ((batch !== 1 && batch !== input.batch) || tokens > input.tokens) {
    throw malformed(
      `prompts of ${batch} rows and ${tokens} tokens do not fit ${input.batch} rows and ${input.tokens} tokens`,
    );
  }
  if (dtype === "int64" || dtype === "bool") throw malformed(`prompts must be floats, got torch.${dtype}`);
  const data = finite(toFloat32(tensor), "prompts");
  return { tokens, data: batch === input.batch ? data : repeated(data, blocks, input.batch) };
}

/** Each of `blocks` equal parts `times` times. */
function repeated(data: Float32Array<ArrayBuffer>, blocks: number, times: number): Float32Array<ArrayBuffer> {
  const size = data.length / blocks;
  const out = new Float32Array(data.length * times);
  for (let block = 0; block < blocks; block++) {
    const one = data.subarray(block * size, (block + 1) * size);
    for (let row = 0; row < times; row++) out.set(one, (block * times + row) * size);
  }
  return out;
}

/** Beam search's rows (`hypo_ids`): row `i` goes on from row `rows[i]`. `undefined` for the stand-in. Throws `malformed`. */
export function rowsOf(tensor: Tensor | undefined, batch: number): readonly number[] | undefined {
  if (tensor === undefined) return undefined;
  if (tensor.dtype !== "int64") throw malformed(`hypo ids must be int64, got torch.${tensor.dtype}`);
  if (elementsOf(tensor.shape) === 0) return undefined;
  const { data } = tensor;
  const rows = Array.from(new BigInt64Array(data.buffer, data.byteOffset, data.byteLength / 8), Number);
  if (tensor.shape.length !== 1 || rows.length !== batch) {
    throw malformed(`hypo ids must be [${batch}], got [${tensor.shape.join(", ")}]`);
  }
  const wrong = rows.find((row) => row < 0 || row >= batch);
  if (wrong !== undefined) throw malformed(`hypo ids must be 0 to ${batch - 1}, got ${wrong}`);
  return rows;
}

/** Adapters are not served; `points` must be a number. Throws `NodeError` `unsupported`, `malformed`. */
export function requirePlainRequest(metadata: Metadata): void {
  const adapter = valueOf(metadata, "active_adapter");
  if (adapter !== undefined && adapter !== "") {
    throw new NodeError("unsupported", `adapter ${pythonText(adapter)} not found`);
  }
  numberOf(metadata, "points");
}

function finite(values: Float32Array<ArrayBuffer>, what: string): Float32Array<ArrayBuffer> {
  for (const value of values) {
    if (!Number.isFinite(value)) throw malformed(`${what} must be finite, got ${value}`);
  }
  return values;
}

const malformed = (what: string) => new NodeError("malformed", what);
