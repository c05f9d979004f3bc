/**
 * What the power controller of a Raspberry Pi 5 shows: the answer to `pmic_read_adc`.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";

/** Longest answer: thirty lines of fifty characters. */
const MAX_CHARACTERS = 8192;
/** Rails that have both a current and a voltage; without one of them the sum would be short. */
const RAILS = [
  "3V7_WL_SW",
  "3V3_SYS",
  "1V8_SYS",
  "DDR_VDD2",
  "DDR_VDDQ",
  "1V1_SYS",
  "0V8_SW",
  "VDD_CORE",
  "3V3_DAC",
  "3V3_ADC",
  "0V8_AON",
  "HDMI",
] as const;
/** No rail of the board carries more. */
const MAX_WATTS = 50;

/**
 * Microwatts of all rails together. What hangs on the 5 V input alone is not in them: USB devices, HATs, PCIe, fan, and the
 * losses of the converters. Throws `NodeError` `unsupported` for the firmware's refusal, `malformed` for a rail that is
 * missing or no number.
 */
export function parsePmicListing(text: string): bigint {
  if (text.length > MAX_CHARACTERS) throw malformed(`${text.length} characters`);
  if (/error=\d/.test(text)) {
    throw new NodeError(
      "unsupported",
      `Cannot read the PMIC: the firmware says ${JSON.stringify(text.trim().slice(0, 100))}`,
    );
  }
  const values = new Map<string, number>();
  for (
    const [, name, unit, value] of text.matchAll(
      /^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=(\d{1,6}(?:\.\d{1,12})?)[AV]\s*$/gm,
    )
  ) {
    values.set(`${name} ${unit}`, Number(value));
  }
  let watts = 0;
  for (const rail of RAILS) {
    const [amperes, volts] = [values.get(`${rail} A`), values.get(`${rail} V`)];
    if (amperes === undefined || volts === undefined) throw malformed(`rail ${rail} is missing`);
    if (amperes * volts > MAX_WATTS) throw malformed(`rail ${rail} shows ${amperes * volts} W`);
    watts += amperes * volts;
  }
  return BigInt(Math.round(watts * 1e6));
}

const malformed = (what: string) => new NodeError("malformed", `Cannot read the PMIC: ${what}`);

/** Measured at the wall against the sum of rails (docs/decisions/pi5_power.md). */
const SLOPE_PERMILLE = 1230n;
const OFFSET_MICROWATTS = 360_000n;

/** Half width of the 95 % interval of a corrected figure, relative. */
export const PMIC_UNCERTAINTY = 0.1;

/**
 * What the board takes at the wall, from the sum of its rails, microwatts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(boardMicrowatts(4_000_000n), 5_280_000n);
 * ```
 */
export const boardMicrowatts = (rails: bigint): bigint => rails * SLOPE_PERMILLE / 1000n + OFFSET_MICROWATTS;
