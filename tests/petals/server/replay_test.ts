/** Sessions of a real client and server, played again: an engine that gives the captured answers, everything else ours. */
import { assert, assertEquals } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { type BlockRange, toFloat32 } from "../../../src/base/tensor.ts";
import type { CacheStep, KvCache, LoadedBlocks } from "../../../src/compute/backend.ts";
import { openBlockServer } from "../../../src/petals/server/block_server.ts";
import { decodeExpertRequest, decodeExpertResponse } from "../../../src/petals/wire/expert.ts";
import { decodeTensor } from "../../../src/petals/wire/tensor.ts";
import { MemoryNetwork } from "../../support/memory_rpc.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { CLIENT, LIMITS, never, P } from "./toy.ts";

interface Message {
  readonly dir: "in" | "out";
  readonly marker: string;
  readonly msg: string;
}

/** Gives the outputs that were captured for an input, in their order, and keeps what it was asked. */
class CapturedBlocks implements LoadedBlocks {
  readonly engine = "reference";
  readonly device = "captured";
  readonly hiddenSize = 64;
  readonly dtype = "float32";
  readonly weightBytes = 0;
  readonly cacheBytesPerToken = 256;
  readonly asked: CacheStep[] = [];
  readonly #outputs = new Map<string, Float32Array<ArrayBuffer>[]>();
  constructor(readonly range: BlockRange, streams: readonly (readonly Message[])[]) {
    for (const stream of streams) {
      const requests = stream.filter(({ dir, msg }) => dir === "out" && msg !== "");
      stream.filter(({ dir }) => dir === "in").forEach(({ msg }, i) => {
        const input = decodeTensor(decodeExpertRequest(bytesOf(requests[i]!.msg)).tensors[0]!);
        const output = toFloat32(decodeTensor(decodeExpertResponse(bytesOf(msg)).tensors[0]!));
        const key = toHex(input.data);
        this.#outputs.set(key, [...this.#outputs.get(key) ?? [], output]);
      });
    }
  }
  openCache = (size: Omit<KvCache, "length" | typeof Symbol.asyncDispose>): Promise<KvCache> =>
    Promise.resolve({ ...size, length: 0, [Symbol.asyncDispose]: () => Promise.resolve() });
  forward = (): Promise<Float32Array<ArrayBuffer>> => Promise.reject(new Error("not captured"));
  step(step: CacheStep): Promise<Float32Array<ArrayBuffer>> {
    this.asked.push(step);
    const output = this.#outputs.get(toHex(new Uint8Array(step.input.data.buffer)))?.shift();
    assert(output !== undefined, "an input that the client never sent");
    return Promise.resolve(output);
  }
  [Symbol.asyncDispose] = (): Promise<void> => Promise.resolve();
}

/** A server of `range` in `network` that knows the answers of `streams`. */
function serve(
  network: MemoryNetwork,
  peer: string,
  { prefix, range, streams }: { prefix: string; range: BlockRange; streams: readonly (readonly Message[])[] },
): CapturedBlocks {
  const blocks = new CapturedBlocks(range, streams);
  openBlockServer(fakeWorld(), {
    rpc: network.join(peer),
    blocks,
    prefix,
    version: "2.2.0.post1",
    clientMode: false,
    limits: LIMITS,
    observer: { begin: () => undefined, report: () => {} },
  });
  return blocks;
}

/** Plays what the client sent; every reply must have the bytes that were captured. */
async function play(network: MemoryNetwork, peer: string, streams: readonly (readonly Message[])[]) {
  const client = network.peers.get(CLIENT) ?? network.join(CLIENT);
  const open = await Promise.all(
    streams.map(() => client.callStream(peer, `${P}rpc_inference`, never)),
  );
  for (const [i, stream] of streams.entries()) {
    for (const { dir, marker, msg } of stream) {
      if (dir === "in") assertEquals(toHex((await open[i]!.receive(never))!), msg);
      else if (marker === "01") await open[i]!.endRequests();
      else await open[i]!.send(bytesOf(msg));
    }
    assertEquals(await open[i]!.receive(never), undefined);
  }
}

Deno.test("captured sessions of a stock client get the stock server's replies, byte for byte", async () => {
  const streams = Object.values(vectors.captured.petals_inference_streams) as Message[][];
  const network = new MemoryNetwork();
  const blocks = serve(network, "server", { prefix: "tiny-llama", range: { start: 0, end: 4 }, streams });
  await play(network, "server", streams);
  assertEquals(blocks.asked.length, 6);
  assertEquals(blocks.asked.map(({ rows }) => rows?.length), [
    undefined,
    undefined,
    undefined,
    undefined,
    2,
    2,
  ]);
});

Deno.test("captured sessions over two servers get their replies once, though the first server pushes", async () => {
  const streams = Object.values(vectors.captured.petals_two_server_streams) as Message[][];
  const of = (uid: string) =>
    streams.filter((stream) => decodeExpertRequest(bytesOf(stream[0]!.msg)).uid.startsWith(uid));
  const network = new MemoryNetwork();
  const second = "QmepdsodwtF9C6Czj1Y1UsUFBirKRtk3W6dRH3rQvFbhmg";
  const prefix = "tiny-split";
  serve(network, "first", { prefix, range: { start: 0, end: 2 }, streams: of("tiny-split.0") });
  const blocks = serve(network, second, { prefix, range: { start: 2, end: 4 }, streams: of("tiny-split.2") });
  const client = network.join(CLIENT);
  for (const [i, early] of of("tiny-split.0").entries()) {
    const late = of("tiny-split.2")[i]!;
    const one = await client.callStream("first", `${P}rpc_inference`, never);
    const two = await client.callStream(second, `${P}rpc_inference`, never);
    for (let at = 0; early[at]!.marker === "00" && early[at]!.msg !== ""; at += 2) {
      await one.send(bytesOf(early[at]!.msg));
      assertEquals(toHex((await one.receive(never))!), early[at + 1]!.msg);
      await settle(); // the push arrives before the client's own copy
      await two.send(bytesOf(late[at]!.msg));
      assertEquals(toHex((await two.receive(never))!), late[at + 1]!.msg);
    }
    await two.endRequests();
    assertEquals(await two.receive(never), undefined);
    await one.endRequests();
  }
  const pushes = network.calls.filter((call) => call.endsWith("rpc_push"));
  assertEquals([pushes.length, blocks.asked.length], [4, 6]);
});
