/**
 * A session at one Petals server: the client's side of `rpc_inference`.
 *
 * @module
 */
import { type Deadline, openDeadline, orAbort } from "../../base/deadline.ts";
import { codeOf, messageOf, NodeError, wordsOf } from "../../base/errors.ts";
import { Float, pack, type Packable } from "../../base/msgpack.ts";
import {
  type Activations,
  type BlockRange,
  elementsOf,
  type FloatDType,
  fromFloat32,
  type PeerId,
  type Tensor,
  toFloat32,
} from "../../base/tensor.ts";
import type { World } from "../../base/world.ts";
import type { Rpc, RpcStream } from "../../p2p/rpc.ts";
import type { SessionEnergy } from "../report.ts";
import { spanUid } from "../uid.ts";
import { decodeSessionEnergy, ENERGY_KEY } from "../wire/energy.ts";
import {
  decodeExpertResponse,
  encodeExpertRequest,
  END_OF_SESSION,
  type ExpertRequest,
  type ExpertResponse,
} from "../wire/expert.ts";
import { argumentsStructure, type NextServer, packNextServers } from "../wire/metadata.ts";
import { decodeTensor, encodeTensor, parseTensor } from "../wire/tensor.ts";
import type { HopStep, OpenHop, SessionSize } from "./hop.ts";
import { uuid } from "./uuid.ts";

const METHOD = "TransformerConnectionHandler.rpc_inference";
/** Connecting; petals 2.2 `connect_timeout`. */
const CONNECT_MS = 5_000;
/** One step of one server, its queue included; petals 2.2 `step_timeout` of a server. */
const STEP_MS = 300_000;
/** How long a server may take to say good-bye. */
const CLOSE_MS = 1_000;
/** Replies read after the end of a session: one of a step that was given up, and one for good measure. */
const LATE_REPLIES = 2;

/** "Not given" of deep prompts and of the order of beams (petals 2.2 `DUMMY`, `DUMMY_INT64`). */
const NO_PROMPTS: Tensor = { dtype: "float32", shape: [0], data: new Uint8Array(0) };
const NO_ORDER: Tensor = { dtype: "int64", shape: [0], data: new Uint8Array(0) };

/** Whom to ask for what. */
export interface RemoteSpan {
  readonly peerId: PeerId;
  readonly prefix: string;
  readonly blocks: BlockRange;
  /** Type the server computes in; hidden states travel in it. Anything but `float16` and `bfloat16` is `float32`. */
  readonly torchDtype?: string | undefined;
  /** Whether the server is asked what the session costs it; stock servers overlook the question. */
  readonly asksForEnergy?: boolean;
}

/** What a request of a session says. */
export interface StepRequest {
  readonly span: RemoteSpan;
  readonly sessionId: string;
  readonly step: HopStep;
  /** Present in a session's first request. */
  readonly maxLength?: number;
  /** With it: how long the session may wait for memory, ms. */
  readonly allocationMs?: number | undefined;
}

/** The bytes of a request, as the stock client of petals 2.2 writes them (vectors `petals_inference_streams`). */
export function encodeStep(request: StepRequest, hidden: Tensor): Uint8Array {
  const { span, sessionId, step, maxLength, allocationMs } = request;
  const first = maxLength === undefined ? {} : {
    max_length: maxLength,
    points: new Float(0),
    active_adapter: null,
    ...(allocationMs !== undefined && { alloc_timeout: new Float(allocationMs / 1000) }),
    ...(span.asksForEnergy && { [ENERGY_KEY]: true }),
  };
  const next = step.next.length === 0 ? {} : { next_servers: packNextServers(step.next) };
  const metadata: Record<string, Packable> = {
    session_id: sessionId,
    step_id: step.stepId,
    ...first,
    ...(step.startFrom === undefined ? {} : { start_from_position: step.startFrom }),
    ...next,
    args_structure: argumentsStructure(3),
  };
  const message: ExpertRequest = {
    uid: spanUid(span.prefix, span.blocks),
    tensors: [hidden, NO_PROMPTS, NO_ORDER].map((tensor) => encodeTensor(tensor)),
    metadata: pack(metadata),
  };
  return encodeExpertRequest(message);
}

