/**
 * What node and engine process say to each other: headers of frames, checked on both sides.
 *
 * @module
 */
import * as v from "valibot";
import { type ErrorCode, messageOf, NodeError } from "../base/errors.ts";
import { MAX_BEST } from "./best_scores.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const range = v.object({ start: count, end: count });
const options = v.object({
  dtype: v.picklist(["auto", "f32", "f16", "bf16"]),
  threads: v.pipe(count, v.minValue(1), v.maxValue(4096)),
});
const engine = v.picklist(["ggml", "onnx", "reference"]);
const id = { id: count };
const input = { batch: count, tokens: count, hidden: count, promptTokens: v.optional(count) };

/** How one token is chosen, and what was drawn for it. */
const figure = v.pipe(v.number(), v.finite(), v.minValue(0));
const choice = v.object({
  temperature: figure,
  topK: v.optional(v.pipe(count, v.minValue(1))),
  topP: v.optional(figure),
  minP: v.optional(figure),
  draw: figure,
});

/** Only so many of the best scores of a row are answered, as `packBest` writes them. */
const best = v.pipe(count, v.minValue(1), v.maxValue(MAX_BEST));

const REQUEST = v.variant("act", [
  /** First of all: which engine, and where its files are. */
  v.object({
    ...id,
    act: v.literal("open"),
    engine: v.union([v.literal("auto"), engine]),
    dataDir: v.string(),
    backendDir: v.optional(v.string()),
  }),
  v.object({ ...id, act: v.literal("load"), path: v.string(), range, options }),
  v.object({ ...id, act: v.literal("loadHead"), path: v.string(), options }),
  v.object({ ...id, act: v.literal("openCache"), blocks: count, range, batch: count, capacity: count }),
  /** Payload: input, then prompts; f32. */
  v.object({
    ...id,
    act: v.literal("step"),
    blocks: count,
    cache: count,
    ...input,
    rewindTo: v.optional(count),
    rows: v.optional(v.array(count)),
  }),
  /** Payload: token ids, i32. Through head and blocks to scores of the last positions. */
  v.object({
    ...id,
    act: v.literal("scores"),
    blocks: count,
    cache: count,
    head: count,
    scored: count,
    best: v.optional(best),
    rewindTo: v.optional(count),
  }),
  /** Payload: token ids, i32. Through head and blocks to the id that follows, and perhaps on with that. */
  v.object({
    ...id,
    act: v.literal("next"),
    blocks: count,
    cache: count,
    head: count,
    choice,
    goOnUnless: v.optional(v.array(count)),
    rewindTo: v.optional(count),
  }),
  /** Payload as for a step. */
  v.object({ ...id, act: v.literal("forward"), blocks: count, range, ...input }),
  /** Payload: hidden states, f32. */
  v.object({ ...id, act: v.literal("logits"), head: count, rows: count, best: v.optional(best) }),
  /** Payload: one hidden state, f32. The id that follows, and perhaps a step over its embedding. */
  v.object({
    ...id,
    act: v.literal("choose"),
    head: count,
    choice,
    goOn: v.optional(v.object({ blocks: count, cache: count, unless: v.array(count) })),
  }),
  /** Lets go of whatever `handle` is. */
  v.object({ ...id, act: v.literal("free"), handle: count }),
  /** Is answered at once, whatever else goes on: a sign of life. */
  v.object({ ...id, act: v.literal("ping") }),
  /** Ends the request `target`. Has no reply of its own. */
  v.object({ ...id, act: v.literal("abort"), target: count }),
]);

/** What the node asks. Ids are its own choice; each request but `abort` has one reply. */
export type EngineRequest = v.InferOutput<typeof REQUEST>;
/** A request that has no id yet. */
export type NewRequest = EngineRequest extends infer R ? R extends EngineRequest ? Omit<R, "id"> : never
  : never;

const CODES: Readonly<Record<ErrorCode, true>> = {
  aborted: true,
  timeout: true,
  unreachable: true,
  refused: true,
  remote: true,
  malformed: true,
  unsupported: true,
  too_large: true,
  not_found: true,
  busy: true,
  no_memory: true,
  no_backend: true,
  denied: true,
  corrupt: true,
  clock_wrong: true,
  usage: true,
  not_running: true,
};

const ERROR = v.object({
  kind: v.union([v.picklist(Object.keys(CODES) as ErrorCode[]), v.picklist(["range", "type", "other"])]),
  message: v.string(),
});
const REPLY = v.object({
  ...id,
  error: v.optional(ERROR),
  /** What was opened or loaded. */
  handle: v.optional(count),
  /** Positions filled after a step. */
  length: v.optional(count),
  /** Processor time that a step or forward took, milliseconds. */
  cpuMs: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
  /** The id that was chosen. */
  chosen: v.optional(count),
  /** Facts of what was opened or loaded. */
  facts: v.optional(v.record(v.string(), v.union([v.string(), v.number()]))),
});

/** What the engine answers. Values are in the payload. */
export type EngineReply = v.InferOutput<typeof REPLY>;

/** A checked request. Throws `NodeError` `malformed`. */
export const readRequest = (header: unknown): EngineRequest => checked(REQUEST, header);

/** A checked reply. Throws `NodeError` `malformed`. */
export const readReply = (header: unknown): EngineReply => checked(REPLY, header);

const BLOCK_FACTS = v.object({
  engine,
  device: v.string(),
  deviceKind: v.optional(v.picklist(["processor", "card"]), "processor"),
  hiddenSize: count,
  dtype: v.picklist(["float32", "float16", "bfloat16"]),
  weightBytes: count,
  cacheBytesPerToken: count,
});
const HEAD_FACTS = v.object({ engine, hiddenSize: count, vocabularySize: count, weightBytes: count });
const OPEN_FACTS = v.object({ engine, reason: v.string() });

/** Facts of loaded blocks. Throws `NodeError` `malformed`. */
export const readBlockFacts = (facts: unknown): v.InferOutput<typeof BLOCK_FACTS> =>
  checked(BLOCK_FACTS, facts);
/** Facts of a loaded head. Throws `NodeError` `malformed`. */
export const readHeadFacts = (facts: unknown): v.InferOutput<typeof HEAD_FACTS> => checked(HEAD_FACTS, facts);
/** Which engine it is, and why. Throws `NodeError` `malformed`. */
export const readOpenFacts = (facts: unknown): v.InferOutput<typeof OPEN_FACTS> => checked(OPEN_FACTS, facts);

function checked<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new NodeError("malformed", `Cannot read a message of the engine process: ${issue.message}`);
}

/** An error as it travels. */
export function errorToWire(error: unknown): NonNullable<EngineReply["error"]> {
  const kind = error instanceof NodeError
    ? error.code
    : error instanceof RangeError
    ? "range"
    : error instanceof TypeError
    ? "type"
    : "other";
  return { kind, message: messageOf(error) };
}

/** The error that travelled. What was neither ours nor a mistake becomes `remote`. */
export function errorFromWire({ kind, message }: NonNullable<EngineReply["error"]>): Error {
  if (kind === "range") return new RangeError(message);
  if (kind === "type") return new TypeError(message);
  return new NodeError(kind === "other" ? "remote" : kind, message);
}
