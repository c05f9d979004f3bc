import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concatBytes, toHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { encodeUvarint } from "../../src/base/uvarint.ts";
import { MAX_STREAM_MESSAGE_BYTES, MAX_UNARY_BYTES } from "../../src/p2p/constants.ts";
import { encodeSelect, SelectReader } from "../../src/p2p/select.ts";
import {
  encodeStreamError,
  encodeStreamMessage,
  END_OF_REQUESTS,
  StreamReader,
} from "../../src/p2p/stream.ts";
import {
  encodeUnaryError,
  encodeUnaryRequest,
  encodeUnaryResponse,
  pythonRepr,
  type UnaryFrame,
  UnaryReader,
} from "../../src/p2p/unary.ts";
import { assertBounded } from "../support/decoders.ts";
import { bytesOf, vectors } from "../support/vectors.ts";

const frames = vectors.frames;
const wire = vectors.captured_wire_frames;
const readUnary = (bytes: Uint8Array) => new UnaryReader().push(bytes);
const readStream = (bytes: Uint8Array) => new StreamReader().push(bytes);

/** What `push` gives over all chunks of `whole`, cut at `at`. */
function cutAt<T>(whole: Uint8Array, at: number, push: (chunk: Uint8Array) => T[]): T[] {
  return [...push(whole.slice(0, at)), ...push(whole.slice(at))];
}

Deno.test("unary frames equal those of hivemind, both ways", () => {
  const request = readUnary(bytesOf(frames.unary_request_on_stream_hex));
  assert(request?.kind === "request");
  assertEquals(request.method, "DHTProtocol.rpc_ping");
  assertEquals(toHex(encodeUnaryRequest(request)), frames.unary_request_on_stream_hex);
  const response = readUnary(bytesOf(frames.unary_response_on_stream_hex));
  assert(response?.kind === "response");
  assertEquals(
    toHex(encodeUnaryResponse(response.callId, response.data)),
    frames.unary_response_on_stream_hex,
  );
  const body = bytesOf(vectors.proto.Unary_error_frame_body.hex);
  const error = readUnary(concatBytes(encodeUvarint(body.length), body));
  assert(error?.kind === "error");
  assertEquals(error.message, "RuntimeError('Remote peer does not serve x.9')");
  assertEquals(encodeUnaryError(error.callId, error.message).slice(1), body);
});

Deno.test("unary frames captured from real peers are read", () => {
  for (const name of ["rpc_info", "rpc_forward_error", "rpc_check", "rpc_ping_validate"]) {
    const request = readUnary(bytesOf(wire[name].request_frame_hex));
    assert(request?.kind === "request", name);
    assertEquals(toHex(encodeUnaryRequest(request)), wire[name].request_frame_hex, name);
    assert(["response", "error"].includes(readUnary(bytesOf(wire[name].response_frame_hex))!.kind), name);
  }
});

Deno.test("unary frames are found wherever the bytes are cut", () => {
  const whole = bytesOf(frames.unary_request_on_stream_hex);
  for (let at = 0; at <= whole.length; at++) {
    const reader = new UnaryReader();
    const found = cutAt(whole, at, (chunk) => [reader.push(chunk)]).filter((frame) => frame !== undefined);
    assertEquals(found.map((frame: UnaryFrame) => frame.kind), ["request"], `cut at ${at}`);
  }
});

Deno.test("unary frames above 4 MiB are refused both ways, before they are held", () => {
  const id = new Uint8Array(16);
  assertThrows(() => readUnary(encodeUvarint(MAX_UNARY_BYTES + 1)), NodeError, "the most is");
  assertThrows(() => encodeUnaryResponse(id, new Uint8Array(MAX_UNARY_BYTES)), NodeError, "the most is");
});

Deno.test("pythonRepr writes errors as Python does", () => {
  assertEquals(
    pythonRepr(new Error("Remote peer does not serve x.9")),
    "RuntimeError('Remote peer does not serve x.9')",
  );
  assertEquals(pythonRepr(new NodeError("not_found", "x.9")), "KeyError('x.9')");
  assertEquals(pythonRepr(new Error(`both ' and "`)), `RuntimeError('both \\' and "')`);
  assertEquals(pythonRepr(new Error("")), "RuntimeError('Error')");
});

