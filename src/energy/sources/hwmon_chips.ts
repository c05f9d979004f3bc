/**
 * What is known of chips that the kernel shows under hwmon (Linux Documentation/hwmon/…, drivers/hwmon): which channels are
 * power of their own, which currents belong to which voltages, what they measure, and what is none.
 *
 * @module
 */
import { DOMAINS } from "../types.ts";
import {
  card,
  type ChipView,
  type Labelled,
  machine,
  placeInMac,
  placeInRyzen,
  placeOfAcpi,
  placeOfPower,
  placeOfRadeon,
  placeOfSocket,
  processor,
  wall,
} from "./hwmon_places.ts";
import type { Place } from "./kept_source.ts";

/** A voltage input and the current input that belongs to it. */
export type Pair = readonly [voltage: number, current: number];

/** How a chip is to be read. */
export interface ChipRule {
  /** Voltages and currents that belong together; absent is the same number. Of several for one current the largest voltage. */
  readonly pairs?: readonly Pair[];
  /** Only these numbers of power and energy channels, the first that are there; absent is all. */
  readonly channels?: readonly (readonly number[])[];
  /** Half width of the 95 % interval, relative. */
  readonly uncertainty?: number;
  /** Milliseconds between new values. */
  readonly periodMs?: number;
  /** Smallest figure that is believed, microwatts. */
  readonly least?: bigint;
  /** Where a channel lies; `undefined` for one that is to be left out. Absent is a rail of unknown place. */
  readonly place?: (figure: Labelled, chip: ChipView) => Place | undefined;
  /** It has one channel and is sold to watch a board's supply. */
  readonly isSupplyMonitor?: true;
  /** Its output is its input: the current is the same on both sides. */
  readonly isHotSwap?: true;
  /** It sleeps when nobody uses it, and reading wakes it up. */
  readonly isSleeper?: true;
}

/** Shunt monitors by Texas Instruments: in0 is the shunt's own voltage, of some in2. Nobody has calibrated the shunt. */
const SHUNT: ChipRule = { pairs: [[1, 1]], uncertainty: 0.05, isSupplyMonitor: true };
/** Hot-swap controllers: what goes through them goes into a board. */
const HOT_SWAP: ChipRule = { pairs: [[1, 1]], isHotSwap: true };
/** Of step-down converters that tell their output only. */
const OUTPUT_ONLY: ChipRule = { pairs: [[2, 1]] };
/** Mains power supplies on PMBus: what goes in comes from the wall. */
const PSU: ChipRule = {
  uncertainty: 0.05,
  periodMs: 1000,
  place: ({ label }) => /^pin\d*$/.test(label) ? wall : undefined,
};
const X_GENE: ChipRule = { channels: [[1]], place: () => processor() };
/** Accelerator cards with a controller of their own: the first power is the card's. */
const FPGA_CARD: ChipRule = { channels: [[1]], place: (_, { device }) => card(device) };
/** A machine that has such a meter never takes less. */
const LEAST_SERVER = 1_000_000n;

