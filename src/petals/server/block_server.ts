/**
 * Serving loaded blocks to clients of Petals.
 *
 * @module
 */
import { openDeadline, openFirstOf, orAbort } from "../../base/deadline.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import { lengthOf, type PeerId } from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { LoadedBlocks } from "../../compute/backend.ts";
import type { Rpc, RpcContext, StreamHandler, UnaryHandler } from "../../p2p/rpc.ts";
import type { StepObserver } from "../report.ts";
import { parseSpan, requirePrefix } from "../uid.ts";
import { idOf } from "../wire/metadata.ts";
import { ByteBudget } from "./byte_budget.ts";
import { CacheBudget } from "./cache_budget.ts";
import { serveForward, serveForwardStream } from "./forward.ts";
import { Gate } from "./gate.ts";
import { readIncoming, serveInference } from "./inference.ts";
import { answerInfo } from "./info.ts";
import {
  FORWARDS_AT_ONCE,
  MAX_WAITING_FORWARDS,
  MAX_WAITING_FORWARDS_OF_PEER,
  maxRequestBytes,
  type ServerLimits,
} from "./limits.ts";
import { PUSH_METHOD, PushSender } from "./push.ts";
import { PushBoard } from "./push_board.ts";
import { serveReachability } from "./reachability.ts";
import type { Serving } from "./serving.ts";

const HANDLER = "TransformerConnectionHandler";
/** How long open calls may take to say goodbye. */
const GOODBYE_MS = 2_000;

/** What is served, and how. */
export interface BlockServerOptions {
  readonly rpc: Rpc;
  /** Disposed by who loaded them, after the server. */
  readonly blocks: LoadedBlocks;
  readonly prefix: string;
  /** As clients and maps show it. */
  readonly version: string;
  /** Whether this node takes no part in storing the DHT. */
  readonly clientMode: boolean;
  readonly limits: ServerLimits;
  /** Is told of each step, before it is computed and before its reply goes out: it must not take long. */
  readonly observer: StepObserver;
  /** Asked before a call is let in; absent is yes to all. */
  readonly willing?: (peer: PeerId) => Willingness;
}

/** How much work is taken now. */
export interface Willingness {
  /** Of the sessions taken otherwise: 0 takes none, and lets those that are open finish. */
  readonly share: number;
  /** Why it is less than 1, for callers. */
  readonly words: string;
}

/** Blocks that others can call. Disposing it ends open sessions with words. */
export interface BlockServer extends AsyncDisposable {
  /** Open `rpc_inference` streams. */
  readonly sessions: number;
  /** Free tokens × blocks, as `rpc_info` says it. */
  readonly cacheTokensAvailable: number;
  /** What a record in the DHT says: keys and values count apart. */
  readonly cacheTokensLeft: number;
}

/** Registers all methods of Petals at `rpc`. Throws `NodeError` `usage` for a bad prefix. */
export function openBlockServer(world: World, options: BlockServerOptions): BlockServer {
  const { rpc, blocks, prefix, version, clientMode } = options;
  requirePrefix(prefix);
  const log = world.log.child("petals");
  const handlers = new DisposableStack();
  const pushes = handlers.use(new PushSender({ ...world, log }, rpc, prefix));
  const serving = servingOf({ ...world, log }, options, pushes);
  const calls = new OpenCalls(world, options.limits, options.willing ?? (() => WILLING));
  const unary = (method: string, handler: UnaryHandler) =>
    handlers.use(rpc.serveUnary(method, calls.unary(handler)));
  const stream = (method: string, handler: StreamHandler) =>
    handlers.use(rpc.serveStream(method, calls.stream(handler)));

  unary(`${HANDLER}.rpc_info`, (request) => {
    const source = { prefix, version, clientMode, blocks, cacheTokensAvailable: serving.cache.free };
    return Promise.resolve(answerInfo(request, source));
  });
  unary(`${HANDLER}.rpc_forward`, (request, context) => {
    calls.requireWilling(context.peer);
    return serveForward(serving, request, context);
  });
  stream(`${HANDLER}.rpc_forward_stream`, (requests, context) => {
    calls.requireWilling(context.peer);
    return serveForwardStream(serving, requests, context);
  });
  stream(
    `${HANDLER}.rpc_inference`,
    (requests, context) => calls.session(context, () => serveInference(serving, requests, context)),
  );
  unary(PUSH_METHOD, (request) => {
    takePush(serving, request);
    return Promise.resolve(new Uint8Array(0));
  });
  unary(`${HANDLER}.rpc_backward`, () => Promise.reject(noBackward()));
  // deno-lint-ignore require-yield -- it only refuses
  stream(`${HANDLER}.rpc_backward_stream`, async function* () {
    await Promise.reject(noBackward());
  });
  handlers.use(serveReachability({ ...world, log }, rpc));

  return {
    get sessions() {
      return calls.sessions;
    },
    get cacheTokensAvailable() {
      return serving.cache.free;
    },
    get cacheTokensLeft() {
      return 2 * serving.cache.free;
    },
    [Symbol.asyncDispose]: async () => {
      handlers.dispose();
      await calls.end();
    },
  };
}

