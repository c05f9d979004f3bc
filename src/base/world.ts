/**
 * Time, logs and randomness, as the rest of the house may see them. `system_world.ts` holds the real ones.
 *
 * @module
 */

/** Time. */
export interface Clock {
  /** Wall clock, Unix milliseconds with fractions. It may jump: stamp records with it, never measure with it. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. Measure durations with it. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with `signal.reason` when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Structured part of a log line. Ids, counts and durations: never prompts, tensors or keys. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose lines carry `room` and `fields` as well. */
  child(room: string, fields?: LogFields): Log;
}

/** The effects every room may need. Passed first, always named `world`. */
export interface World {
  readonly clock: Clock;
  readonly log: Log;
  /** `length` bytes from the operating system's generator. */
  random(length: number): Uint8Array<ArrayBuffer>;
}
