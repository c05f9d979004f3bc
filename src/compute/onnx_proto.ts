/**
 * ONNX models as bytes (onnx.proto3 of ONNX 1.17): the few messages that a graph of ours needs.
 *
 * @module
 */
import { type Bytes, viewOf } from "../base/bytes.ts";
import { ProtoWriter } from "../base/protobuf.ts";

/** An operator. Attributes are whole numbers not below 0, lists of them, or `{ float }`. */
export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;
  /** ONNX's own operators where absent. */
  readonly domain?: "com.microsoft";
}

/** A tensor of single precision that goes in or comes out. A dimension with a name may have any size. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

/** A computation. */
export interface OnnxGraph {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** In an order in which they can be computed. */
  readonly nodes: readonly OnnxNode[];
  /** Vectors of 64-bit integers by name, such as the shape that a Reshape takes. */
  readonly constants: ReadonlyMap<string, readonly number[]>;
}

/** ONNX's version of the file format and of the operators: those of ONNX 1.12, which every onnxruntime since reads. */
const IR_VERSION = 8;
const OPSET = 17;
const MICROSOFT_OPSET = 1;
/** `TensorProto.DataType` */
const FLOAT = 1;
const INT64 = 7;
/** `AttributeProto.AttributeType` */
const ATTRIBUTE = { float: 1, int: 2, ints: 7 } as const;

/** The bytes of a `ModelProto`. */
export function encodeOnnx({ inputs, outputs, nodes, constants }: OnnxGraph): Bytes {
  const graph = new ProtoWriter()
    .repeatedBytes(1, nodes.map(encodeNode))
    .text(2, "kwaainet")
    .repeatedBytes(5, Array.from(constants, ([name, values]) => encodeConstant(name, values)))
    .repeatedBytes(11, inputs.map(encodeValue))
    .repeatedBytes(12, outputs.map(encodeValue));
  return new ProtoWriter()
    .uint(1, IR_VERSION)
    .text(2, "kwaainet")
    .bytes(7, graph.finish())
    .bytes(8, new ProtoWriter().text(1, "").uint(2, OPSET).finish())
    .bytes(8, new ProtoWriter().text(1, "com.microsoft").uint(2, MICROSOFT_OPSET).finish())
    .finish();
}

function encodeNode({ operator, inputs, outputs, attributes, domain }: OnnxNode): Bytes {
  const writer = new ProtoWriter();
  for (const name of inputs) writer.text(1, name);
  for (const name of outputs) writer.text(2, name);
  writer.text(3, outputs[0]!).text(4, operator);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    const attribute = new ProtoWriter().text(1, name);
    if (typeof value === "number") attribute.uint(3, value).uint(20, ATTRIBUTE.int);
    else if ("float" in value) attribute.float(2, value.float).uint(20, ATTRIBUTE.float);
    else value.reduce((to, item) => to.uint(8, item), attribute).uint(20, ATTRIBUTE.ints);
    writer.bytes(5, attribute.finish());
  }
  if (domain !== undefined) writer.text(7, domain);
  return writer.finish();
}

function encodeConstant(name: string, values: readonly number[]): Bytes {
  const raw = new Uint8Array(8 * values.length);
  values.forEach((value, i) => viewOf(raw).setBigInt64(8 * i, BigInt(value), true));
  return new ProtoWriter().uint(1, values.length).uint(2, INT64).text(8, name).bytes(9, raw).finish();
}

function encodeValue({ name, shape }: OnnxValue): Bytes {
  const dimensions = shape.map((size) =>
    typeof size === "number"
      ? new ProtoWriter().uint(1, size).finish()
      : new ProtoWriter().text(2, size).finish()
  );
  const tensor = new ProtoWriter()
    .uint(1, FLOAT)
    .bytes(2, new ProtoWriter().repeatedBytes(1, dimensions).finish());
  return new ProtoWriter().text(1, name).bytes(2, new ProtoWriter().bytes(1, tensor.finish()).finish())
    .finish();
}
