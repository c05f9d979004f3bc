/** Calls of a node's blocks from this process, and what the answers should be. */
import { openSystemWorld } from "../../src/base/system_world.ts";
import { type Activations, type BlockRange, fromFloat32, toFloat32 } from "../../src/base/tensor.ts";
import type { BlockBackend } from "../../src/compute/backend.ts";
import { createIdentity } from "../../src/identity/keys.ts";
import { openModel } from "../../src/model/open_model.ts";
import { type Host, openHost } from "../../src/p2p/host.ts";
import { openRemoteHop } from "../../src/petals/client/remote_hop.ts";
import { uuid } from "../../src/petals/client/uuid.ts";
import { spanUid } from "../../src/petals/uid.ts";
import { decodeExpertResponse, encodeExpertRequest } from "../../src/petals/wire/expert.ts";
import { decodeTensor, encodeTensor } from "../../src/petals/wire/tensor.ts";
import { randomNumbers } from "../support/tiny_model.ts";

/** Longest wait for all answers of one node, which may be emulated. */
const PATIENCE_MS = 120_000;

/** Hidden states for some blocks of the model `prefix`. */
export interface Question {
  readonly prefix: string;
  readonly blocks: BlockRange;
  readonly input: Activations;
}

/** Random hidden states `[1, tokens, hidden]`. */
export function randomInput(tokens: number, hidden: number): Activations {
  const next = randomNumbers(7);
  return { batch: 1, tokens, hidden, data: Float32Array.from({ length: tokens * hidden }, next) };
}

/** What `backend` makes of them in this process, with the model at `path`. */
export async function answerOf(
  backend: BlockBackend,
  path: string,
  { blocks, input }: Question,
): Promise<Float32Array<ArrayBuffer>> {
  const { signal } = new AbortController();
  await using model = await openModel(path, signal);
  await using loaded = await backend.load(model, blocks, { dtype: "auto", threads: 1 }, signal);
  return await loaded.forward({ input }, blocks, signal);
}

/** Of the distances between tokens of `hidden` values, relative to their expected length, the largest one. */
export function relativeError(values: Float32Array, expected: Float32Array, hidden: number): number {
  if (values.length !== expected.length) return Infinity;
  let worst = 0;
  for (let from = 0; from < expected.length; from += hidden) {
    let apart = 0, size = 0;
    for (let at = from; at < from + hidden; at++) {
      apart += (values[at]! - expected[at]!) ** 2;
      size += expected[at]! ** 2;
    }
    // not Math.max alone: a NaN is as wrong as can be
    const error = Math.sqrt(apart / size);
    worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
  }
  return worst;
}

/** A peer of the node at `address`, connected to it. Calls `rpc_forward` and opens sessions. */
export class BlockCaller implements AsyncDisposable {
  static readonly #world = openSystemWorld({ level: "error", json: false });
  readonly #host: Host;
  readonly #peer: string;
  readonly #signal = AbortSignal.timeout(PATIENCE_MS);

  private constructor(host: Host, peer: string) {
    this.#host = host;
    this.#peer = peer;
  }

  static async open(address: string): Promise<BlockCaller> {
    await using parts = new AsyncDisposableStack();
    const identity = await createIdentity();
    const host = parts.use(
      await openHost(this.#world, { identity, listen: [], agent: "kwaainet/test", dialMs: PATIENCE_MS }),
    );
    const peer = await host.dial(address, AbortSignal.timeout(PATIENCE_MS));
    parts.move();
    return new BlockCaller(host, peer);
  }

  /** The answer to one request without memory. */
  async forward({ prefix, blocks, input }: Question): Promise<Float32Array<ArrayBuffer>> {
    const { batch, tokens, hidden, data } = input;
    const request = encodeExpertRequest({
      uid: spanUid(prefix, blocks),
      tensors: [
        fromFloat32(data, [batch, tokens, hidden], "float32"),
        fromFloat32(new Float32Array(0), [0], "float32"),
      ]
        .map((tensor) => encodeTensor(tensor)),
      metadata: new Uint8Array(0),
    });
    const method = "TransformerConnectionHandler.rpc_forward";
    const reply = await this.#host.callUnary(this.#peer, method, request, this.#signal);
    return toFloat32(decodeTensor(decodeExpertResponse(reply).tensors[0]!));
  }

  /** The answers to the steps of one session, `tokens` of the input in each, one after the other. */
  async session(question: Question, tokens: readonly number[]): Promise<Float32Array<ArrayBuffer>> {
    const { prefix, blocks, input } = question;
    const span = { peerId: this.#peer, prefix, blocks };
    const size = { batch: 1, maxLength: input.tokens };
    await using hop = await openRemoteHop(BlockCaller.#world, this.#host, { span, size }, this.#signal);
    const all = new Float32Array(input.data.length);
    let at = 0;
    for (const count of tokens) {
      const from = at * input.hidden, to = (at += count) * input.hidden;
      const step = { stepId: uuid(BlockCaller.#world), next: [] };
      const part = { ...input, tokens: count, data: input.data.slice(from, to) };
      all.set((await hop.step(part, step, this.#signal)).data, from);
    }
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }
}
