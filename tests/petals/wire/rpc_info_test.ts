import { assertEquals } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { pack } from "../../../src/base/msgpack.ts";
import { decodeExpertInfo, encodeExpertInfo } from "../../../src/petals/wire/expert.ts";
import { decodeRpcInfo, encodeRpcInfo } from "../../../src/petals/wire/rpc_info.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

const ofBlock = bytesOf(
  vectors.captured.petals_unary.find(({ proto }: { proto: string }) => proto.endsWith("rpc_info")).response,
);
const ofServer = bytesOf(vectors.captured_wire_frames.rpc_info.response);

Deno.test("rpc_info of a real server is read and written to the same bytes", () => {
  for (const bytes of [ofBlock, ofServer]) {
    const info = decodeRpcInfo(decodeExpertInfo(bytes));
    assertEquals(toHex(encodeExpertInfo(encodeRpcInfo(info))), toHex(bytes));
  }
  assertEquals(decodeRpcInfo(decodeExpertInfo(ofBlock)), {
    version: "2.2.0.post1",
    clientMode: false,
    cacheTokensAvailable: 8192,
    block: { hiddenSize: 64, dtype: "float32" },
  });
  assertEquals(decodeRpcInfo(decodeExpertInfo(ofServer)).block, undefined);
});

Deno.test("rpc_info of an unknown server is read as far as it goes", () => {
  assertEquals(decodeRpcInfo(pack({})), {
    version: "",
    clientMode: false,
    cacheTokensAvailable: 0,
    block: undefined,
  });
});

Deno.test("rpc_info ends every cut, flipped or random input in a value or a NodeError", () => {
  assertBounded((bytes) => decodeRpcInfo(decodeExpertInfo(bytes)), ofBlock);
  assertBounded(decodeRpcInfo, decodeExpertInfo(ofBlock));
});
