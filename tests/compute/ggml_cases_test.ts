import { ggml } from "../support/native_ggml.ts";
import { testBlockCases } from "./cases.ts";

await testBlockCases(ggml);