/** A reply as it was read. */
export interface StepReply {
  readonly output: Activations;
  /** What the server says the session cost so far. */
  readonly energy: SessionEnergy | undefined;
}

/** The hidden states of a reply, which must have the shape of `input`. Whatever else it is: `NodeError` `malformed`. */
export function decodeStep(bytes: Uint8Array, input: Activations): StepReply {
  try {
    const reply = decodeExpertResponse(bytes);
    return {
      output: { ...input, data: hiddenStatesIn(reply, input) },
      energy: energyIn(reply.metadata),
    };
  } catch (error) {
    if (!(error instanceof NodeError) || error.code === "malformed") throw error;
    throw new NodeError("malformed", error.message, { cause: error });
  }
}

/** What comes beside hidden states is another server's own affair: whatever cannot be read says nothing of energy. */
function energyIn(metadata: Uint8Array | undefined): SessionEnergy | undefined {
  try {
    return metadata && decodeSessionEnergy(metadata);
  } catch (error) {
    if (error instanceof NodeError) return undefined;
    throw error;
  }
}

function hiddenStatesIn(
  { tensors: [tensor, ...more] }: ExpertResponse,
  { batch, tokens, hidden }: Activations,
): Float32Array<ArrayBuffer> {
  if (tensor === undefined || more.length > 0) throw notHidden("not one tensor");
  const { shape, dtype } = parseTensor(tensor);
  if (shape.length !== 3 || shape[0] !== batch || shape[1] !== tokens || shape[2] !== hidden) {
    throw notHidden(`shape [${shape}], wanted [${[batch, tokens, hidden]}]`);
  }
  if (dtype !== "float32" && dtype !== "float16" && dtype !== "bfloat16") {
    throw notHidden(`type ${JSON.stringify(dtype.slice(0, 40))}, wanted floating point`);
  }
  const values = toFloat32(decodeTensor(tensor, 4 * elementsOf(shape)));
  if (!values.every(Number.isFinite)) throw notHidden("a value that is not finite");
  return values;
}

const notHidden = (what: string) => new NodeError("malformed", `Cannot read hidden states: ${what}`);

/** Connects to a server. Throws `NodeError` that names it. */
export async function openRemoteHop(
  world: World,
  rpc: Rpc,
  target: { readonly span: RemoteSpan; readonly size: SessionSize },
  signal: AbortSignal,
): Promise<OpenHop> {
  const { span } = target;
  const life = new AbortController();
  const what = `connect to ${span.peerId} for blocks ${span.blocks.start}:${span.blocks.end}`;
  using deadline = openDeadline(world.clock, CONNECT_MS, what, signal);
  const opening = rpc.callStream(span.peerId, METHOD, life.signal);
  try {
    const stream = await orAbort(opening, deadline.signal);
    return new RemoteHop(world, { ...target, stream, life });
  } catch (error) {
    life.abort(error);
    opening.then((late) => late[Symbol.asyncDispose]()).catch(() => {});
    throw named(error, deadline, { what, peerId: span.peerId });
  }
}

/** What a session owns. `life` ends the whole call. */
interface RemoteCall {
  readonly span: RemoteSpan;
  readonly size: SessionSize;
  readonly stream: RpcStream;
  readonly life: AbortController;
}

class RemoteHop implements OpenHop {
  readonly peerId: PeerId;
  readonly blocks: BlockRange;
  energy: SessionEnergy | undefined;
  readonly #world: World;
  readonly #call: RemoteCall;
  readonly #sessionId: string;
  /** `broken` as well while a step is out: whoever leaves in the middle leaves a session of no use. */
  #state: "new" | "open" | "broken" = "new";

  constructor(world: World, call: RemoteCall) {
    this.peerId = call.span.peerId;
    this.blocks = call.span.blocks;
    this.#world = world;
    this.#call = call;
    this.#sessionId = uuid(world);
  }

