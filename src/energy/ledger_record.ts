/**
 * One line of the books: an hour or a part of one, with its own sum. A line that was cut off or damaged is none.
 *
 * Fields are separated by spaces, a dash is "not known":
 * `1 SEQ HOUR SERVE IDLE OTHER LOCAL TOKENS BLOCKTOKENS ELAPSED COVERED KIND U EVIDENCE I METHOD QUALITY PROVIDER ZONE UI
 * RENEWABLE MARKET MARGINAL CRC`. HOUR counts UTC hours since 1970; SERVE, IDLE, OTHER and LOCAL are microjoules; ELAPSED and
 * COVERED milliseconds; I, MARKET and MARGINAL g/kWh; U and UI relative uncertainties; CRC is CRC-32 (as in zlib) of all
 * before the last space, in hexadecimal.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { AccountSums } from "./attribute.ts";
import type { AverageMethod, IntensityQuality } from "./carbon/types.ts";
import type { EvidenceClass } from "./certificates/types.ts";
import type { EnergyKind } from "./types.ts";

/** One hour in milliseconds. */
export const HOUR_MS = 3_600_000;

/** Carbon of the grid as an hour was priced with. */
export interface HourIntensity {
  readonly gramsPerKwh: number;
  readonly method: AverageMethod;
  readonly quality: IntensityQuality;
  readonly provider: string;
  readonly zone: string;
  readonly uncertainty: number;
  readonly renewableRatio: number | null;
}

/** What was used in an hour or a part of one. */
export interface LedgerRecord {
  /** Unix ms, a whole UTC hour. */
  readonly startMs: number;
  /** Microjoules by account. */
  readonly microjoules: AccountSums;
  /** That part of all accounts together which own production gave, microjoules. */
  readonly localMicrojoules: bigint;
  readonly tokens: number;
  readonly blockTokens: number;
  /** Time the books were kept, and that part of it in which sensors told. */
  readonly elapsedMs: number;
  readonly coveredMs: number;
  readonly kind: EnergyKind;
  /** Half width of the 95 % interval of the energy, relative. */
  readonly uncertainty: number | null;
  /** How far the renewable share can be believed. */
  readonly evidence: EvidenceClass | null;
  readonly intensity: HourIntensity | null;
  /** Carbon by contract or residual mix, g/kWh. */
  readonly marketGramsPerKwh: number | null;
  /** What one more kilowatt-hour would have caused, g/kWh. */
  readonly marginalGramsPerKwh: number | null;
}

const KINDS: Readonly<Record<string, EnergyKind>> = { m: "measured", d: "modelled", x: "mixed", n: "none" };
const METHODS: Readonly<Record<string, AverageMethod>> = { l: "lifecycle", o: "operational", u: "unstated" };
const QUALITIES: Readonly<Record<string, IntensityQuality>> = {
  L: "live",
  e: "estimated",
  s: "stale",
  y: "yearly",
};
const FORMAT = "1";
const FIELDS = 23;
/** Hours up to the year 2200 are hours of these books. */
const LAST_HOUR = Date.UTC(2200, 0, 1) / HOUR_MS;
/** Longest line that is read. */
const MAX_LINE = 400;
/** Largest whole number of a field: 20 digits of microjoules are more than all power stations make in a year. */
const WHOLE = /^\d{1,20}$/;
const DECIMAL = /^(?:-|\d{1,7}(?:\.\d{1,6})?)$/;
const WORD = /^[A-Za-z0-9_+.-]{1,48}$/;

/** The line of `record`, with its end. `sequence` tells it from others of its file. */
export function formatRecord(sequence: number, record: LedgerRecord): string {
  const { microjoules, intensity } = record;
  const fields = [
    FORMAT,
    sequence,
    record.startMs / HOUR_MS,
    microjoules.serve,
    microjoules.idle,
    microjoules.other,
    record.localMicrojoules,
    record.tokens,
    record.blockTokens,
    Math.round(record.elapsedMs),
    Math.round(record.coveredMs),
    letterOf(KINDS, record.kind),
    decimal(record.uncertainty, 3),
    record.evidence ?? "-",
    decimal(intensity?.gramsPerKwh, 2),
    intensity === null ? "-" : letterOf(METHODS, intensity.method),
    intensity === null ? "-" : letterOf(QUALITIES, intensity.quality),
    word(intensity?.provider),
    word(intensity?.zone),
    decimal(intensity?.uncertainty, 3),
    decimal(intensity?.renewableRatio, 3),
    decimal(record.marketGramsPerKwh, 2),
    decimal(record.marginalGramsPerKwh, 2),
  ].join(" ");
  return `${fields} ${sumOf(fields)}\n`;
}

