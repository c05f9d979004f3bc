import { createOnnxBackend } from "../../src/compute/onnx.ts";
import { testBlockCases } from "./cases.ts";

await testBlockCases(createOnnxBackend());
