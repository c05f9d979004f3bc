/**
 * The map that `rpc_info` answers with. Stock clients read types and compressions of arguments from its schemas.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { Extension, pack, type Packable, Tuple, tuple, unpack } from "../../base/msgpack.ts";
import type { DType, FloatDType } from "../../base/tensor.ts";
import { COMPRESSIONS } from "./compression.ts";

/** Extension code of hivemind's `BatchTensorDescriptor`. */
const DESCRIPTOR_CODE = 0x51;
/** Petals describes hidden states as `[any, 1, 2048, hidden]`, whatever it can serve. */
const DESCRIBED_TOKENS = 2048;

/** What a server says of itself, and of one block when asked about it. */
export interface RpcInfo {
  readonly version: string;
  readonly clientMode: boolean;
  /** Free tokens × blocks. */
  readonly cacheTokensAvailable: number;
  /** Present when a block was asked for. */
  readonly block?: BlockInfo | undefined;
}

/** What a block takes and gives. */
export interface BlockInfo {
  readonly hiddenSize: number;
  readonly dtype: FloatDType;
}

/** Packs the map in the stock server's key order. */
export function encodeRpcInfo(info: RpcInfo): Uint8Array<ArrayBuffer> {
  const basic = {
    version: info.version,
    dht_client_mode: info.clientMode,
    cache_tokens_available: info.cacheTokensAvailable,
  };
  if (info.block === undefined) return pack(basic);
  const { hiddenSize, dtype } = info.block;
  const hidden = descriptor(dtype, [1, DESCRIBED_TOKENS, hiddenSize]);
  return pack({
    ...basic,
    forward_schema: tuple(tuple(hidden), {}),
    outputs_schema: tuple(hidden),
    keyword_names: tuple(),
    inference_schema: tuple(tuple(hidden, descriptor(dtype, []), descriptor("int64", [])), {}),
  });
}

/** A tensor of any first size. */
const descriptor = (dtype: DType, rest: readonly number[]): Extension =>
  new Extension(
    DESCRIPTOR_CODE,
    pack({
      size: tuple(null, ...rest),
      dtype: `torch.${dtype}`,
      layout: "torch.strided",
      requires_grad: false,
      pin_memory: false,
      compression: COMPRESSIONS.indexOf("NONE"),
      device_type: null,
      device_index: null,
    }),
  );

/** Reads the map of any server; of the schemas only size and type of hidden states. Throws `NodeError` `malformed`. */
export function decodeRpcInfo(packed: Uint8Array): RpcInfo {
  const map = unpack(packed);
  if (!(map instanceof Map)) throw malformed("it is no map");
  const version = map.get("version");
  const tokens = map.get("cache_tokens_available");
  return {
    version: typeof version === "string" ? version : "",
    clientMode: map.get("dht_client_mode") === true,
    cacheTokensAvailable: typeof tokens === "number" ? tokens : 0,
    block: blockOf(map.get("outputs_schema")),
  };
}

function blockOf(schema: Packable | undefined): BlockInfo | undefined {
  const first = schema instanceof Tuple ? schema.items[0] : undefined;
  if (!(first instanceof Extension) || first.code !== DESCRIPTOR_CODE) return undefined;
  const fields = unpack(first.body);
  if (!(fields instanceof Map)) throw malformed("a descriptor is no map");
  const size = fields.get("size");
  const hiddenSize = size instanceof Tuple ? size.items.at(-1) : undefined;
  const dtype = fields.get("dtype");
  if (typeof hiddenSize !== "number" || typeof dtype !== "string") {
    throw malformed("a descriptor lacks size or type");
  }
  return { hiddenSize, dtype: floatDType(dtype) };
}

function floatDType(name: string): FloatDType {
  switch (name) {
    case "torch.float32":
    case "torch.float16":
    case "torch.bfloat16":
      return name.slice("torch.".length) as FloatDType;
    default:
      throw malformed(`hidden states of ${JSON.stringify(name.slice(0, 40))}`);
  }
}

const malformed = (what: string) => new NodeError("malformed", `Cannot read rpc_info: ${what}`);