Deno.test("stream events equal those of hivemind, both ways", () => {
  const message = readStream(bytesOf(frames.stream_message_hex))[0];
  assert(message?.kind === "message");
  assertEquals(toHex(encodeStreamMessage(message.body)), frames.stream_message_hex);
  assertEquals(readStream(bytesOf(frames.stream_error_hex)), [{ kind: "error", message: "boom" }]);
  assertEquals(toHex(encodeStreamError("boom")), frames.stream_error_hex);
  assertEquals(readStream(bytesOf(frames.stream_end_of_requests_hex)), [{ kind: "end" }]);
  assertEquals(toHex(END_OF_REQUESTS), frames.stream_end_of_requests_hex);
  assertThrows(() => encodeStreamError(""), RangeError);
});

Deno.test("stream events are found wherever the bytes are cut, and several in one chunk", () => {
  const whole = concatBytes(
    encodeStreamMessage(Uint8Array.of(1, 2, 3)),
    encodeStreamMessage(new Uint8Array(0)),
    encodeStreamError("x"),
    END_OF_REQUESTS,
  );
  for (let at = 0; at <= whole.length; at++) {
    const reader = new StreamReader();
    const kinds = cutAt(whole, at, (chunk) => reader.push(chunk)).map((event) => event.kind);
    assertEquals(kinds, ["message", "message", "error", "end"], `cut at ${at}`);
    assertEquals(reader.pending, 0);
  }
});

Deno.test("stream sessions captured from real peers are read", () => {
  for (const name of ["rpc_inference_stream", "rpc_inference_error", "rpc_forward_stream"]) {
    for (const { hex } of wire[name]) assertEquals(readStream(bytesOf(hex)).length, 1, name);
  }
});

Deno.test("stream messages above the limit and unknown markers are refused by their header", () => {
  const header = encodeStreamMessage(new Uint8Array(0));
  new DataView(header.buffer).setBigUint64(1, BigInt(MAX_STREAM_MESSAGE_BYTES + 1));
  assertThrows(() => readStream(header), NodeError, "the most is");
  new DataView(header.buffer).setBigUint64(1, 2n ** 63n);
  assertThrows(() => readStream(header), NodeError, "the most is");
  assertThrows(() => readStream(new Uint8Array(9).fill(2)), NodeError, "marker 2");
});

Deno.test("select strips the echo wherever it is cut, and passes what follows", () => {
  const echo = encodeSelect("DHTProtocol.rpc_ping");
  const whole = concatBytes(echo, Uint8Array.of(7, 8, 9));
  for (let at = 0; at <= whole.length; at++) {
    const reader = new SelectReader("DHTProtocol.rpc_ping");
    const rest = cutAt(whole, at, (chunk) => [...reader.push(chunk)]);
    assertEquals([rest, reader.done], [[7, 8, 9], true], `cut at ${at}`);
  }
});

Deno.test("select tells a refusal from other answers, and neither is payload", () => {
  const header = encodeSelect("x").slice(0, 20);
  const refused = assertThrows(
    () => new SelectReader("x").push(concatBytes(header, Uint8Array.of(3, 0x6e, 0x61, 0x0a))),
    NodeError,
    "protocol not supported",
  );
  assertEquals(refused.code, "refused");
  assertThrows(() => new SelectReader("x").push(encodeSelect("y")), NodeError, "answers");
  assertThrows(() => new SelectReader("x").push(Uint8Array.of(0xff, 0xff, 3)), NodeError, "the most is");
});

Deno.test("every reader ends cuts, flips and random bytes in a value or a NodeError", () => {
  assertBounded(readUnary, bytesOf(frames.unary_request_on_stream_hex));
  assertBounded(readStream, bytesOf(frames.stream_error_hex));
  assertBounded((bytes) => new SelectReader("x").push(bytes), encodeSelect("x"));
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (bodies) => {
    const reader = new StreamReader();
    const events = bodies.flatMap((body) => reader.push(encodeStreamMessage(body)));
    assertEquals(events.map((e) => e.kind === "message" && [...e.body]), bodies.map((body) => [...body]));
  }));
});
