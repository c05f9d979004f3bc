/**
 * One inference session as a state machine: positions, repeated steps, what the next request asks for. Pure.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { type Packable } from "../../base/msgpack.ts";
import { type BlockRange, type Tensor } from "../../base/tensor.ts";
import type { CacheStep } from "../../compute/backend.ts";
import { parseSpan } from "../uid.ts";
import { asksForEnergy } from "../wire/energy.ts";
import type { ExpertRequest } from "../wire/expert.ts";
import { idOf, type Metadata, numberOf, placesOf, pythonText, valueOf } from "../wire/metadata.ts";
import { decodeTensors, parseTensor } from "../wire/tensor.ts";
import { hiddenOf, type InputRules, promptsOf, requirePlainRequest, rowsOf } from "./arguments.ts";
import { REMEMBERED_STEPS } from "./limits.ts";

/** A request of the client, or one that another server pushed. */
export interface Incoming {
  readonly request: ExpertRequest;
  readonly metadata: Metadata;
  /** Bytes on the wire. */
  readonly bytes: number;
}

/** What a server accepts. */
export interface SessionRules extends InputRules {
  readonly prefix: string;
  readonly served: BlockRange;
  /** Most positions of a session. */
  readonly maxLength: number;
  /** Most bytes of tensors in one request. */
  readonly maxBytes: number;
}

/** What the first request settles for the whole session. */
export interface SessionTerms {
  readonly id: string | undefined;
  readonly range: BlockRange;
  readonly batch: number;
  /** Positions of each row. */
  readonly maxLength: number;
  /** Longest wait for attention memory. */
  readonly allocationMs: number;
  /** `args_structure`, which counts from the first request only. */
  readonly structure: Packable | undefined;
  /** Whether replies are to tell what the session cost. */
  readonly asksForEnergy: boolean;
}

/**
 * Reads the terms out of the first request. Errors have the words of the stock server (petals 2.2 `handler.py`).
 * Throws `NodeError` `refused`, `malformed`, `unsupported`, `too_large`.
 */
export function termsOf({ request, metadata }: Incoming, rules: SessionRules): SessionTerms {
  const range = parseSpan(request.uid, rules.prefix, rules.served);
  const asked = valueOf(metadata, "max_length");
  const maxLength = typeof asked === "bigint" ? Number(asked) : asked;
  if (typeof maxLength !== "number") {
    throw new NodeError(
      "malformed",
      `rpc_inference metadata must contain int max_length, got ${pythonText(maxLength)}`,
    );
  }
  requirePlainRequest(metadata);
  if (maxLength < 0 || maxLength > rules.maxLength) {
    throw new NodeError(
      "too_large",
      `Cannot allocate KV cache for ${maxLength} tokens, max = ${rules.maxLength}`,
    );
  }
  const structure = valueOf(metadata, "args_structure");
  return {
    id: idOf(metadata, "session_id"),
    range,
    batch: batchOf(request.tensors, structure, rules.maxTokens),
    maxLength,
    allocationMs: 1000 * (numberOf(metadata, "alloc_timeout") ?? 0),
    structure,
    asksForEnergy: asksForEnergy(metadata),
  };
}

/** Rows of the first hidden states; 1 for a request without tensors. */
function batchOf(tensors: readonly Uint8Array[], structure: Packable | undefined, max: number): number {
  if (tensors.length === 0) return 1;
  const place = placesOf(tensors.length, structure)[0];
  const batch = place === undefined ? undefined : parseTensor(tensors[place]!).shape[0];
  if (batch === undefined || batch < 1 || batch > max) {
    throw new NodeError("malformed", `hidden states must have 1 to ${max} rows, got ${batch ?? "none"}`);
  }
  return batch;
}

/** What to do with a request. */
export type Decision =
  | { readonly kind: "end" }
  /** Done already: the copy of a step that came another way. It gets no reply. */
  | { readonly kind: "repeated" }
  | {
    readonly kind: "step";
    /** For the engine, unless it has no tokens. */
    readonly step: CacheStep;
    /** Which of the request's tensors are the hidden states. */
    readonly hiddenPlace: number;
  };

/** The state of one session. */
export class Session {
  #position = 0;
  /** Positions the engine's cache holds; more than `#position` after a rewind. */
  #filled = 0;
  readonly #steps = new Set<string>();
  constructor(readonly terms: SessionTerms, readonly rules: SessionRules) {}

  /** Positions filled. */
  get position(): number {
    return this.#position;
  }

  /**
   * Decides about the next request; a step counts as done, for a failed one ends the session. Throws `NodeError`
   * `malformed`, `unsupported`, `too_large`.
   */
  accept({ request, metadata }: Incoming): Decision {
    if (request.tensors.length === 0) return { kind: "end" };
    const stepId = idOf(metadata, "step_id");
    if (stepId !== undefined && this.#steps.has(stepId)) return { kind: "repeated" };
    const places = placesOf(request.tensors.length, this.terms.structure);
    const tensors = decodeTensors(request.tensors, this.rules.maxBytes);
    if (places.length < 3 || places[0] === undefined) {
      throw malformed(`inference takes hidden states, prompts and hypo ids, got ${places.length} tensors`);
    }
    const [hidden, prompts, rows] = places.map((place) => place === undefined ? undefined : tensors[place]);
    this.#rewind(numberOf(metadata, "start_from_position"));
    const step = this.#stepOf(hidden!, prompts, rows);
    this.#remember(stepId);
    this.#position += step.input.tokens;
    if (step.input.tokens > 0) this.#filled = this.#position;
    return { kind: "step", step, hiddenPlace: places[0] };
  }

  #stepOf(hidden: Tensor, prompts: Tensor | undefined, rows: Tensor | undefined): CacheStep {
    const { batch, maxLength, range } = this.terms;
    const input = hiddenOf(hidden, this.rules);
    if (input.batch !== batch) throw malformed(`the session has ${batch} rows, got ${input.batch}`);
    if (this.#position + input.tokens > maxLength) {
      throw new NodeError(
        "too_large",
        `Maximum length exceeded: prefix ${this.#position} + current ${input.tokens}` +
          ` exceeds pre-allocated maximum ${maxLength}`,
      );
    }
    const order = rowsOf(rows, batch);
    const deep = promptsOf(prompts, range, input);
    return {
      input,
      ...(deep !== undefined && { prompts: deep }),
      ...(order !== undefined && { rows: order }),
      ...(this.#filled > this.#position && { rewindTo: this.#position }),
    };
  }

  /** Forgets positions from `start` on, as clients of Petals' repository head ask (`start_from_position`). */
  #rewind(start: number | undefined): void {
    if (start === undefined) return;
    if (!Number.isInteger(start) || start < 0 || start > this.#position) {
      throw malformed(`prefix_length=${this.#position}, start_from_position=${start}`);
    }
    this.#position = start;
  }

  #remember(stepId: string | undefined): void {
    if (stepId === undefined) return;
    if (this.#steps.size === REMEMBERED_STEPS) {
      const [oldest] = this.#steps;
      this.#steps.delete(oldest!);
    }
    this.#steps.add(stepId);
  }
}

const malformed = (what: string) => new NodeError("malformed", what);
