/**
 * Channels whose values take time to get: a meter on the network, a program. They are asked in the background at their own
 * pace; reading the channel gives the newest answer.
 *
 * @module
 */
import { openDeadline, orAbort } from "../../base/deadline.ts";
import { codeOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import type { EnergyChannel, EnergyReading } from "../types.ts";

/** Longest pause after failures. */
const MAX_PAUSE_MS = 60_000;
/** An answer is of no use after this many periods. */
const STALE_PERIODS = 5;

/** What is asked, and how often. */
export interface PolledOptions {
  readonly id: string;
  readonly type: EnergyChannel["type"];
  readonly maxMicrojoules?: bigint;
  /** Between two questions. */
  readonly minPeriodMs: number;
  readonly relativeUncertainty: number;
  /** Longest wait for an answer. */
  readonly timeoutMs: number;
  /** Microjoules or microwatts; `undefined` for "none now". Throws a {@linkcode PollFailure} or `NodeError`. */
  readonly read: (signal: AbortSignal) => Promise<bigint | undefined>;
  /** `read` ends soon after its signal aborts, and closing waits for that: no program outlives its sensor. */
  readonly isObedient?: boolean;
}

/** A failure with its word for counting, such as `http_401`, and how long it asks to be left alone. */
export class PollFailure extends NodeError {
  constructor(readonly word: string, message: string, readonly retryAfterMs = 0) {
    super("refused", message);
  }
}

/** A channel that is asked until it is disposed. */
export interface PolledChannel extends EnergyChannel, AsyncDisposable {
  /** Words of the last failure; `undefined` after an answer. */
  readonly trouble: string | undefined;
  /** Resolves when the first question has been answered or has failed. */
  readonly asked: Promise<void>;
}

/** Begins to ask. */
export function openPolledChannel(world: World, options: PolledOptions): PolledChannel {
  return new Polled(world, options);
}

class Polled implements PolledChannel {
  readonly id: string;
  readonly type: EnergyChannel["type"];
  readonly maxMicrojoules?: bigint;
  readonly minPeriodMs: number;
  readonly relativeUncertainty: number;
  readonly asked: Promise<void>;
  trouble: string | undefined;
  #failure: string | undefined = "unasked";
  #newest: EnergyReading | undefined;
  readonly #end = new AbortController();
  readonly #life: Promise<void>;
  readonly #first = Promise.withResolvers<void>();
  #reading: Promise<unknown> = Promise.resolve();

  constructor(readonly world: World, readonly options: PolledOptions) {
    this.id = options.id;
    this.type = options.type;
    if (options.maxMicrojoules !== undefined) this.maxMicrojoules = options.maxMicrojoules;
    this.minPeriodMs = options.minPeriodMs;
    this.relativeUncertainty = options.relativeUncertainty;
    this.asked = this.#first.promise;
    this.#life = this.#run();
  }

  get failure(): string | undefined {
    return this.read() === undefined ? this.#failure : undefined;
  }

  read(): EnergyReading | undefined {
    const age = this.world.clock.monotonic() - (this.#newest?.atMs ?? -Infinity);
    return age > STALE_PERIODS * this.minPeriodMs ? undefined : this.#newest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The sensor is closed"));
    await this.#life;
    if (this.options.isObedient) await this.#reading.catch(() => {});
  }

  async #run(): Promise<void> {
    const { clock } = this.world;
    const { signal } = this.#end;
    let failures = 0;
    while (!signal.aborted) {
      const startMs = clock.monotonic();
      const leaveMs = await this.#ask(startMs);
      this.#first.resolve();
      failures = leaveMs === undefined ? 0 : failures + 1;
      const backOffMs = Math.min(MAX_PAUSE_MS, this.minPeriodMs * 2 ** Math.min(failures, 20));
      const pauseMs = leaveMs === undefined ? this.minPeriodMs : Math.max(backOffMs, leaveMs);
      await clock.sleep(Math.max(0, startMs + pauseMs - clock.monotonic()), signal).catch(() => {});
    }
  }

  /** A mistake of ours, which an odd answer may bring to light: nobody waits for this loop, and the node must not die of it. */
  #fault(error: Error): number {
    this.world.log.error("Sensor not asked", { id: this.id, error });
    this.#failure = "fault";
    this.trouble = `Cannot ask ${this.id}: a fault of the program`;
    return 0;
  }

  /** Asks once. After a failure: how long the other side asks to be left alone. */
  async #ask(startMs: number): Promise<number | undefined> {
    const { clock } = this.world;
    const { timeoutMs, read, id } = this.options;
    using deadline = openDeadline(clock, timeoutMs, `ask ${id}`, this.#end.signal);
    try {
      const reading = read(deadline.signal);
      this.#reading = reading;
      const value = await orAbort(reading, deadline.signal);
      // true at some time between question and answer
      this.#newest = value === undefined ? undefined : { atMs: (startMs + clock.monotonic()) / 2, value };
      this.#failure = undefined;
      this.trouble = undefined;
      return undefined;
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) return this.#fault(error);
      this.#failure = error instanceof PollFailure ? error.word : codeOf(error, "unreachable");
      this.trouble = error instanceof NodeError ? error.message : `Cannot ask ${id}: it cannot be reached`;
      return error instanceof PollFailure ? Math.min(error.retryAfterMs, 3_600_000) : 0;
    }
  }
}
