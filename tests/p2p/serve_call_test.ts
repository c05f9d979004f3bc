import { assert, assertEquals } from "@std/assert";
import { concatBytes, equalBytes } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { ByteBudget } from "../../src/p2p/byte_budget.ts";
import {
  FIRST_MESSAGE_MS,
  HALF_CLOSED_MS,
  LINGER_MS,
  MID_MESSAGE_MS,
  SEND_PIECE_BYTES,
  SEND_STALL_MS,
  STREAM_IDLE_MS,
} from "../../src/p2p/constants.ts";
import type { StreamHandler, UnaryHandler } from "../../src/p2p/rpc.ts";
import { serveStreamCall, serveUnaryCall } from "../../src/p2p/serve_call.ts";
import { encodeStreamMessage, END_OF_REQUESTS, StreamReader } from "../../src/p2p/stream.ts";
import { encodeUnaryRequest, UnaryReader } from "../../src/p2p/unary.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { FakeChannel } from "./fake_channel.ts";

const callId = new Uint8Array(16).fill(7);
const echo: UnaryHandler = (request) => Promise.resolve(request);
const copy: StreamHandler = async function* (requests) {
  for await (const request of requests) yield request;
};

function requestOf(channel: FakeChannel, data: Uint8Array): Uint8Array {
  return encodeUnaryRequest({ callId, peer: channel.peer, method: "Test.echo", data });
}

/** A callee at work on one call. */
function serving(handler: { unary: UnaryHandler } | { stream: StreamHandler }, budget?: ByteBudget) {
  const world = fakeWorld();
  const leaving = new AbortController();
  const channel = new FakeChannel(budget);
  const begun = { times: 0 };
  const callee = { world, leaving: leaving.signal, begun: () => void begun.times++ };
  const call = "unary" in handler
    ? serveUnaryCall(callee, channel, handler.unary)
    : serveStreamCall(callee, channel, handler.stream);
  return { clock: world.clock, leaving, channel, call, begun };
}

const answerOn = (channel: FakeChannel) => new UnaryReader().push(channel.sent);
const eventsOn = (channel: FakeChannel) => new StreamReader().push(channel.sent);
const wordsOn = (channel: FakeChannel) =>
  eventsOn(channel).map((event) => event.kind === "error" ? event.message : event.kind);

Deno.test("serveUnaryCall answers, closes its side and lets the stream go when the caller ended", async () => {
  const { channel, call } = serving({ unary: echo });
  channel.push(requestOf(channel, Uint8Array.of(1, 2)));
  await settle();
  const answer = answerOn(channel);
  assert(answer?.kind === "response");
  assertEquals([...answer.data], [1, 2]);
  assertEquals([channel.closedWrite, channel.aborted], [true, undefined]);
  channel.end();
  await call;
  assertEquals(channel.budget.held, 0);
});

Deno.test("serveUnaryCall lets a stream go that its caller never closes", async () => {
  const { channel, call, clock } = serving({ unary: echo });
  channel.push(requestOf(channel, Uint8Array.of(1)));
  await settle();
  await clock.advance(LINGER_MS);
  await call;
  assert(channel.aborted);
});

Deno.test("serveUnaryCall ends calls whose request never comes, stops half-way or is none", async () => {
  for (const bytes of [[], [5, 1], [0x80, 0x80]]) {
    const { channel, call, clock } = serving({ unary: echo });
    channel.push(Uint8Array.from(bytes));
    await settle();
    await clock.advance(MID_MESSAGE_MS);
    await call;
    assertEquals([(channel.aborted as NodeError).code, channel.pieces.length], ["timeout", 0]);
  }
  for (const bytes of [new Uint8Array(11).fill(0xff), Uint8Array.of(2, 0x0a, 0)]) {
    const { channel, call } = serving({ unary: echo });
    channel.push(bytes);
    await call;
    assertEquals([(channel.aborted as NodeError).code, channel.budget.held], ["malformed", 0]);
  }
});

Deno.test("serveUnaryCall counts a request as held while its handler works, and its answer until it left", async () => {
  const budget = new ByteBudget(1000, 1000);
  const done = Promise.withResolvers<Uint8Array>();
  const { channel, call } = serving({ unary: () => done.promise }, budget);
  channel.push(requestOf(channel, new Uint8Array(400)));
  await settle();
  assertEquals(budget.held, 400);
  channel.full = true;
  done.resolve(new Uint8Array(600));
  await settle();
  assert(budget.held > 600);
  channel.drain();
  channel.end();
  await call;
  assertEquals(budget.held, 0);
});