/** Rules by the driver's name, or by what stands before its first `_` or `-`. */
const CHIPS: Readonly<Record<string, ChipRule>> = {
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
  ina700: SHUNT,
  ina780: SHUNT,
  sq52206: SHUNT,
  // in0 is its only voltage
  isl28022: { ...SHUNT, pairs: [[0, 1]] },
  // in4 to in6 are shunt voltages, in7 their sum, curr4 the sum of currents
  ina3221: { pairs: [[1, 1], [2, 2], [3, 3]], uncertainty: 0.05 },
  // in2 is an auxiliary input
  ltc2945: { pairs: [[1, 1]], uncertainty: 0.05 },
  // in1 is its own supply; energy2 counts the same energy with other signs
  ltc2947: { channels: [[1]], pairs: [[0, 1]], uncertainty: 0.05 },
  // in0 and in1 are the supplies in the kernel's driver; other tables, and trees after them, have in2 for the second
  ltc2992: { pairs: [[0, 1], [1, 2], [2, 2]], uncertainty: 0.05 },
  ltc4215: HOT_SWAP,
  ltc4222: HOT_SWAP,
  ltc4245: { isHotSwap: true },
  ltc4260: HOT_SWAP,
  ltc4261: HOT_SWAP,
  // of in0 (output) and in1 (input) one is off
  ltc4282: { ...HOT_SWAP, pairs: [[0, 1], [1, 1]] },
  adm1075: HOT_SWAP,
  adm1272: HOT_SWAP,
  adm1273: HOT_SWAP,
  adm1275: HOT_SWAP,
  adm1276: HOT_SWAP,
  adm1278: HOT_SWAP,
  adm1281: HOT_SWAP,
  adm1293: HOT_SWAP,
  adm1294: HOT_SWAP,
  adm1177: { ...HOT_SWAP, pairs: [[0, 1]] },
  lm5064: HOT_SWAP,
  lm5066: HOT_SWAP,
  lm25056: HOT_SWAP,
  lm25066: HOT_SWAP,
  ltc4286: HOT_SWAP,
  ltc4287: HOT_SWAP,
  mp5023: HOT_SWAP,
  mp5920: HOT_SWAP,
  mp5990: HOT_SWAP,
  tps25990: HOT_SWAP,
  xdp710: HOT_SWAP,
  max20710: OUTPUT_ONLY,
  max20730: OUTPUT_ONLY,
  max20734: OUTPUT_ONLY,
  max20743: OUTPUT_ONLY,
  max20751: OUTPUT_ONLY,
  // currents 7 and 8 have no voltage
  max34440: { pairs: [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 6]] },
  // the other currents are outputs and phases of what goes in here
  mp2975: { pairs: [[1, 1]] },
  pfe1100: PSU,
  pfe3000: PSU,
  dps650ab: PSU,
  dps920ab: PSU,
  fsg032: PSU,
  ym2151e: PSU,
  yh5151e: PSU,
  cffps: PSU,
  cffps1: PSU,
  cffps2: PSU,
  ipsps1: PSU,
  crps: PSU,
  // what it gives to the computer; the other powers are its rails
  corsairpsu: { channels: [[1]], uncertainty: 0.05, periodMs: 1000, place: () => machine },
  power_meter: { uncertainty: 0.05, periodMs: 1000, least: LEAST_SERVER, place: placeOfAcpi },
  ibmpowernv: { uncertainty: 0.05, periodMs: 1000, place: placeOfPower },
  xgene: X_GENE,
  apm_xgene: X_GENE,
  fam15h_power: { channels: [[1]], place: () => processor() },
  amd_energy: { uncertainty: 0.05, place: placeOfSocket },
  // mainline shows currents for some kernels only (5.6 to 5.10): cores and the rest of the chip
  k10temp: { channels: [[1]], pairs: [[0, 1], [1, 2]], place: placeInRyzen },
  zenpower: { place: placeInRyzen },
  macsmc_hwmon: { periodMs: 1000, place: placeInMac },
  i915: { channels: [[1]], uncertainty: 0.05, isSleeper: true, place: (_, { device }) => card(device) },
  // energy1 is the card, energy2 what lies in it
  xe: { channels: [[1], [2]], uncertainty: 0.05, isSleeper: true, place: (_, { device }) => card(device) },
  nouveau: { channels: [[1]], isSleeper: true, place: (_, { device }) => card(device) },
  amdgpu: { channels: [[1]], isSleeper: true, place: placeOfRadeon },
  n3000bmc: FPGA_CARD,
  n5010bmc: FPGA_CARD,
  n6000bmc: FPGA_CARD,
  d5005bmc: FPGA_CARD,
  // ports of a switch: power that goes to other devices
  tps23861: {
    pairs: [[0, 1], [1, 2], [2, 3], [3, 4]],
    place: ({ label }, { device }) => ({ scope: "part", domain: DOMAINS.others(`${device}/${label}`) }),
  },
};

/** Chips without power of this machine: temperatures, fans, light, contracts, and what repeats others. */
const NOT_POWER = [
  /^(?:coretemp|nvme|acpitz|drivetemp|spd5118|jc42|cpu_thermal|gpu_thermal|pwmfan|gpio_fan)$/,
  // an alarm of the Raspberry Pi; analogue inputs of its Pi 5
  /^(?:rpi_volt|rp1_adc)$/,
  // shown as power supplies already; agreed, not measured
  /^(?:ucsi|tcpm)_source_psy/,
  /^steamdeck_hwmon$/,
  // optical modules: power of light
  /^sfp/,
  // a reading keeps the reader waiting for a second (drivers/hwmon/ibmaem.c); IPMI tells the same
  /^aem[12]$/,
  // tiles of the card that i915 shows as a whole
  /^i915_gt\d+$/,
];

/** How a chip of this name is read; `undefined` for what measures no power of this machine. */
export function chipRule(name: string): ChipRule | undefined {
  if (NOT_POWER.some((pattern) => pattern.test(name))) return undefined;
  return CHIPS[name] ?? CHIPS[name.split(/[_-]/)[0]!] ?? {};
}

/** Whether nothing is known of chips of this name. */
export const isUnknownChip = (name: string): boolean =>
  CHIPS[name] === undefined && CHIPS[name.split(/[_-]/)[0]!] === undefined;
