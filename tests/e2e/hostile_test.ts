/**
 * Strangers that keep no rules, against the running program. After each attack an honest client still gets right answers,
 * no session and no attention memory is left behind, and memory stays within a named bound.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { concatBytes } from "../../src/base/bytes.ts";
import { Float, pack, tuple } from "../../src/base/msgpack.ts";
import { ProtoWriter } from "../../src/base/protobuf.ts";
import { encodeUvarint } from "../../src/base/uvarint.ts";
import { encodeStreamMessage } from "../../src/p2p/stream.ts";
import { encodeTensor } from "../../src/petals/wire/tensor.ts";
import {
  hidden,
  METHODS,
  NO_ORDER,
  NO_PROMPTS,
  opening,
  request,
  soon,
  stepTensors,
  Stranger,
  tensorMessage,
} from "./hostile_peer.ts";
import { Target } from "./hostile_target.ts";
import { FLAVOUR, withFolder } from "./program.ts";

/** What all attacks together may add to the memory of both processes, in MiB. */
const MAX_EXTRA_MIB = 400;

/** Runs an attack against a node of its own. */
function attack(name: string, fn: (target: Target, stranger: Stranger) => Promise<void>): void {
  Deno.test({
    name: `${FLAVOUR}: ${name}`,
    sanitizeOps: false, // libp2p keeps timers and sockets for a moment after it stopped
    sanitizeResources: false,
    fn: () =>
      withFolder(async (folder) => {
        await using target = await Target.open(folder);
        await using stranger = await Stranger.open(target.address);
        await fn(target, stranger);
        await target.requireUnharmed(MAX_EXTRA_MIB);
        assertEquals(await target.program.stop(), 0);
      }),
  });
}

const NOT_SERVED = "Remote peer does not serve";

attack("wrong requests of blocks are answered in Petals' words and harm nobody", async (_, stranger) => {
  const x = hidden(1, 2);
  const tensors = [x, NO_PROMPTS].map((tensor) => encodeTensor(tensor));
  const refused = (uid: string, parts: readonly Uint8Array[] = tensors, metadata = {}) =>
    stranger.refusal(METHODS.forward, request({ uid, tensors: parts, metadata }));
  assertMatch(await refused("tiny-hf.9"), new RegExp(`^RuntimeError\\('${NOT_SERVED} tiny-hf.9'\\)$`));
  assertMatch(await refused("other.0"), new RegExp(NOT_SERVED));
  assertMatch(await refused(""), new RegExp(`${NOT_SERVED} '\\)$`));
  assertEquals(
    await stranger.refusal(METHODS.info, new ProtoWriter().text(1, "x.9").finish()),
    "KeyError('x.9')",
  );
  for (
    const wrong of [
      [encodeTensor(hidden(1, 2, 63)), encodeTensor(NO_PROMPTS)],
      [encodeTensor({ ...x, shape: [2, 64] }), encodeTensor(NO_PROMPTS)],
      [encodeTensor(NO_ORDER), encodeTensor(NO_PROMPTS)],
      [],
      [crypto.getRandomValues(new Uint8Array(200))],
      [tensorMessage({ buffer: new Uint8Array(8), shape: [2 ** 31, 2 ** 31, 64] })],
      [tensorMessage({ buffer: new Uint8Array(8), shape: [2], dtype: "complex128" })],
      ...[1, 2, 3, 4, 5, 9].map((compression) => [
        tensorMessage({ buffer: new Uint8Array(8).fill(0xff), shape: [1, 2, 64], compression }),
      ]),
    ]
  ) {
    assert((await refused("tiny-hf.0", wrong)).length > 3);
  }
  for (
    const metadata of [{ active_adapter: "x" }, { args_structure: tuple(tuple(new Uint8Array([1])), {}) }, [
      1,
      2,
    ]]
  ) {
    assert((await refused("tiny-hf.0", tensors, metadata)).length > 3);
  }
  assertMatch(await stranger.refusal(METHODS.backward, request({ tensors })), /not supported/);
});