Deno.test("serveUnaryCall refuses a request that does not fit, and holds nothing afterwards", async () => {
  const budget = new ByteBudget(1000, 1000);
  for (let i = 0; i < 5; i++) {
    const { channel, call } = serving({ unary: echo }, budget);
    channel.push(requestOf(channel, new Uint8Array(2000)).subarray(0, 1500));
    await call;
    assertEquals([(channel.aborted as NodeError).code, budget.held], ["busy", 0]);
  }
});

Deno.test("serveUnaryCall tells the handler when its caller leaves", async () => {
  let reason: unknown;
  const { channel, call } = serving({
    unary: (_, { signal }) => {
      signal.addEventListener("abort", () => reason = signal.reason);
      return new Promise(() => {});
    },
  });
  channel.push(requestOf(channel, new Uint8Array(1)));
  await settle();
  channel.lose();
  await call;
  assertEquals([(reason as NodeError).code, channel.pieces.length], ["unreachable", 0]);
});

Deno.test("a caller that only closed its side is answered; one that stays away is told apart by time", async () => {
  const handlers = [
    { unary: () => new Promise<Uint8Array>(() => {}) },
    { stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }) },
  ];
  for (const handler of handlers) {
    const { channel, call, clock } = serving(handler);
    channel.push(requestOf(channel, new Uint8Array(1)));
    channel.end(); // as rust-libp2p does after each request, and p2pd when its caller cancels
    await settle();
    await clock.advance(HALF_CLOSED_MS - 1);
    assertEquals([channel.pieces.length, channel.aborted], [0, undefined]);
    await clock.advance(1);
    await call;
    assertEquals([channel.pieces.length > 0, clock.sleepers], [true, 0]);
  }
  const { channel, call, clock } = serving({ unary: echo });
  channel.push(requestOf(channel, Uint8Array.of(1)));
  channel.end();
  await call;
  assertEquals([answerOn(channel)?.kind, clock.sleepers], ["response", 0]);
});

Deno.test("serveUnaryCall answers in words when the node leaves", async () => {
  const { channel, call, leaving, clock } = serving({ unary: () => new Promise(() => {}) });
  channel.push(requestOf(channel, new Uint8Array(1)));
  await settle();
  leaving.abort(new NodeError("aborted", "The server is leaving"));
  await settle();
  const answer = answerOn(channel);
  assertEquals(answer?.kind === "error" && answer.message, "RuntimeError('The server is leaving')");
  await clock.advance(LINGER_MS);
  await call;
});

Deno.test("serveStreamCall answers each message, and closes when the requests ended", async () => {
  const { channel, call } = serving({ stream: copy });
  channel.push(concatBytes(encodeStreamMessage(Uint8Array.of(1)), encodeStreamMessage(Uint8Array.of(2))));
  await settle();
  assertEquals(wordsOn(channel), ["message", "message"]);
  channel.push(END_OF_REQUESTS);
  await settle();
  assertEquals(channel.closedWrite, true);
  channel.end();
  await call;
  assertEquals(channel.budget.held, 0);
});

Deno.test("serveStreamCall says in words that a caller was silent: at first, in a message, between two", async () => {
  const before: readonly (readonly [Uint8Array, number, string])[] = [
    [new Uint8Array(0), FIRST_MESSAGE_MS, "first message"],
    [encodeStreamMessage(new Uint8Array(9)).slice(0, 12), MID_MESSAGE_MS, "rest of a message"],
    [encodeStreamMessage(new Uint8Array(9)), STREAM_IDLE_MS, "next message"],
  ];
  for (const [bytes, ms, what] of before) {
    const { channel, call, clock } = serving({ stream: copy });
    channel.push(bytes);
    await settle();
    await clock.advance(ms - 1);
    assertEquals(channel.closedWrite, false);
    await clock.advance(1);
    assert(wordsOn(channel).at(-1)!.includes(what), wordsOn(channel).join());
    await clock.advance(LINGER_MS);
    await call;
    assertEquals(channel.budget.held, 0);
  }
});

