import { assertEquals } from "@std/assert";
import { encodeOnnx } from "../../src/compute/onnx_proto.ts";

/**
 * The same graph by the Python package onnx 1.17.0: helper.make_model(make_graph([make_node("Reshape", …, name="z"),
 * make_node("Odd", …, name="y", domain="com.microsoft", axis=2, order=[1, 0, 2], scale=0.25)], …), ir_version=8, …).
 */
const GOLDEN =
  "CAgSCGt3YWFpbmV0OtEBChkKAXgKBXNoYXBlEgF6GgF6IgdSZXNoYXBlCk0KAXoSAXkaAXkiA09kZCoLCgRheGlzGAKgAQIqEAoFb3JkZX" +
  "JAAUAAQAKgAQcqDwoFc2NhbGUVAACAPqABAToNY29tLm1pY3Jvc29mdBIIa3dhYWluZXQqJQgDEAdCBXNoYXBlShgAAAAAAAAAAP////" +
  "//////AwAAAAAAAABaFwoBeBISChAIARIMCgYSBHJvd3MKAggGYhsKAXkSFgoUCAESEAoGEgRyb3dzCgIIAgoCCANCBAoAEBFCEQoNY2" +
  "9tLm1pY3Jvc29mdBAB";

Deno.test("an ONNX graph has the bytes that the onnx package gives it", () => {
  const bytes = encodeOnnx({
    inputs: [{ name: "x", shape: ["rows", 6] }],
    outputs: [{ name: "y", shape: ["rows", 2, 3] }],
    nodes: [
      { operator: "Reshape", inputs: ["x", "shape"], outputs: ["z"] },
      {
        operator: "Odd",
        domain: "com.microsoft",
        inputs: ["z"],
        outputs: ["y"],
        attributes: { axis: 2, order: [1, 0, 2], scale: { float: 0.25 } },
      },
    ],
    constants: new Map([["shape", [0, -1, 3]]]),
  });
  assertEquals(bytes.toBase64(), GOLDEN);
});