attack("wrong sessions end alone, with the stock server's words", async (target, stranger) => {
  const first = async (message: Uint8Array) => {
    await using stream = await stranger.stream(METHODS.inference);
    await stream.send(message);
    return await stream.receive(soon()).then(() => "answered", (error) => (error as Error).message);
  };
  for (const length of [-1, 9999, 2 ** 40]) {
    assertEquals(
      await first(opening({ max_length: length })),
      `Cannot allocate KV cache for ${length} tokens, max = 8192`,
    );
  }
  assertMatch(
    await first(opening({ max_length: "9" })),
    /^rpc_inference metadata must contain int max_length, got /,
  );
  assertMatch(
    await first(opening({ max_length: new Float(3) })),
    /^rpc_inference metadata must contain int max_length/,
  );
  assertMatch(
    await first(opening({ input: hidden(1, 5), max_length: 3 })),
    /^Maximum length exceeded: prefix 0 \+ current 5 exceeds pre-allocated maximum 3$/,
  );
  assert(await first(opening({ start_from_position: 7 })) !== "answered");
  const nan = hidden(1, 1);
  new Float32Array(nan.data.buffer).fill(NaN);
  await first(opening({ input: nan }));
  // more sessions than there is memory: each waits or is refused, none is served twice
  const many = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const stream = await stranger.stream(METHODS.inference);
      await stream.send(opening({ max_length: 8192 }));
      return stream;
    }),
  );
  await target.status();
  for (const stream of many) await stream[Symbol.asyncDispose]();
  const pushes = Array.from(
    { length: 200 },
    () =>
      stranger.call(
        METHODS.push,
        request({ tensors: stepTensors(hidden(1, 1)), metadata: { session_id: "nobody" } }),
      )
        .catch(() => {}),
  );
  await Promise.all(pushes);
});

attack("broken frames, half-open and silent streams cost neither memory nor answers", async (_, stranger) => {
  const hostile = [
    new Uint8Array(20).fill(0x80),
    encodeUvarint(2 ** 40),
    Uint8Array.of(3, 1, 2, 3),
    new Uint8Array(9).fill(7),
    concatBytes([0], new Uint8Array(8).fill(0xff)),
    encodeStreamMessage(opening()).slice(0, 100),
    crypto.getRandomValues(new Uint8Array(5000)),
  ];
  for (const method of Object.values(METHODS)) {
    for (const [i, bytes] of hostile.entries()) {
      const stream = await stranger.raw(method);
      await stream.send(bytes);
      if (i % 3 === 0) stream.abort();
    }
  }
  for (let i = 0; i < 300; i++) await stranger.raw(i % 2 === 0 ? METHODS.inference : METHODS.ping);
  stranger.cut();
});

attack("a table that strangers write keeps its bounds", async (target, stranger) => {
  const now = Date.now() / 1000;
  const store = (
    times: readonly number[],
    value: Uint8Array,
    key = () => crypto.getRandomValues(new Uint8Array(20)),
  ) => {
    const writer = new ProtoWriter();
    for (const _ of times) writer.bytes(2, key());
    for (const _ of times) writer.bytes(3, Uint8Array.of(0xc0));
    for (const _ of times) writer.bytes(4, value);
    return writer.packedDouble(5, times).packedUint(6, times.map(() => 0)).finish();
  };
  const small = pack("x");
  await stranger.call(METHODS.store, store([NaN, Infinity, -1, now - 10, now + 9e9, now + 60], small));
  for (let i = 0; i < 40; i++) {
    await stranger.call(METHODS.store, store([now + 3000 + i], pack(new Uint8Array(2 ** 20)))).catch(
      () => {},
    );
  }
  const find = new ProtoWriter();
  for (let i = 0; i < 10_000; i++) find.bytes(2, crypto.getRandomValues(new Uint8Array(20)));
  assert((await stranger.call(METHODS.find, find.finish())).length > 0);
  await stranger.refusal(METHODS.find, crypto.getRandomValues(new Uint8Array(500))).catch(() => {});
  const long = new ProtoWriter().bytes(1, new Uint8Array(100_000).fill(7)).finish();
  await stranger.call(METHODS.check, new ProtoWriter().bytes(2, long).finish()).catch(() => {});
  assert((await target.status()).dht.entries < 100);
});

attack(
  "an engine that is killed ends its sessions with words, and serves again",
  async (target, stranger) => {
    await using stream = await stranger.stream(METHODS.inference);
    await stream.send(opening());
    assert(await stream.receive(soon()) !== undefined);
    Deno.kill(target.enginePid, "SIGKILL");
    await target.program.event("degraded", ({ what }) => what === "engine");
    await stream.send(request({ tensors: stepTensors(hidden(1, 1)) })).catch(() => {});
    const end = await stream.receive(soon()).then(() => undefined, (error) => error as Error);
    assert(end !== undefined && end.message.length > 3, "the session ends with words");
    const since = target.program.events.length;
    await target.program.event("announced", (event) => target.program.events.indexOf(event) >= since - 1);
  },
);

attack("the local API refuses foreign names and large bodies", async (target) => {
  const port = Number(new URL(target.api).port);
  const raw = async (text: string) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(4096);
    const n = await conn.read(buffer) ?? 0;
    return new TextDecoder().decode(buffer.subarray(0, n));
  };
  assertMatch(
    await raw("GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1.1 403/,
  );
  assertMatch(
    await raw("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1.1 404/,
  );
  await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(100_000)}\r\n\r\n`).catch(() => "");
});
