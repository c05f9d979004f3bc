/** Golden bytes of real peers (tests/vectors/README.md). */
import { fromHex } from "../../src/base/bytes.ts";

// deno-lint-ignore no-explicit-any -- a JSON document of many shapes
export const vectors: any = JSON.parse(
  Deno.readTextFileSync(new URL("../vectors/hivemind.json", import.meta.url)),
);

/** Bytes of a `*_hex` field. */
export const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => fromHex(hex);
