import { assert, assertEquals, assertRejects } from "@std/assert";
import { concatBytes, equalBytes } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { LINGER_MS } from "../../src/p2p/constants.ts";
import { makeStreamCall, makeUnaryCall } from "../../src/p2p/make_call.ts";
import { encodeSelect } from "../../src/p2p/select.ts";
import { encodeStreamError, encodeStreamMessage, END_OF_REQUESTS } from "../../src/p2p/stream.ts";
import { encodeUnaryError, encodeUnaryRequest, encodeUnaryResponse } from "../../src/p2p/unary.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { FakeChannel } from "./fake_channel.ts";

const method = "Test.echo";
const never = new AbortController().signal;

function unary(signal = never) {
  const world = fakeWorld();
  const channel = new FakeChannel();
  const call = makeUnaryCall(world, channel, { method, data: Uint8Array.of(1) }, signal);
  call.catch(() => {});
  return { world, channel, call };
}

function stream(signal = never) {
  const world = fakeWorld();
  const channel = new FakeChannel();
  return { world, channel, call: makeStreamCall(world, channel, method, signal) };
}

Deno.test("makeUnaryCall writes protocol and request at once, and closes only after the reply", async () => {
  const { channel, call, world } = unary();
  await settle();
  const callId = fakeWorld().random(16);
  const request = encodeUnaryRequest({ callId, peer: channel.peer, method, data: Uint8Array.of(1) });
  assertEquals(channel.pieces.length, 1);
  assertEquals(channel.sent, concatBytes(encodeSelect(method), request));
  assertEquals(channel.closedWrite, false);
  channel.push(encodeSelect(method), encodeUnaryResponse(callId, Uint8Array.of(9)));
  assertEquals([...await call], [9]);
  assertEquals([channel.closedWrite, channel.aborted], [true, undefined]);
  await world.clock.advance(LINGER_MS); // a callee that never closes keeps no stream of ours
  assert(channel.aborted);
});

Deno.test("makeUnaryCall finds the reply wherever the answer is cut", async () => {
  const whole = concatBytes(encodeSelect(method), encodeUnaryResponse(new Uint8Array(16), Uint8Array.of(9)));
  for (let at = 0; at <= whole.length; at++) {
    const { channel, call } = unary();
    channel.push(whole.slice(0, at), whole.slice(at));
    channel.end();
    assertEquals([...await call], [9], `cut at ${at}`);
  }
});

Deno.test("makeUnaryCall tells refusals, the handler's words, silence, damage and loss apart", async () => {
  const select = encodeSelect(method);
  const answers: readonly (readonly [Uint8Array, string, string])[] = [
    [concatBytes(select.slice(0, 20), [3, 0x6e, 0x61, 0x0a]), "refused", "protocol not supported"],
    [concatBytes(select, encodeUnaryError(new Uint8Array(16), "KeyError('x')")), "remote", "KeyError('x')"],
    [concatBytes(select, Uint8Array.of(2, 0x0a, 0)), "malformed", "kind other"],
    [concatBytes(select, Uint8Array.of(0xff, 0xff, 0xff, 0x7f)), "too_large", "the most is"],
    [select, "unreachable", "without an answer"],
  ];
  for (const [bytes, code, words] of answers) {
    const { channel, call } = unary();
    channel.push(bytes);
    channel.end();
    const error = await assertRejects(() => call, NodeError, words);
    assertEquals([error.code, channel.aborted === error, channel.budget.held], [code, true, 0]);
  }
  const lost = unary();
  lost.channel.lose();
  assertEquals((await assertRejects(() => lost.call, NodeError)).code, "unreachable");
  const stop = new AbortController();
  const stopped = unary(stop.signal);
  await settle();
  stop.abort(new NodeError("timeout", "Enough"));
  await assertRejects(() => stopped.call, NodeError, "Enough");
  assert(stopped.channel.aborted);
});

Deno.test("makeStreamCall sends the protocol with the first message, and only then", async () => {
  const { channel, call } = stream();
  assertEquals(channel.pieces.length, 0);
  await call.send(Uint8Array.of(1));
  await call.send(Uint8Array.of(2));
  await call.endRequests();
  assertEquals(channel.pieces.map((piece) => new Uint8Array(piece)), [
    concatBytes(encodeSelect(method), encodeStreamMessage(Uint8Array.of(1))),
    encodeStreamMessage(Uint8Array.of(2)),
    new Uint8Array(END_OF_REQUESTS),
  ]);
});

Deno.test("makeStreamCall keeps messages whole that are sent without waiting", async () => {
  const { channel, call } = stream();
  const long = new Uint8Array(900_000).fill(5);
  channel.full = true;
  const sends = [call.send(long), call.send(Uint8Array.of(6)), call.endRequests()];
  for (let i = 0; i < 12; i++) {
    await settle();
    channel.drain(i < 8);
  }
  await Promise.all(sends);
  assert(equalBytes(
    channel.sent,
    concatBytes(
      encodeSelect(method),
      encodeStreamMessage(long),
      encodeStreamMessage(Uint8Array.of(6)),
      END_OF_REQUESTS,
    ),
  ));
});

Deno.test("makeStreamCall loses no reply to a receive that gave up", async () => {
  const { channel, call } = stream();
  const soon = new AbortController();
  const first = call.receive(soon.signal);
  await settle();
  soon.abort(new NodeError("timeout", "Enough"));
  await assertRejects(() => first, NodeError, "Enough");
  channel.push(
    encodeSelect(method),
    encodeStreamMessage(Uint8Array.of(1)),
    encodeStreamMessage(Uint8Array.of(2)),
  );
  await settle();
  assertEquals([...(await call.receive(never))!], [1]);
  assertEquals([...(await call.receive(never))!], [2]);
});

Deno.test("makeStreamCall gives the callee's words, then its end", async () => {
  const { channel, call } = stream();
  channel.push(encodeSelect(method), encodeStreamError("boom"));
  channel.end();
  const error = await assertRejects(() => call.receive(never), NodeError, "boom");
  assertEquals(error.code, "remote");
  assertEquals(await call.receive(never), undefined);
});

Deno.test("makeStreamCall takes an end inside a message, or before the protocol was agreed, for a loss", async () => {
  for (const bytes of [encodeSelect(method).slice(0, 5), concatBytes(encodeSelect(method), [0, 0])]) {
    const { channel, call } = stream();
    channel.push(bytes);
    channel.end();
    assertEquals((await assertRejects(() => call.receive(never), NodeError)).code, "unreachable");
  }
});

Deno.test("makeStreamCall ends with its signal, and when it is disposed, and holds nothing then", async () => {
  const stop = new AbortController();
  const { channel, call } = stream(stop.signal);
  const waiting = call.receive(never);
  stop.abort(new NodeError("aborted", "Enough"));
  await assertRejects(() => waiting, NodeError, "Enough");
  assert(channel.aborted);
  await assertRejects(() => call.send(new Uint8Array(1)), NodeError, "Enough");

  const other = stream();
  other.channel.push(encodeSelect(method), encodeStreamMessage(new Uint8Array(100)).slice(0, 50));
  void other.call.receive(never).catch(() => {});
  await settle();
  assert(other.channel.budget.held > 0);
  await other.call[Symbol.asyncDispose]();
  assert(other.channel.aborted);
  assertEquals(other.channel.budget.held, 0);
});
