/**
 * Channels over the kernel's number files, which stay open: a reading costs microseconds.
 *
 * @module
 */
import type { Clock } from "../../base/world.ts";
import type { NumberFile, SystemFiles } from "../../device/sysfs.ts";
import type { EnergyChannel, EnergyReading } from "../types.ts";

/** After this many failures in a row a channel is asked less often. */
const MAX_FAILURES = 10;
/** How often then. */
const BACK_OFF_MS = 10_000;

/** How numbers of files become one figure. */
export interface KeptChannelOptions {
  readonly id: string;
  readonly type: EnergyChannel["type"];
  /** One file, or two whose product counts: voltage and current. */
  readonly paths: readonly [string] | readonly [string, string];
  /** Microjoules or microwatts for each unit of the file, or of the product: `[1, 1]`, `[1, 1000]`. */
  readonly scale: readonly [numerator: bigint, denominator: bigint];
  readonly maxMicrojoules?: bigint | undefined;
  readonly minPeriodMs: number;
  readonly relativeUncertainty: number;
  /** Whether the sign means nothing. Other figures below 0 are none. */
  readonly isUnsigned?: boolean;
  /** Figures above this are taken for none: a sensor that lies. */
  readonly most?: bigint;
}

/** A channel that owns open files. */
export interface KeptChannel extends EnergyChannel, Disposable {}

/** Opens the files of a channel. Throws `NodeError` `not_found` or `denied`. */
export function openKeptChannel(clock: Clock, files: SystemFiles, options: KeptChannelOptions): KeptChannel {
  using opened = new DisposableStack();
  const kept = options.paths.map((path) => opened.use(files.openNumber(path)));
  return new FileChannel(clock, kept, options, opened.move());
}

class FileChannel implements KeptChannel {
  readonly id: string;
  readonly type: EnergyChannel["type"];
  readonly maxMicrojoules?: bigint;
  readonly minPeriodMs: number;
  readonly relativeUncertainty: number;
  failure: string | undefined;
  #failures = 0;
  #quietUntilMs = -Infinity;

  constructor(
    readonly clock: Clock,
    readonly files: readonly NumberFile[],
    readonly options: KeptChannelOptions,
    readonly opened: DisposableStack,
  ) {
    this.id = options.id;
    this.type = options.type;
    if (options.maxMicrojoules !== undefined) this.maxMicrojoules = options.maxMicrojoules;
    this.minPeriodMs = options.minPeriodMs;
    this.relativeUncertainty = options.relativeUncertainty;
  }

  read(): EnergyReading | undefined {
    const startMs = this.clock.monotonic();
    if (startMs < this.#quietUntilMs) return undefined;
    this.failure = undefined;
    let product = 1n;
    for (const file of this.files) {
      const value = file.read();
      if (value === undefined) return this.#fail(startMs, file.failure ?? "io");
      product *= value;
    }
    const [numerator, denominator] = this.options.scale;
    const signed = product * numerator / denominator;
    const value = this.options.isUnsigned && signed < 0n ? -signed : signed;
    if (value > (this.options.most ?? value)) return this.#fail(startMs, "implausible");
    if (value < 0n) return this.#fail(startMs, "implausible");
    this.#failures = 0;
    return { atMs: (startMs + this.clock.monotonic()) / 2, value };
  }

  [Symbol.dispose](): void {
    this.opened.dispose();
  }

  #fail(nowMs: number, failure: string): undefined {
    this.failure = failure;
    if (++this.#failures >= MAX_FAILURES) this.#quietUntilMs = nowMs + BACK_OFF_MS;
    return undefined;
  }
}
