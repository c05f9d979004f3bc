import { assertEquals, assertThrows } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import {
  decodeExpertRequest,
  decodeExpertResponse,
  decodeExpertUid,
  encodeExpertRequest,
  encodeExpertResponse,
  encodeExpertUid,
} from "../../../src/petals/wire/expert.ts";
import { decodeTensor, encodeTensor } from "../../../src/petals/wire/tensor.ts";
import { assertBounded } from "../../support/decoders.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

interface StreamMessage {
  readonly dir: "in" | "out";
  readonly marker: string;
  readonly msg: string;
}
const streams: StreamMessage[][] = [
  ...Object.values(vectors.captured.petals_inference_streams),
  ...Object.values(vectors.captured.petals_two_server_streams),
] as StreamMessage[][];

Deno.test("captured inference requests and replies are read and written to the same bytes", () => {
  for (const { dir, marker, msg } of streams.flat()) {
    if (marker !== "00") continue;
    const bytes = bytesOf(msg);
    const again = dir === "out"
      ? encodeExpertRequest(decodeExpertRequest(bytes))
      : encodeExpertResponse(decodeExpertResponse(bytes));
    assertEquals(toHex(again), msg);
    const message = dir === "out" ? decodeExpertRequest(bytes) : decodeExpertResponse(bytes);
    for (const tensor of message.tensors) {
      assertEquals(toHex(encodeTensor(decodeTensor(tensor))), toHex(tensor));
    }
  }
});

Deno.test("an ExpertRequest without fields is the end of a session", () => {
  assertEquals(decodeExpertRequest(new Uint8Array(0)).tensors.length, 0);
  assertEquals(decodeExpertUid(encodeExpertUid("a.1")), "a.1");
  assertEquals(encodeExpertUid("").length, 0);
});

Deno.test("requests with too long uids or metadata are refused", () => {
  const none = new Uint8Array(0);
  const request = { uid: "x".repeat(300_000), tensors: [], metadata: none };
  assertThrows(() => decodeExpertRequest(encodeExpertRequest(request)), NodeError, "uids");
  const metadata = new Uint8Array(300_000);
  assertThrows(
    () => decodeExpertRequest(encodeExpertRequest({ uid: "", tensors: [], metadata })),
    NodeError,
    "metadata",
  );
  const tensors = Array(5000).fill(none);
  assertThrows(
    () => decodeExpertRequest(encodeExpertRequest({ uid: "", tensors, metadata: none })),
    NodeError,
    "fields",
  );
});

Deno.test("expert messages end every cut, flipped or random input in a value or a NodeError", () => {
  const request = bytesOf(streams[2]!.filter(({ dir }) => dir === "out")[1]!.msg);
  assertBounded(decodeExpertRequest, request);
  assertBounded(decodeExpertResponse, bytesOf(streams[0]!.find(({ dir }) => dir === "in")!.msg));
  assertBounded(decodeExpertUid, encodeExpertUid("tiny-llama.0"));
});
