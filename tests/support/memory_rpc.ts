/** Peers in one process, without a network: each peer's handlers are called through queues, with optional delay and loss. */
import { messageOf, NodeError } from "../../src/base/errors.ts";
import type { PeerId } from "../../src/base/tensor.ts";
import type { Clock } from "../../src/base/world.ts";
import type { Rpc, RpcStream, StreamHandler, UnaryHandler } from "../../src/p2p/rpc.ts";

export interface MemoryNetworkOptions {
  /** One-way delay on `clock`. */
  readonly delayMs?: number;
  readonly clock?: Clock;
  /** Whether a call from `from` to `to` is lost: it then throws `unreachable`. */
  readonly lost?: (from: PeerId, to: PeerId, method: string) => boolean;
}

/** Where the peers of a test live. */
export class MemoryNetwork {
  readonly peers = new Map<PeerId, MemoryRpc>();
  /** Calls made, as `from to method`. */
  readonly calls: string[] = [];
  constructor(readonly options: MemoryNetworkOptions = {}) {}

  join(self: PeerId): MemoryRpc {
    const rpc = new MemoryRpc(this, self);
    this.peers.set(self, rpc);
    return rpc;
  }

  /** From now on nobody reaches `peer`. */
  remove(peer: PeerId): void {
    this.peers.delete(peer);
  }
}

/** A queue that is awaited. */
class Queue<T> {
  #items: T[] = [];
  #wake: () => void = () => {};
  ended = false;
  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }
  end(): void {
    this.ended = true;
    this.#wake();
  }
  async next(signal?: AbortSignal): Promise<T | undefined> {
    while (this.#items.length === 0 && !this.ended) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    return this.#items.shift();
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let item = await this.next(); item !== undefined; item = await this.next()) yield item;
  }
}

export class MemoryRpc implements Rpc {
  readonly #unary = new Map<string, UnaryHandler>();
  readonly #stream = new Map<string, StreamHandler>();
  constructor(readonly network: MemoryNetwork, readonly self: PeerId) {}

  serveUnary(method: string, handler: UnaryHandler): Disposable {
    return register(this.#unary, method, handler);
  }
  serveStream(method: string, handler: StreamHandler): Disposable {
    return register(this.#stream, method, handler);
  }

  async callUnary(
    peer: PeerId,
    method: string,
    request: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const handler = (await this.#reach(peer, method, signal)).#unary.get(method);
    if (handler === undefined) throw refused(peer, method);
    try {
      const reply = await handler(request.slice(), { peer: this.self, signal });
      await this.#delay(signal);
      return reply.slice();
    } catch (error) {
      signal.throwIfAborted();
      throw new NodeError("remote", messageOf(error));
    }
  }

  async callStream(peer: PeerId, method: string, signal: AbortSignal): Promise<RpcStream> {
    const handler = (await this.#reach(peer, method, signal)).#stream.get(method);
    if (handler === undefined) throw refused(peer, method);
    const requests = new Queue<Uint8Array>();
    const replies = new Queue<Uint8Array | Error>();
    const left = new AbortController();
    const gone = () => {
      left.abort(new NodeError("aborted", "The caller left"));
      requests.end();
    };
    signal.addEventListener("abort", gone, { once: true });
    (async () => {
      try {
        for await (const reply of handler(requests, { peer: this.self, signal: left.signal })) {
          replies.push(reply.slice());
        }
      } catch (error) {
        replies.push(new NodeError("remote", messageOf(error)));
      }
      replies.end();
    })();
    return {
      send: (message) => {
        requests.push(message.slice());
        return Promise.resolve();
      },
      receive: async (signal) => {
        const reply = await replies.next(signal);
        if (reply instanceof Error) throw reply;
        return reply;
      },
      endRequests: () => {
        requests.end();
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => {
        gone();
        return Promise.resolve();
      },
    };
  }

  async #reach(peer: PeerId, method: string, signal: AbortSignal): Promise<MemoryRpc> {
    signal.throwIfAborted();
    this.network.calls.push(`${this.self} ${peer} ${method}`);
    await this.#delay(signal);
    const other = this.network.peers.get(peer);
    if (
      other === undefined || !this.network.peers.has(this.self) ||
      this.network.options.lost?.(this.self, peer, method)
    ) {
      throw new NodeError("unreachable", `Cannot reach ${peer}: it is not there`);
    }
    return other;
  }

  async #delay(signal: AbortSignal): Promise<void> {
    const { delayMs, clock } = this.network.options;
    if (delayMs !== undefined && clock !== undefined) await clock.sleep(delayMs, signal);
  }
}

function register<T>(map: Map<string, T>, method: string, handler: T): Disposable {
  if (map.has(method)) throw new RangeError(`Cannot serve ${method}: it is served already`);
  map.set(method, handler);
  return { [Symbol.dispose]: () => void map.delete(method) };
}
const refused = (peer: PeerId, method: string) =>
  new NodeError("refused", `Cannot call ${method} at ${peer}: protocol not supported`);