/**
 * The record in `line`, without its end, and its number; `undefined` for a line that is not whole.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const line = formatRecord(1, {
 *   startMs: 489_612 * HOUR_MS,
 *   microjoules: { serve: 7n, idle: 5n, other: 0n },
 *   localMicrojoules: 0n,
 *   tokens: 3,
 *   blockTokens: 6,
 *   elapsedMs: 3_600_000,
 *   coveredMs: 3_600_000,
 *   kind: "measured",
 *   uncertainty: 0.05,
 *   evidence: null,
 *   intensity: null,
 *   marketGramsPerKwh: null,
 *   marginalGramsPerKwh: null,
 * });
 * assertEquals(line, "1 1 489612 7 5 0 0 3 6 3600000 3600000 m 0.05 - - - - - - - - - - 1770f3e8\n");
 * assertEquals(parseRecord(line.slice(0, -1))?.record.microjoules.serve, 7n);
 * assertEquals(parseRecord(line.slice(0, -2)), undefined);
 * ```
 */
export function parseRecord(
  line: string,
): { readonly sequence: number; readonly record: LedgerRecord } | undefined {
  if (line.length > MAX_LINE) return undefined;
  const at = line.lastIndexOf(" ");
  if (at < 0 || line.slice(at + 1) !== sumOf(line.slice(0, at))) return undefined;
  const fields = line.slice(0, at).split(" ");
  if (fields.length !== FIELDS || fields[0] !== FORMAT) return undefined;
  try {
    return read(new Fields(fields));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function read(fields: Fields): { sequence: number; record: LedgerRecord } {
  const sequence = fields.count();
  const hour = fields.count();
  if (hour > LAST_HOUR) throw new RangeError("Cannot read a record of so far ahead");
  const microjoules = { serve: fields.whole(), idle: fields.whole(), other: fields.whole() };
  const record = {
    startMs: hour * HOUR_MS,
    microjoules,
    localMicrojoules: fields.whole(),
    tokens: fields.count(),
    blockTokens: fields.count(),
    elapsedMs: fields.count(),
    coveredMs: fields.count(),
    kind: fields.letter(KINDS) ?? "none",
    uncertainty: fields.decimal(),
    evidence: fields.evidence(),
  };
  if (record.localMicrojoules > microjoules.serve + microjoules.idle + microjoules.other) {
    throw new RangeError("Cannot read a record whose part is larger than its whole");
  }
  const gramsPerKwh = fields.decimal();
  const [method, quality] = [fields.letter(METHODS), fields.letter(QUALITIES)];
  const [provider, zone] = [fields.word(), fields.word()];
  const [uncertainty, renewableRatio] = [fields.decimal(), fields.decimal()];
  const intensity = gramsPerKwh === null || method === undefined || quality === undefined
    ? null
    : { gramsPerKwh, method, quality, provider, zone, uncertainty: uncertainty ?? 1, renewableRatio };
  const [marketGramsPerKwh, marginalGramsPerKwh] = [fields.decimal(), fields.decimal()];
  return { sequence, record: { ...record, intensity, marketGramsPerKwh, marginalGramsPerKwh } };
}

/** Takes one field after another; a `RangeError` ends the reading. */
class Fields {
  #at = 1;

  constructor(readonly fields: readonly string[]) {}

  #next(form: RegExp): string {
    const text = this.fields[this.#at++] ?? "";
    if (form.test(text)) return text;
    throw new RangeError(`Cannot read field ${this.#at - 1} of a record, wanted ${form}`);
  }

  whole(): bigint {
    return BigInt(this.#next(WHOLE));
  }

  count(): number {
    const value = Number(this.#next(WHOLE));
    if (Number.isSafeInteger(value)) return value;
    throw new RangeError("Cannot read a count of a record, wanted one below 2^53");
  }

  decimal(): number | null {
    const text = this.#next(DECIMAL);
    return text === "-" ? null : Number(text);
  }

  word(): string {
    return this.#next(WORD);
  }

  letter<T>(names: Readonly<Record<string, T>>): T | undefined {
    const text = this.#next(/^[A-Za-z-]$/);
    return Object.hasOwn(names, text) ? names[text] : undefined;
  }

  evidence(): EvidenceClass | null {
    const text = this.#next(/^[A-E-]$/);
    return text === "-" ? null : text as EvidenceClass;
  }
}

const sumOf = (text: string): string => crc32(text).toString(16).padStart(8, "0");

const letterOf = <T>(names: Readonly<Record<string, T>>, value: T): string =>
  Object.keys(names).find((letter) => names[letter] === value) ?? "-";

function decimal(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined || !Number.isFinite(value) || value < 0
    ? "-"
    : String(Number(Math.min(value, 9_999_999).toFixed(digits)));
}

const word = (text: string | undefined): string =>
  text?.replace(/[^A-Za-z0-9_+.-]/g, "_").slice(0, 48) || "-";
