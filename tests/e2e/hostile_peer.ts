/** A peer that keeps no rules: streams of any bytes, and the pieces that hostile requests are made of. */
import { concatBytes } from "../../src/base/bytes.ts";
import { pack, type Packable } from "../../src/base/msgpack.ts";
import { ProtoWriter } from "../../src/base/protobuf.ts";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { fromFloat32, type Tensor } from "../../src/base/tensor.ts";
import { createIdentity } from "../../src/identity/keys.ts";
import { type Host, openHost } from "../../src/p2p/host.ts";
import type { RpcStream } from "../../src/p2p/rpc.ts";
import { encodeExpertRequest } from "../../src/petals/wire/expert.ts";
import { argumentsStructure } from "../../src/petals/wire/metadata.ts";
import { encodeTensor } from "../../src/petals/wire/tensor.ts";

const HANDLER = "TransformerConnectionHandler";
/** Methods by short names. */
export const METHODS = {
  inference: `${HANDLER}.rpc_inference`,
  forward: `${HANDLER}.rpc_forward`,
  forwardStream: `${HANDLER}.rpc_forward_stream`,
  push: `${HANDLER}.rpc_push`,
  info: `${HANDLER}.rpc_info`,
  backward: `${HANDLER}.rpc_backward`,
  check: "ReachabilityProtocol.rpc_check",
  ping: "DHTProtocol.rpc_ping",
  store: "DHTProtocol.rpc_store",
  find: "DHTProtocol.rpc_find",
} as const;

const world = openSystemWorld({ level: "error", json: false });

/** Longest wait of a stranger for one answer. */
export const PATIENCE_MS = 60_000;
export const soon = (ms = PATIENCE_MS): AbortSignal => AbortSignal.timeout(ms);

/** A stream of libp2p as it is. */
interface Libp2pStream extends EventTarget {
  send(bytes: Uint8Array): boolean;
  close(): Promise<void>;
  closeRead(): Promise<void>;
  onDrain(): Promise<void>;
  pause(): void;
  abort(error: Error): void;
}
interface Libp2pConnection {
  readonly remotePeer: unknown;
  newStream(protocol: string, options?: { maxOutboundStreams?: number }): Promise<Libp2pStream>;
  abort(error: Error): void;
  close(): Promise<void>;
}

/** A stream whose owner sees and does everything. */
export class RawStream {
  readonly #chunks: Uint8Array[] = [];
  /** Resolves when nothing more comes: closed by the node, reset, or lost. */
  readonly ended: Promise<void>;

  constructor(readonly stream: Libp2pStream) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    stream.addEventListener("message", (event) => {
      const { data } = event as unknown as { data: { subarray(): Uint8Array } };
      this.#chunks.push(new Uint8Array(data.subarray()));
    });
    stream.addEventListener("remoteCloseWrite", () => resolve());
    stream.addEventListener("close", () => resolve());
  }

  /** Everything that came so far. */
  get received(): Uint8Array {
    return concatBytes(...this.#chunks);
  }

  /** Sends bytes, waiting while the node takes none; `false` when the node ended the stream meanwhile. */
  async send(bytes: Uint8Array): Promise<boolean> {
    try {
      if (!this.stream.send(bytes)) await Promise.race([this.stream.onDrain(), this.ended]);
      return true;
    } catch {
      return false;
    }
  }

  /** What the node says until it ends the stream, or until `ms` have passed. */
  async answer(ms = PATIENCE_MS): Promise<Uint8Array> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the stream is still open after ${ms} ms`)), ms);
    });
    try {
      await Promise.race([this.ended, late]);
    } finally {
      clearTimeout(timer);
    }
    return this.received;
  }

  abort(): void {
    this.stream.abort(new Error("gone"));
  }
}

/** A peer of the node at an address. */
export class Stranger implements AsyncDisposable {
  private constructor(readonly host: Host, readonly peer: string, readonly address: string) {}

  static async open(address: string): Promise<Stranger> {
    await using parts = new AsyncDisposableStack();
    const host = parts.use(
      await openHost(world, { identity: await createIdentity(), listen: [], agent: "kwaainet/hostile" }),
    );
    const peer = await host.dial(address, soon());
    parts.move();
    return new Stranger(host, peer, address);
  }

  get self(): string {
    return this.host.self;
  }

  /** One call in good order. */
  call(method: string, request: Uint8Array, ms?: number): Promise<Uint8Array> {
    return this.host.callUnary(this.peer, method, request, soon(ms));
  }

  /** The words by which the node refuses a call; throws when it does not. */
  async refusal(method: string, request: Uint8Array): Promise<string> {
    try {
      await this.call(method, request);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`${method} was answered`);
  }

  /** A stream in good order. */
  stream(method: string): Promise<RpcStream> {
    return this.host.callStream(this.peer, method, soon());
  }

  /** A stream of any bytes. */
  async raw(method: string): Promise<RawStream> {
    return new RawStream(await this.#connection().newStream(method, { maxOutboundStreams: 100_000 }));
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.#connection().abort(new Error("cut"));
  }

  #connection(): Libp2pConnection {
    const { node } = this.host as unknown as { node: { getConnections(): Libp2pConnection[] } };
    const found = node.getConnections().find(({ remotePeer }) => String(remotePeer) === this.peer);
    if (found === undefined) throw new Error("the connection is gone");
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
  }
}

/** Small hidden states `[batch, tokens, 64]`. */
export function hidden(batch: number, tokens: number, width = 64): Tensor {
  const data = Float32Array.from({ length: batch * tokens * width }, (_, i) => (i % 13 - 6) / 8);
  return fromFloat32(data, [batch, tokens, width], "float32");
}

export const NO_PROMPTS: Tensor = { dtype: "float32", shape: [0], data: new Uint8Array(0) };
export const NO_ORDER: Tensor = { dtype: "int64", shape: [0], data: new Uint8Array(0) };
/** All blocks of the tiny model. */
export const UID = "tiny-hf.0 tiny-hf.1 tiny-hf.2 tiny-hf.3";

/** Messages of inference's three tensors. */
export const stepTensors = (input: Tensor): Uint8Array[] =>
  [input, NO_PROMPTS, NO_ORDER].map((tensor) => encodeTensor(tensor));

/** An expert request of whatever parts. */
export function request(
  { uid = UID, tensors, metadata = {} }: {
    readonly uid?: string;
    readonly tensors: readonly Uint8Array[];
    readonly metadata?: Packable | Record<string, Packable>;
  },
): Uint8Array {
  return encodeExpertRequest({ uid, tensors, metadata: pack(metadata) });
}

/** The first request of a session in good order. */
export const opening = (
  { input = hidden(1, 1), ...metadata }: { readonly input?: Tensor } & Record<string, unknown> = {},
): Uint8Array =>
  request({
    tensors: stepTensors(input),
    metadata: {
      session_id: crypto.randomUUID(),
      step_id: crypto.randomUUID(),
      max_length: 16,
      args_structure: argumentsStructure(3),
      ...metadata as Record<string, Packable>,
    },
  });

/** A `runtime.Tensor` of whatever fields. */
export function tensorMessage(
  { buffer = new Uint8Array(0), shape = [], dtype = "float32", compression = 0 }: {
    readonly buffer?: Uint8Array;
    readonly shape?: readonly number[];
    readonly dtype?: string;
    readonly compression?: number;
  },
): Uint8Array {
  return new ProtoWriter().bytes(1, buffer).packedUint(2, shape).text(4, dtype).uint(5, compression).finish();
}
