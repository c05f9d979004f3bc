/**
 * `rpc_inference`: steps over an attention cache that lives as long as the stream.
 *
 * @module
 */
import { openDeadline, orAbort } from "../../base/deadline.ts";
import { codeOf, messageOf } from "../../base/errors.ts";
import { type Activations, fromFloat32, lengthOf } from "../../base/tensor.ts";
import type { KvCache } from "../../compute/backend.ts";
import type { RpcContext } from "../../p2p/rpc.ts";
import { addCpu, noWork, type StepWork } from "../report.ts";
import { encodeSessionEnergy } from "../wire/energy.ts";
import { decodeExpertRequest, encodeExpertResponse } from "../wire/expert.ts";
import { readMetadata } from "../wire/metadata.ts";
import { encodeTensor } from "../wire/tensor.ts";
import { SESSION_MS, STEP_MS } from "./limits.ts";
import type { PushInbox } from "./push_board.ts";
import type { Serving } from "./serving.ts";
import { type Incoming, Session, termsOf } from "./session.ts";

/** Reads a request and its metadata. Throws `NodeError` `malformed`, `too_large`. */
export function readIncoming(bytes: Uint8Array): Incoming {
  const request = decodeExpertRequest(bytes);
  return { request, metadata: readMetadata(request.metadata), bytes: bytes.length };
}

/**
 * Serves one session: replies in the order of steps, whichever way they came. Ends with the empty request, the end of
 * the requests, or by throwing words.
 */
export async function* serveInference(
  serving: Serving,
  requests: AsyncIterable<Uint8Array>,
  context: RpcContext,
): AsyncGenerator<Uint8Array> {
  using life = openDeadline(serving.world.clock, SESSION_MS, "go on with the session", context.signal);
  const arrivals = new Arrivals(serving, requests[Symbol.asyncIterator](), {
    ...context,
    signal: life.signal,
  });
  try {
    const first = await arrivals.next();
    if (first === undefined) return;
    const terms = termsOf(first, serving.rules);
    await using parts = new AsyncDisposableStack();
    const cost = terms.batch * terms.maxLength * lengthOf(terms.range);
    const held = await serving.cache.take(cost, terms.allocationMs, life.signal);
    parts.defer(() => Promise.resolve(held[Symbol.dispose]()));
    arrivals.inbox = parts.use(serving.inboxes.open(terms.id));
    // a session of no positions may only do steps of no tokens: nothing to hold
    const cache = terms.maxLength === 0
      ? undefined
      : await serving.blocks.openCache({ ...terms, capacity: terms.maxLength }, life.signal);
    parts.defer(() => free(serving, cache));
    const session = new Session(terms, serving.rules);
    const run: Run = { serving, session, cache, context, signal: life.signal };
    for (let step: Incoming | undefined = first; step !== undefined; step = await arrivals.next()) {
      const reply = await answer(run, step);
      if (reply === "end") return;
      if (reply !== "repeated") yield reply;
    }
  } finally {
    arrivals.leave();
  }
}

/** Frees a cache. What a dead engine throws must not hide the words the session ended in. */
async function free({ world }: Serving, cache: KvCache | undefined): Promise<void> {
  try {
    await cache?.[Symbol.asyncDispose]();
  } catch (error) {
    world.log.debug("Cache not freed", { reason: messageOf(error) });
  }
}

/** What is at work in one session. */
interface Run {
  readonly serving: Serving;
  readonly session: Session;
  readonly cache: KvCache | undefined;
  readonly context: RpcContext;
  readonly signal: AbortSignal;
}

/** The reply to one request; reports it either way. */
async function answer(run: Run, step: Incoming): Promise<Uint8Array | "end" | "repeated"> {
  const { serving: { world, observer }, session: { terms }, context } = run;
  const startedAtMs = world.clock.now();
  const done = noWork();
  const tell = (outcome: "ok" | ReturnType<typeof codeOf>) =>
    observer.report({
      method: "inference",
      session: terms.id,
      peer: context.peer,
      blocks: terms.range,
      bytesIn: step.bytes,
      startedAtMs,
      outcome,
      ...done,
    });
  try {
    const decision = run.session.accept(step);
    if (decision.kind !== "step") return decision.kind;
    const { input, prompts } = decision.step;
    const began = world.clock.monotonic();
    done.phase = input.tokens > 1 ? "prefill" : "decode";
    const values = await compute(run, decision.step, done);
    done.computeMs = world.clock.monotonic() - began;
    const shape = [input.batch, input.tokens, input.hidden];
    const output = encodeTensor(fromFloat32(values, shape, run.serving.blocks.dtype));
    done.tokens = input.batch * input.tokens;
    if (prompts === undefined) run.serving.pushes.send(step, decision.hiddenPlace, output);
    const energy = terms.asksForEnergy && terms.id !== undefined ? observer.energyOf?.(terms.id) : undefined;
    const metadata = energy && encodeSessionEnergy(energy);
    const reply = encodeExpertResponse({ tensors: [output], metadata });
    done.bytesOut = reply.length;
    tell("ok");
    return reply;
  } catch (error) {
    tell(codeOf(error, "remote"));
    throw error;
  }
}

function compute(
  { serving, cache, signal }: Run,
  step: { readonly input: Activations },
  done: StepWork,
): Promise<Float32Array<ArrayBuffer>> {
  if (step.input.tokens === 0 || cache === undefined) return Promise.resolve(new Float32Array(0));
  done.mark = serving.observer.begin();
  return serving.blocks.step({ ...step, spent: (cpuMs) => addCpu(done, cpuMs) }, cache, signal);
}

/** Requests of the stream and of other servers, whichever comes first; each is held until the next is asked for. */
class Arrivals {
  inbox: PushInbox | undefined;
  #reading: Promise<IteratorResult<Uint8Array>> | undefined;
  #held: Disposable | undefined;

  constructor(
    readonly serving: Serving,
    readonly stream: AsyncIterator<Uint8Array>,
    readonly context: RpcContext,
  ) {}

  /**
   * The next request; `undefined` at the end of the stream. Throws `NodeError` `timeout` after 300 s, `busy` when too
   * many bytes are held already, or as the stream and the decoders do.
   */
  async next(): Promise<Incoming | undefined> {
    this.#held?.[Symbol.dispose]();
    const incoming = this.inbox?.take() ?? await this.#arrived();
    if (incoming !== undefined) {
      this.#held = this.serving.requestBytes.hold(this.context.peer, incoming.bytes);
    }
    return incoming;
  }

  async #arrived(): Promise<Incoming | undefined> {
    const { clock } = this.serving.world;
    using patience = openDeadline(clock, STEP_MS, "wait for the next step", this.context.signal);
    const reading = this.#reading ??= this.stream.next();
    const arrival = this.inbox?.arrival() ?? new Promise<void>(() => {});
    const first = await orAbort(Promise.race([reading, arrival]), patience.signal);
    if (first === undefined) return this.inbox?.take();
    this.#reading = undefined;
    return first.done ? undefined : readIncoming(first.value);
  }

  /** Stops reading; never waits for a stream that is silent. */
  leave(): void {
    this.#held?.[Symbol.dispose]();
    this.#reading?.catch(() => {});
    this.stream.return?.()?.catch(() => {});
  }
}
