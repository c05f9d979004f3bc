/**
 * What is known of chips that the kernel shows under hwmon (Linux Documentation/hwmon/…): which channels are power of
 * their own, which currents belong to which voltages, and what is none.
 *
 * @module
 */

/** How a chip is to be read. */
export interface ChipRule {
  /** Voltage and current inputs that belong together; absent is the same number. */
  readonly pairs?: readonly (readonly [voltage: number, current: number])[];
  /** Only these numbers of power and energy channels; absent is all. */
  readonly power?: readonly number[];
  /** Half width of the 95 % interval, relative. */
  readonly uncertainty?: number;
  /** What it measures, where that is known by the driver. */
  readonly measures?: "processor" | "graphics" | "machine" | "rail";
  /** Milliseconds between new values. */
  readonly periodMs?: number;
  /** One channel of which the chip's owner is likely the whole board: it is sold as a supply monitor. */
  readonly isSupplyMonitor?: true;
}

/** Shunt monitors by Texas Instruments: 1 % shunts and better; in0 is the shunt's own voltage. */
const SHUNT: ChipRule = { pairs: [[1, 1]], uncertainty: 0.02, measures: "rail", isSupplyMonitor: true };

/** Rules by the driver's name. */
export const CHIPS: Readonly<Record<string, ChipRule>> = {
  ina209: SHUNT,
  ina219: SHUNT,
  ina220: SHUNT,
  ina226: SHUNT,
  ina228: SHUNT,
  ina230: SHUNT,
  ina231: SHUNT,
  ina233: SHUNT,
  ina234: SHUNT,
  ina237: SHUNT,
  ina238: SHUNT,
  ina260: SHUNT,
  sq52206: SHUNT,
  // in4 to in6 are shunt voltages, in7 is their sum
  ina3221: { pairs: [[1, 1], [2, 2], [3, 3]], uncertainty: 0.02, measures: "rail" },
  ltc2945: { pairs: [[1, 1]], uncertainty: 0.02, measures: "rail", isSupplyMonitor: true },
  ltc2947: { pairs: [[0, 1]], uncertainty: 0.02, measures: "rail", isSupplyMonitor: true },
  ltc2992: { pairs: [[0, 1], [2, 2]], uncertainty: 0.02, measures: "rail" },
  ltc4260: { pairs: [[1, 1]], measures: "rail" },
  ltc4261: { pairs: [[1, 1]], measures: "rail" },
  ltc4282: { pairs: [[1, 1]], measures: "rail" },
  adm1275: { pairs: [[1, 1]], measures: "rail" },
  adm1276: { pairs: [[1, 1]], measures: "rail" },
  adm1278: { pairs: [[1, 1]], measures: "rail" },
  adm1293: { pairs: [[1, 1]], measures: "rail" },
  adm1294: { pairs: [[1, 1]], measures: "rail" },
  max20730: { pairs: [[2, 1]], measures: "rail" },
  max20751: { pairs: [[2, 1]], measures: "rail" },
  // its own temperature sensors and currents stand under 7 and 8
  max34440: { pairs: [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 6]], measures: "rail" },
  mp2975: { pairs: [[1, 1]], measures: "rail" },
  power_meter: { measures: "machine", uncertainty: 0.05, periodMs: 1000 },
  ibmpowernv: { measures: "machine", uncertainty: 0.05, periodMs: 1000 },
  xgene: { measures: "processor", power: [1], uncertainty: 0.1 },
  apm_xgene: { measures: "processor", power: [1], uncertainty: 0.1 },
  amdgpu: { measures: "graphics", uncertainty: 0.1, periodMs: 20 },
  i915: { measures: "graphics", power: [1], uncertainty: 0.05 },
  // energy2 is the package of the card, energy1 the card
  xe: { measures: "graphics", power: [1], uncertainty: 0.05 },
  nouveau: { measures: "graphics", uncertainty: 0.1 },
  amd_energy: { measures: "processor", uncertainty: 0.05 },
  k10temp: { measures: "processor", power: [1], uncertainty: 0.1 },
  zenpower: { measures: "processor", uncertainty: 0.1 },
};

/** Chips that show volts, amperes or watts of something else than what this machine takes. */
export const NOT_POWER: readonly string[] = [
  "rpi_volt",
  "rp1_adc",
  "cpu_thermal",
  "pwmfan",
  "coretemp",
  "nvme",
  "acpitz",
  "ucsi_source_psy",
  "tcpm_source_psy",
];

/** What a chip is where nothing is known of it. */
export const UNKNOWN_CHIP: ChipRule = { measures: "rail", uncertainty: 0.1 };

/**
 * Whether a label says that the channel is what the whole board takes in.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(["VDD_IN", "POM_5V_IN", "12V Input", "total"].every(isInputLabel) && !["VDD_CPU", "vout1"].some(isInputLabel));
 * ```
 */
export const isInputLabel = (label: string): boolean =>
  /^(?:vin|vdd_in|vcc_in|dc_?in|pom_5v_in|(?:5|9|12|19|20|24|48)v[_ ]?in(?:put)?|(?:main |supply |board |power )?input|vsys|vbat|sys(?:tem)?(?:[ _](?:power|total))?|(?:board|system|node|chassis)?[ _]?total(?:[ _]power)?|board(?:[ _]power)?)$/i
    .test(label.trim());

/** PMBus: what goes into a converter, and what comes out of it, by its labels (Documentation/hwmon/pmbus.rst). */
export const isInputSide = (label: string): boolean => /^(?:vin|iin|pin)\d*$/i.test(label);
/** See {@linkcode isInputSide}. */
export const isOutputSide = (label: string): boolean => /^(?:vout|iout|pout|vcap|vmon)\d*$/i.test(label);
