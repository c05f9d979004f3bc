/**
 * Numbers and names of ggml's tensor types, also of those we cannot read: a message names them.
 *
 * @module
 */
import type { WeightFormat } from "./source.ts";
import { WEIGHT_BLOCK } from "./dequantize.ts";

/** `enum ggml_type` of ggml.h; numbers without a name were given up by ggml. */
export const GGML_FORMATS: ReadonlyMap<number, string> = new Map([
  [0, "F32"],
  [1, "F16"],
  [2, "Q4_0"],
  [3, "Q4_1"],
  [6, "Q5_0"],
  [7, "Q5_1"],
  [8, "Q8_0"],
  [9, "Q8_1"],
  [10, "Q2_K"],
  [11, "Q3_K"],
  [12, "Q4_K"],
  [13, "Q5_K"],
  [14, "Q6_K"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [20, "IQ4_NL"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [23, "IQ4_XS"],
  [24, "I8"],
  [25, "I16"],
  [26, "I32"],
  [27, "I64"],
  [28, "F64"],
  [29, "IQ1_M"],
  [30, "BF16"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);

/** Whether a format is one that engines take. */
export const isWeightFormat = (format: string): format is WeightFormat => Object.hasOwn(WEIGHT_BLOCK, format);

/** The formats that engines take, for messages. */
export const READABLE_FORMATS: string = Object.keys(WEIGHT_BLOCK).join(", ");
