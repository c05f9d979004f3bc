/**
 * What meters tell, in the units of this room.
 *
 * @module
 */
import { wrongAnswer } from "./http_json.ts";

/** What one answer of a meter says. Fields that the meter does not have are absent, never 0. */
export interface MeterAnswer {
  readonly watts?: number;
  /** Of its life, or since it was set to 0. */
  readonly wattHours?: number;
}

/** Asks a meter. Throws `NodeError`, whose word for counting is `reasonOf`. */
export type AskMeter = (signal: AbortSignal) => Promise<MeterAnswer>;

/** More than this is no machine but a wrong unit. */
const MAX_WATTS = 100_000;
/** More than this is no meter's life: a hundred kilowatts for over a century. */
const MAX_WATT_HOURS = 1e11;

/** Microwatts of a meter that shows what is used. Throws `NodeError` `malformed` for what no machine takes. */
export function toMicrowatts(id: string, watts: number): bigint {
  if (!(watts >= 0 && watts <= MAX_WATTS)) {
    const what = watts < 0 ? "its power is negative" : "its power is that of no machine";
    throw wrongAnswer(id, what, `0 to ${MAX_WATTS} W`, watts < 0 ? "negative" : "implausible");
  }
  return BigInt(Math.round(watts * 1e6));
}

/** Microjoules of a meter's watt-hours. Throws `NodeError` `malformed` for what no meter counts. */
export function toMicrojoules(id: string, wattHours: number): bigint {
  if (!(wattHours >= 0 && wattHours <= MAX_WATT_HOURS)) {
    throw wrongAnswer(id, "its energy is that of no meter", `0 to ${MAX_WATT_HOURS} Wh`, "implausible");
  }
  return BigInt(Math.round(wattHours * 3.6e9));
}