Deno.test("serveStreamCall sends the words of any failure, never an empty text, before it closes", async () => {
  const failing: readonly (readonly [StreamHandler, string])[] = [
    // deno-lint-ignore require-yield -- it fails before
    [async function* () {
      throw new Error("");
    }, "Error"],
    [() => {
      throw new NodeError("busy", "Not now");
    }, "Not now"],
    // a handler that takes one message by hand and never returns the generator
    [async function* (requests) {
      const first = await requests[Symbol.asyncIterator]().next();
      yield first.value!;
      throw new Error("by hand");
    }, "by hand"],
  ];
  for (const [handler, words] of failing) {
    const { channel, call, clock } = serving({ stream: handler });
    channel.push(encodeStreamMessage(new Uint8Array(500)));
    await settle();
    assertEquals(wordsOn(channel).at(-1), words);
    await clock.advance(LINGER_MS);
    await call;
    assertEquals(channel.budget.held, 0, words);
  }
});

Deno.test("a call has begun when its first request is whole, not before", async () => {
  for (const handler of [{ unary: echo }, { stream: copy }]) {
    const { channel, begun, call } = serving(handler);
    const whole = "unary" in handler
      ? requestOf(channel, Uint8Array.of(1))
      : encodeStreamMessage(Uint8Array.of(1));
    channel.push(whole.slice(0, -1));
    await settle();
    assertEquals(begun.times, 0);
    channel.push(whole.slice(-1));
    await settle();
    assertEquals(begun.times, 1);
    channel.end();
    await call;
  }
});

Deno.test("serveStreamCall answers damaged frames with words", async () => {
  for (const bytes of [new Uint8Array(9).fill(7), concatBytes([0], new Uint8Array(8).fill(0xff))]) {
    const { channel, call, clock } = serving({ stream: copy });
    channel.push(bytes);
    await settle();
    assert(wordsOn(channel)[0]!.startsWith("Cannot read"));
    await clock.advance(LINGER_MS);
    await call;
  }
});

Deno.test("serveStreamCall counts each message as held while its handler works on it", async () => {
  const budget = new ByteBudget(2000, 2000);
  const { channel, call } = serving({ stream: copy }, budget);
  channel.full = true;
  channel.push(concatBytes(...[1, 2, 3].map(() => encodeStreamMessage(new Uint8Array(500)))));
  await settle();
  assertEquals(budget.held, 1500 + 500);
  channel.drain();
  await settle();
  channel.push(END_OF_REQUESTS);
  channel.end();
  await call;
  assertEquals(budget.held, 0);
});

Deno.test("serveStreamCall ends a handler whose caller left, and waits for no engine", async () => {
  const ended = Promise.withResolvers<void>();
  const { channel, call } = serving({
    async *stream(requests, { signal }) {
      try {
        for await (const request of requests) {
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          yield request;
        }
      } finally {
        ended.resolve();
      }
    },
  });
  channel.push(encodeStreamMessage(new Uint8Array(1)));
  await settle();
  channel.lose();
  await call;
  await ended.promise;
  assertEquals(channel.pieces.length, 0);
});

Deno.test("serveStreamCall sends a long message in pieces, each with its own time", async () => {
  const body = crypto.getRandomValues(new Uint8Array(60_000));
  const long = concatBytes(...Array<Uint8Array>(20).fill(body));
  const { channel, call, clock } = serving({
    async *stream() {
      yield await Promise.resolve(long);
    },
  });
  await settle();
  const pieces = Math.ceil((long.length + 9) / SEND_PIECE_BYTES);
  assertEquals(channel.pieces.length, pieces);
  assert(equalBytes(channel.sent.subarray(9), long));
  channel.end();
  await call;

  const slow = serving({
    async *stream() {
      yield await Promise.resolve(long);
    },
  });
  slow.channel.full = true;
  for (let i = 0; i < pieces; i++) {
    await settle();
    await slow.clock.advance(SEND_STALL_MS - 1);
    slow.channel.drain(true);
  }
  await settle();
  assertEquals(slow.channel.pieces.length, pieces);
  slow.channel.drain();
  slow.channel.end();
  await slow.call;
  assertEquals(clock.sleepers + slow.clock.sleepers, 0);
});

Deno.test("serveStreamCall drops a caller that reads no more", async () => {
  const { channel, call, clock } = serving({ stream: copy });
  channel.full = true;
  channel.push(encodeStreamMessage(new Uint8Array(5)));
  await settle();
  await clock.advance(SEND_STALL_MS);
  await clock.advance(SEND_STALL_MS); // for the words about it
  await call;
  assertEquals([(channel.aborted as NodeError).code, channel.budget.held], ["timeout", 0]);
});
