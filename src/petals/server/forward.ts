/**
 * `rpc_forward` and `rpc_forward_stream`: blocks over whole sequences, nothing remembered.
 *
 * @module
 */
import { openDeadline, orAbort } from "../../base/deadline.ts";
import { codeOf, NodeError } from "../../base/errors.ts";
import { type BlockRange, fromFloat32, type Tensor } from "../../base/tensor.ts";
import type { RpcContext } from "../../p2p/rpc.ts";
import { addCpu, noWork, type StepWork } from "../report.ts";
import { parseSpan } from "../uid.ts";
import { type Compression, compressionOf } from "../wire/compression.ts";
import { encodeExpertResponse } from "../wire/expert.ts";
import { arrange, type Metadata, outputCompressionOf, valueOf } from "../wire/metadata.ts";
import { decodeTensors, encodeTensor, splitTensor, TensorJoiner } from "../wire/tensor.ts";
import { hiddenOf, promptsOf, requirePlainRequest } from "./arguments.ts";
import { readIncoming } from "./inference.ts";
import { MAX_UNARY_MESSAGE_BYTES, REQUEST_MS } from "./limits.ts";
import type { Serving } from "./serving.ts";

/** A request whose tensors are still to be decoded. */
interface ForwardCall {
  readonly serving: Serving;
  readonly context: RpcContext;
  readonly range: BlockRange;
  readonly metadata: Metadata;
  readonly compression: Compression;
  readonly bytesIn: number;
  readonly startedAtMs: number;
}

/** Answers one request of at most 4 MiB. Throws `NodeError` in the stock server's words. */
export async function serveForward(
  serving: Serving,
  request: Uint8Array,
  context: RpcContext,
): Promise<Uint8Array> {
  using life = openDeadline(serving.world.clock, REQUEST_MS, "answer rpc_forward", context.signal);
  using _held = serving.requestBytes.hold(context.peer, request.length);
  const { request: { uid, tensors }, metadata, bytes } = readIncoming(request);
  const call = openCall(serving, context, { uid, metadata, bytes });
  const output = await run(call, () => decodeTensors(tensors, serving.rules.maxBytes), {
    encode: (hidden) => [encodeTensor(hidden, call.compression)],
    signal: life.signal,
  });
  const reply = encodeExpertResponse({ tensors: output });
  if (reply.length > MAX_UNARY_MESSAGE_BYTES) {
    throw new NodeError("too_large", `Cannot reply with ${reply.length} bytes, wanted rpc_forward_stream`);
  }
  return reply;
}

/** Answers a request that comes in parts, in parts. Throws `NodeError` in the stock server's words. */
export async function* serveForwardStream(
  serving: Serving,
  requests: AsyncIterable<Uint8Array>,
  context: RpcContext,
): AsyncGenerator<Uint8Array> {
  using life = openDeadline(serving.world.clock, REQUEST_MS, "answer rpc_forward_stream", context.signal);
  using held = new DisposableStack();
  const joiner = new TensorJoiner(serving.rules.maxBytes);
  let uid: string | undefined;
  let metadata: Metadata | undefined;
  let bytes = 0;
  for await (const message of until(life.signal, requests)) {
    held.use(serving.requestBytes.hold(context.peer, message.length));
    bytes += message.length;
    const part = readIncoming(message);
    if (uid !== undefined && uid !== part.request.uid) {
      throw new NodeError("malformed", "Block uids differ in one request");
    }
    uid = part.request.uid;
    metadata ??= part.metadata;
    for (const tensor of part.request.tensors) joiner.push(tensor);
  }
  if (uid === undefined || metadata === undefined) return;
  const call = openCall(serving, context, { uid, metadata, bytes });
  const output = await run(call, () => joiner.finish(), {
    encode: (hidden) => splitTensor(hidden, call.compression),
    signal: life.signal,
  });
  for (const part of output) yield encodeExpertResponse({ tensors: [part] });
}

function openCall(
  serving: Serving,
  context: RpcContext,
  { uid, metadata, bytes }: { readonly uid: string; readonly metadata: Metadata; readonly bytes: number },
): ForwardCall {
  const range = parseSpan(uid, serving.rules.prefix, serving.rules.served);
  requirePlainRequest(metadata);
  const asked = outputCompressionOf(metadata);
  if (asked !== undefined && asked.length !== 1) {
    throw new NodeError("malformed", "output_compression tuple should have 1 element");
  }
  const compression = compressionOf(asked?.[0] ?? 0);
  const startedAtMs = serving.world.clock.now();
  return { serving, context, range, metadata, compression, bytesIn: bytes, startedAtMs };
}

/** Messages as they come; throws the reason of `signal` when that aborts, also while none comes. */
async function* until(signal: AbortSignal, requests: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const messages = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orAbort(messages.next(), signal);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    messages.return?.()?.catch(() => {}); // not awaited: a silent stream would never answer
  }
}

/** Waits for its turn, decodes, computes, encodes, reports. */
async function run(
  call: ForwardCall,
  tensorsOf: () => readonly Tensor[],
  how: { readonly encode: (hidden: Tensor) => readonly Uint8Array[]; readonly signal: AbortSignal },
): Promise<readonly Uint8Array[]> {
  const { serving: { world, observer, forwards }, context, range } = call;
  using _turn = await forwards.enter(context.peer, how.signal);
  const done = noWork();
  const tell = (outcome: "ok" | ReturnType<typeof codeOf>) =>
    observer.report({
      method: "forward",
      session: undefined,
      peer: context.peer,
      blocks: range,
      bytesIn: call.bytesIn,
      startedAtMs: call.startedAtMs,
      outcome,
      ...done,
    });
  try {
    const tensors = tensorsOf();
    const began = world.clock.monotonic();
    const hidden = await compute(call, tensors, done, how.signal);
    done.computeMs = world.clock.monotonic() - began;
    const output = how.encode(hidden);
    done.phase = hidden.shape[1]! > 1 ? "prefill" : "decode";
    done.tokens = hidden.shape[0]! * hidden.shape[1]!;
    done.bytesOut = output.reduce((sum, part) => sum + part.length, 0);
    tell("ok");
    return output;
  } catch (error) {
    tell(codeOf(error, "remote"));
    throw error;
  }
}

async function compute(
  { serving: { rules, blocks, observer }, range, metadata }: ForwardCall,
  tensors: readonly Tensor[],
  done: StepWork,
  signal: AbortSignal,
): Promise<Tensor> {
  const places = arrange(tensors, valueOf(metadata, "args_structure"));
  if (places.length < 2) {
    throw new NodeError("malformed", `forward takes hidden states and prompts, got ${places.length} tensors`);
  }
  const input = hiddenOf(places[0], rules);
  const prompts = promptsOf(places[1], range, input);
  const spent = (cpuMs: number) => addCpu(done, cpuMs);
  const step = prompts === undefined ? { input, spent } : { input, prompts, spent };
  if (input.tokens > 0) done.mark = observer.begin();
  const values = input.tokens === 0 ? new Float32Array(0) : await blocks.forward(step, range, signal);
  return fromFloat32(values, [input.batch, input.tokens, input.hidden], blocks.dtype);
}