function servingOf(world: World, options: BlockServerOptions, pushes: PushSender): Serving {
  const { blocks, limits, prefix } = options;
  const maxBytes = maxRequestBytes(limits, blocks.hiddenSize);
  const totalBytes = Math.max(limits.requestBytes, 2 * maxBytes);
  return {
    world,
    blocks,
    rules: {
      prefix,
      served: blocks.range,
      hiddenSize: blocks.hiddenSize,
      maxLength: limits.maxLength,
      maxTokens: limits.maxLength,
      maxBytes,
    },
    cache: new CacheBudget(
      world.clock,
      limits.cacheTokens * lengthOf(blocks.range),
      blocks.cacheBytesPerToken,
    ),
    requestBytes: new ByteBudget(totalBytes, Math.max(totalBytes / 2, maxBytes)),
    forwards: new Gate({
      atOnce: FORWARDS_AT_ONCE,
      waiting: MAX_WAITING_FORWARDS,
      waitingOfPeer: MAX_WAITING_FORWARDS_OF_PEER,
    }),
    inboxes: new PushBoard(),
    pushes,
    observer: harmless(world, options.observer),
  };
}

/** An observer whose failures are logged and nothing else. */
function harmless(world: World, observer: StepObserver): StepObserver {
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      world.log.warn("Step not reported", { reason: messageOf(error) });
      return undefined;
    }
  };
  return {
    begin: () => attempt(() => observer.begin()),
    report: (step) => attempt(() => observer.report(step)),
    energyOf: (session) => attempt(() => observer.energyOf?.(session)),
  };
}

/** Gives another server's output to the session it names. Throws `NodeError` `refused`, `not_found`, `malformed`. */
function takePush(serving: Serving, request: Uint8Array): void {
  const incoming = readIncoming(request);
  parseSpan(incoming.request.uid, serving.rules.prefix, serving.rules.served);
  const session = idOf(incoming.metadata, "session_id");
  if (session === undefined) throw new NodeError("not_found", "session_id");
  if (!serving.inboxes.deliver(session, incoming)) {
    serving.world.log.debug("Push without a place dropped", { bytes: incoming.bytes });
  }
}

const noBackward = () => new NodeError("unsupported", "rpc_backward is not supported by this server");

const WILLING: Willingness = { share: 1, words: "" };

/** All calls under way, so that they can be ended with words. */
class OpenCalls {
  sessions = 0;
  #calls = 0;
  #idle = () => {};
  readonly #sessionsOf = new Map<PeerId, number>();
  readonly #leaving = new AbortController();
  constructor(
    readonly world: World,
    readonly limits: ServerLimits,
    readonly willing: (peer: PeerId) => Willingness,
  ) {}

  /** Throws `NodeError` `busy` while no work is taken. */
  requireWilling(peer: PeerId): void {
    const { share, words } = this.willing(peer);
    if (share === 0) throw new NodeError("busy", `Cannot take work now: ${words}, ask another server`);
  }

  unary(handler: UnaryHandler): UnaryHandler {
    return async (request, context) => {
      using call = this.#enter(context);
      return await handler(request, call.context);
    };
  }

  stream(handler: StreamHandler): StreamHandler {
    const enter = (context: RpcContext) => this.#enter(context);
    return async function* (requests, context) {
      using call = enter(context);
      yield* handler(requests, call.context);
    };
  }

  /** Counts a session while it is served. Throws `NodeError` `busy` when there are too many. */
  async *session(context: RpcContext, serve: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { peer } = context;
    const ofPeer = this.#sessionsOf.get(peer) ?? 0;
    this.requireWilling(peer);
    const { share, words } = this.willing(peer);
    if (share < 1 && this.sessions >= Math.max(1, Math.floor(share * this.limits.sessions))) {
      throw new NodeError(
        "busy",
        `Cannot open a session: ${this.sessions} are open, and the server is ${words}`,
      );
    }
    if (this.sessions >= this.limits.sessions || ofPeer >= this.limits.sessionsPerPeer) {
      throw new NodeError("busy", `Cannot open a session: ${this.sessions} are open, wanted fewer`);
    }
    this.sessions++;
    this.#sessionsOf.set(peer, ofPeer + 1);
    try {
      yield* serve();
    } finally {
      this.sessions--;
      const left = this.#sessionsOf.get(peer)! - 1;
      if (left > 0) this.#sessionsOf.set(peer, left);
      else this.#sessionsOf.delete(peer);
    }
  }

  /** Ends all calls and waits until they are, for two seconds at most. */
  async end(): Promise<void> {
    this.#leaving.abort(new NodeError("aborted", "The server is leaving, ask another one"));
    if (this.#calls === 0) return;
    using deadline = openDeadline(this.world.clock, GOODBYE_MS, "end all calls");
    const idle = new Promise<void>((resolve) => this.#idle = resolve);
    await orAbort(idle, deadline.signal).catch(() => {
      this.world.log.warn("Calls still open at the end", { calls: this.#calls });
    });
  }

  /** Counts a call until disposed; its context's signal aborts also when the server leaves. */
  #enter(context: RpcContext): Disposable & { readonly context: RpcContext } {
    this.#leaving.signal.throwIfAborted();
    const either = openFirstOf(context.signal, this.#leaving.signal);
    this.#calls++;
    return {
      context: { ...context, signal: either.signal },
      [Symbol.dispose]: () => {
        either[Symbol.dispose]();
        if (--this.#calls === 0) this.#idle();
      },
    };
  }
}
