import { assertEquals, assertThrows } from "@std/assert";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { ProtoWriter } from "../../src/base/protobuf.ts";
import * as messages from "../../src/dht/messages.ts";
import { assertBounded } from "../support/decoders.ts";
import { vectors } from "../support/vectors.ts";

const again: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  PingRequest: (bytes) => messages.encodePingRequest(messages.decodePingRequest(bytes)),
  PingResponse: (bytes) => messages.encodePingResponse(messages.decodePingResponse(bytes)),
  StoreRequest: (bytes) => messages.encodeStoreRequest(messages.decodeStoreRequest(bytes)),
  StoreResponse: (bytes) => messages.encodeStoreResponse(messages.decodeStoreResponse(bytes)),
  FindRequest: (bytes) => messages.encodeFindRequest(messages.decodeFindRequest(bytes)),
  FindResponse: (bytes) => {
    const { results, peer } = messages.decodeFindResponse(bytes);
    return messages.encodeFindResponse(results.map(messages.encodeFindResult), peer);
  },
};
const ourVectors = Object.keys(vectors.proto).filter((name) => again[name.split("_")[0]!] !== undefined);

Deno.test("DHT messages of hivemind are read and written back byte for byte", () => {
  assertEquals(ourVectors.length, 9);
  for (const name of ourVectors) {
    const bytes = fromHex(vectors.proto[name].hex);
    assertEquals(toHex(again[name.split("_")[0]!]!(bytes)), vectors.proto[name].hex, name);
  }
});

Deno.test("DHT calls recorded from real peers are read and written back byte for byte", () => {
  const names: Readonly<Record<string, string>> = { ping: "Ping", store: "Store", find: "Find" };
  for (const { proto, request, response } of vectors.captured.dht) {
    const name = names[proto.split("rpc_")[1]];
    assertEquals(toHex(again[`${name}Request`]!(fromHex(request))), request);
    assertEquals(toHex(again[`${name}Response`]!(fromHex(response))), response);
  }
});

Deno.test("DHT messages cut, damaged or random end in a value or NodeError", () => {
  for (const name of ourVectors) {
    assertBounded(again[name.split("_")[0]!]!, fromHex(vectors.proto[name].hex), 100);
  }
});

Deno.test("decodePingRequest tells a client from a peer that did not name itself", () => {
  assertEquals(messages.decodePingRequest(fromHex("1200")).peer, { nodeId: new Uint8Array(0) });
  assertEquals(messages.decodePingRequest(new Uint8Array(0)).peer, undefined);
});

Deno.test("Messages skip auth fields", () => {
  const request = new ProtoWriter().bytes(1, Uint8Array.of(0xff)).uint(3, 1).finish();
  assertEquals(messages.decodePingRequest(request), { peer: undefined, validate: true });
});

Deno.test("decodeStoreRequest reads lists that are not packed", () => {
  const request = new ProtoWriter().double(5, 1.5).double(5, 2.5).uint(6, 1).uint(6, 0).finish();
  const { expirations, inCache } = messages.decodeStoreRequest(request);
  assertEquals([expirations, inCache], [[1.5, 2.5], [true, false]]);
});

Deno.test("decodeFindResponse refuses a result of an unknown type", () => {
  const response = new ProtoWriter().bytes(2, new ProtoWriter().uint(1, 3).finish()).finish();
  assertThrows(() => messages.decodeFindResponse(response), NodeError, "type 3");
});