  get pushTo(): NextServer | undefined {
    const { start, end } = this.blocks;
    return this.#state === "open" ? { peer: this.peerId, sessionId: this.#sessionId, start, end } : undefined;
  }

  async step(input: Activations, step: HopStep, signal: AbortSignal): Promise<Activations> {
    if (this.#state === "broken") throw new RangeError("Cannot go on: an earlier step of this server failed");
    const { span, size, stream } = this.#call;
    const { batch, tokens, hidden } = input;
    const request = encodeStep(
      {
        span,
        sessionId: this.#sessionId,
        step,
        ...(this.#state === "new" && { maxLength: size.maxLength, allocationMs: size.allocationMs }),
      },
      fromFloat32(input.data, [batch, tokens, hidden], floatTypeOf(span.torchDtype)),
    );
    this.#state = "broken";
    const what = `compute blocks ${span.blocks.start}:${span.blocks.end} at ${span.peerId}`;
    using deadline = openDeadline(this.#world.clock, STEP_MS, what, signal);
    try {
      await orAbort(stream.send(request), deadline.signal);
      const reply = await orAbort(stream.receive(deadline.signal), deadline.signal);
      if (reply === undefined) throw new NodeError("unreachable", "it closed the session, wanted an answer");
      const { output, energy } = decodeStep(reply, input);
      this.energy = energy ?? this.energy;
      this.#state = "open";
      return output;
    } catch (error) {
      throw named(error, deadline, { what, peerId: span.peerId });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stream, life } = this.#call;
    using deadline = openDeadline(this.#world.clock, CLOSE_MS, `close the session at ${this.peerId}`);
    try {
      if (this.#state === "open") await orAbort(this.#sayGoodbye(deadline.signal), deadline.signal);
      await orAbort(Promise.resolve(stream[Symbol.asyncDispose]()), deadline.signal);
    } catch (error) {
      this.#world.log.debug("Session not closed in order", { peer: this.peerId, why: messageOf(error) });
    }
    this.#state = "broken";
    life.abort(new NodeError("aborted", "The session is over"));
  }

  /** An empty request; the server closes; then the end frame. It is stock's own order, and frees its cache at once. */
  async #sayGoodbye(signal: AbortSignal): Promise<void> {
    const { stream } = this.#call;
    await stream.send(encodeExpertRequest(END_OF_SESSION));
    for (let late = 0; late < LATE_REPLIES && await stream.receive(signal) !== undefined;) late++;
    await stream.endRequests();
  }
}

const floatTypeOf = (torchDtype: string | undefined): FloatDType =>
  torchDtype === "float16" || torchDtype === "bfloat16" ? torchDtype : "float32";

/** Longest part of a peer's words that is repeated. */
const MAX_WORDS = 500;

/** What a server says that has no room now and would have some if others ended: ours, and petals 2.2. */
const isFull = (words: string): boolean =>
  /Could not allocate \d+ bytes(?:: \d+ sessions wait| immediately| within)|Cannot open a session: \d+ are open|Cannot take work now:/
    .test(words);

/** Whether a failure of ours says what could not be done with the peer: saying that again makes two sentences of one. */
const isAbout = (peerId: PeerId, error: unknown): boolean =>
  error instanceof NodeError && error.code !== "remote" && error.message.split(": ")[0]!.includes(peerId);

/** The failure with the peer's name; its words on one line, so that they cannot play with a terminal. */
function named(
  error: unknown,
  deadline: Deadline,
  { what, peerId }: { readonly what: string; readonly peerId: PeerId },
): unknown {
  if (deadline.signal.aborted) return deadline.signal.reason;
  if (error instanceof TypeError || error instanceof RangeError) return error; // a mistake of ours
  const code = codeOf(error, "unreachable");
  const said = isAbout(peerId, error) ? wordsOf(error) : messageOf(error);
  const words = said.slice(0, MAX_WORDS).replace(/\p{C}+/gu, " ");
  return new NodeError(code === "remote" && isFull(words) ? "busy" : code, `Cannot ${what}: ${words}`, {
    cause: error,
  });
}
