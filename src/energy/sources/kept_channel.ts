/**
 * Channels over the kernel's number files, which stay open: a reading costs microseconds.
 *
 * @module
 */
import type { Clock } from "../../base/world.ts";
import type { HeadFile, NumberFile, SystemFiles } from "../../device/sysfs.ts";
import type { EnergyChannel, EnergyReading } from "../types.ts";

/** After this many failures in a row a channel is asked less often. */
const MAX_FAILURES = 10;
/** How often then. */
const BACK_OFF_MS = 10_000;
/** What is renewed more slowly than this is kept, not asked again: asking may take as long (ACPI, battery controllers). */
const QUICK_MS = 50;
/** A converter at rest may show a little less than nothing. Microwatts. */
const NOISE = -100_000n;
/** `suspended` and its line end. */
const STATUS_BYTES = 16;

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
  /** Figures below and above these are not believed: wrong units, and numbers that stand for errors. */
  readonly least?: bigint | undefined;
  readonly most?: bigint | undefined;
  /** Folder of a device that sleeps when it is not used. It is not asked then: that would wake it up. */
  readonly sleeper?: string | undefined;
}

/** A channel that owns open files. */
export interface KeptChannel extends EnergyChannel, Disposable {
  /** The figure that was not believed at the last read, microjoules or microwatts. */
  readonly refused: bigint | undefined;
  /** Whether the device slept at the last read. */
  readonly isAsleep: boolean;
}

/** Opens the files of a channel. Throws `NodeError` `not_found` or `denied`. */
export function openKeptChannel(clock: Clock, files: SystemFiles, options: KeptChannelOptions): KeptChannel {
  using opened = new DisposableStack();
  const status = options.sleeper === undefined ? undefined : `${options.sleeper}/power/runtime_status`;
  const parts = {
    numbers: options.paths.map((path) => opened.use(files.openNumber(path))),
    status: status === undefined || files.state(status) !== "readable"
      ? undefined
      : opened.use(files.openHead(status, STATUS_BYTES)),
  };
  return new FileChannel(clock, parts, options, opened.move());
}

interface Parts {
  readonly numbers: readonly NumberFile[];
  readonly status: HeadFile | undefined;
}

class FileChannel implements KeptChannel {
  readonly id: string;
  readonly type: EnergyChannel["type"];
  readonly maxMicrojoules?: bigint;
  readonly minPeriodMs: number;
  readonly relativeUncertainty: number;
  failure: string | undefined;
  refused: bigint | undefined;
  isAsleep = false;
  #last: EnergyReading | undefined;
  #failures = 0;
  #quietUntilMs = -Infinity;

  constructor(
    readonly clock: Clock,
    readonly parts: Parts,
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
    if (this.#last !== undefined && startMs - this.#last.atMs < this.minPeriodMs - QUICK_MS) {
      return this.#last;
    }
    this.failure = this.refused = this.#last = undefined;
    this.isAsleep = this.parts.status?.read()?.startsWith("suspended") ?? false;
    if (this.isAsleep) return undefined;
    let product = 1n;
    for (const file of this.parts.numbers) {
      const value = file.read();
      if (value === undefined) return this.#fail(startMs, file.failure ?? "io");
      product *= value;
    }
    const value = this.#figureOf(product);
    if (value === undefined) return this.#fail(startMs, "implausible");
    this.#failures = 0;
    return this.#last = { atMs: (startMs + this.clock.monotonic()) / 2, value };
  }

  [Symbol.dispose](): void {
    this.opened.dispose();
  }

  /** `undefined` for what is not believed. */
  #figureOf(product: bigint): bigint | undefined {
    const { scale: [numerator, denominator], isUnsigned, least = 0n, most } = this.options;
    const signed = product * numerator / denominator;
    const value = isUnsigned && signed < 0n ? -signed : signed;
    if (this.type === "gauge" && least === 0n && value < 0n && value >= NOISE) return 0n;
    if (value >= least && (most === undefined || value <= most)) return value;
    this.refused = value;
    return undefined;
  }

  #fail(nowMs: number, failure: string): undefined {
    this.failure = failure;
    if (++this.#failures >= MAX_FAILURES) this.#quietUntilMs = nowMs + BACK_OFF_MS;
    return undefined;
  }
}
