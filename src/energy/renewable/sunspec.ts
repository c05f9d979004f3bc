/**
 * SunSpec models in Modbus registers (SunSpec Device Information Model; offsets as in pysunspec2's model files): where
 * they lie, and what inverters, meters and batteries say in them. Registers in, values out; no I/O.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { RegisterAnswer } from "./modbus.ts";
import type { RegisterRange } from "./modbus_client.ts";
import type { SiteValues } from "./types.ts";

// what the protocol fixes
/** Where a map may begin. */
const BASES = [40_000, 50_000, 0] as const;
const SUNS = [0x5375, 0x6e53] as const;
const END = 0xffff;
// what we chose
/** Most models of one device. Real ones have about 20. */
const MAX_MODELS = 64;
/** What is above is no site, watts and watt-hours. */
const MAX_WATTS = 1e6;
const MAX_WATT_HOURS = 1e12;

/** Where a model lies. */
export interface SunspecModel {
  readonly id: number;
  /** Of its number; its length follows, then its points. */
  readonly address: number;
  /** Registers with number and length. */
  readonly count: number;
}

/** Finds the models of a device: ask for `ask`, give the answer to `take`, until there is nothing to ask. */
export class SunspecMap {
  readonly models: SunspecModel[] = [];
  #base = 0;
  #address: number | undefined;
  #done = false;

  /** What to read next; `undefined` when all models are known. */
  get ask(): Pick<RegisterRange, "address" | "count"> | undefined {
    return this.#done ? undefined : { address: this.#address ?? BASES[this.#base]!, count: 2 };
  }

  /** Takes the answer. Throws `NodeError` `malformed` for a chain that has no end, `unsupported` where there is no map. */
  take(answer: RegisterAnswer): void {
    const registers = "registers" in answer ? answer.registers : undefined;
    if (this.#address === undefined) this.#begin(registers);
    // some devices end with an exception in place of the mark
    else if (registers === undefined || registers[0] === END) this.#done = true;
    else this.#add(this.#address, registers[0]!, registers[1]!);
  }

  #begin(registers: Uint16Array | undefined): void {
    const base = BASES[this.#base]!;
    if (registers?.[0] === SUNS[0] && registers[1] === SUNS[1]) this.#address = base + 2;
    else if (++this.#base >= BASES.length) {
      throw new NodeError(
        "unsupported",
        `Cannot read a Modbus device: it has no SunSpec map, wanted one at ${BASES.join(", ")}`,
      );
    }
  }

  #add(address: number, id: number, length: number): void {
    const next = address + 2 + length;
    if (this.models.length >= MAX_MODELS || next > 0xffff) {
      throw new NodeError("malformed", "Cannot read a SunSpec map: it has no end, wanted one");
    }
    this.models.push({ id, address, count: length + 2 });
    this.#address = next;
  }
}

type Registers = Uint16Array;
/** A value of points at fixed places; `undefined` where the device does not have it. */
type Point = (registers: Registers) => number | undefined;

const at = (registers: Registers, offset: number, absent: number): number | undefined =>
  registers[offset] === absent ? undefined : registers[offset];

const signed = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : value << 16 >> 16;

/** Powers of ten; anything else is no factor but noise. */
function factor(registers: Registers, offset: number): number | undefined {
  const exponent = signed(at(registers, offset, 0x8000));
  return exponent === undefined || Math.abs(exponent) > 10 ? undefined : 10 ** exponent;
}

const scaled = (value: number | undefined, scale: number | undefined) =>
  value === undefined || scale === undefined ? undefined : value * scale;

const int16 = (offset: number, scale: number): Point => (registers) =>
  scaled(signed(at(registers, offset, 0x8000)), factor(registers, scale));

/** An accumulator, for which 0 is "not there". */
const acc32 = (offset: number, scale: number): Point => (registers) => {
  const high = registers[offset], low = registers[offset + 1];
  if (high === undefined || low === undefined) return undefined;
  return scaled(high * 0x10000 + low || undefined, factor(registers, scale));
};

const float32 = (offset: number): Point => (registers) => {
  const high = registers[offset], low = registers[offset + 1];
  if (high === undefined || low === undefined) return undefined;
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, high);
  view.setUint16(2, low);
  const value = view.getFloat32(0);
  return Number.isFinite(value) ? value : undefined;
};

interface PowerPoints {
  readonly watts: Point;
  readonly wattHours: Point;
  /** Registers that hold them. */
  readonly count: number;
}

const INT_INVERTER: PowerPoints = { watts: int16(14, 15), wattHours: acc32(24, 26), count: 27 };
const FLOAT_INVERTER: PowerPoints = { watts: float32(22), wattHours: float32(32), count: 34 };
const NONE: Point = () => undefined;
const INT_METER: PowerPoints = { watts: int16(18, 22), wattHours: NONE, count: 23 };
const FLOAT_METER: PowerPoints = { watts: float32(28), wattHours: NONE, count: 30 };

const INVERTERS: Readonly<Record<number, PowerPoints>> = {
  101: INT_INVERTER,
  102: INT_INVERTER,
  103: INT_INVERTER,
  111: FLOAT_INVERTER,
  112: FLOAT_INVERTER,
  113: FLOAT_INVERTER,
};
const METERS: Readonly<Record<number, PowerPoints>> = {
  201: INT_METER,
  202: INT_METER,
  203: INT_METER,
  204: INT_METER,
  211: FLOAT_METER,
  212: FLOAT_METER,
  213: FLOAT_METER,
  214: FLOAT_METER,
};
const COMMON = 1, STORAGE = 124, TRACKERS = 160, BATTERY = 802;
const BATTERY_WATTS = int16(47, 63);
const CHARGING = 4, DISCHARGING = 3;
/** A tracker: number, name of 8 registers, current, voltage, power, … */
const TRACKER = { first: 10, size: 20, name: 1, power: 11 } as const;
const MAX_TRACKERS = 5;

/** Which models are of use: the first inverter, the first meter, what tells of a battery, and who made the device. */
export function usefulModels(models: readonly SunspecModel[]): readonly SunspecModel[] {
  const first = (fits: (id: number) => boolean) => models.filter(({ id }) => fits(id)).slice(0, 1);
  return [
    ...first((id) => id === COMMON),
    ...first((id) => id in INVERTERS),
    ...first((id) => id in METERS),
    ...first((id) => id === STORAGE),
    ...first((id) => id === TRACKERS),
    ...first((id) => id === BATTERY),
  ].map((model) => ({ ...model, count: Math.min(model.count, wantedCount(model.id)) }));
}

function wantedCount(id: number): number {
  if (id === COMMON) return 18;
  if (id === TRACKERS) return TRACKER.first + MAX_TRACKERS * TRACKER.size;
  if (id === BATTERY) return 64;
  return (INVERTERS[id] ?? METERS[id])?.count ?? 2;
}

/**
 * What the models say. `sign` is what a meter counts as positive; without it `import`, except for SolarEdge, whose
 * meters count what leaves (as evcc's templates have it).
 *
 * Generation is the inverter's AC power. Behind an inverter with a battery that would hold what the battery gives: then
 * it is the power of the trackers that are named as such, or the inverter's less the battery's.
 */
export function decodeModels(
  blocks: ReadonlyMap<number, Registers>,
  sign?: "import" | "export",
): SiteValues {
  const find = (table: Readonly<Record<number, PowerPoints>>) => [...blocks].find(([id]) => id in table);
  const inverter = find(INVERTERS), meter = find(METERS);
  const trackers = decodeTrackers(blocks.get(TRACKERS));
  const battery = decodeBattery(blocks.get(BATTERY)) ?? trackers.batteryWatts;
  const ac = inverter && plausible(INVERTERS[inverter[0]]!.watts(inverter[1]));
  const hasBattery = battery !== undefined || blocks.has(STORAGE) || blocks.has(BATTERY);
  const behind = battery === undefined || ac === undefined ? undefined : ac - battery;
  const pv = hasBattery ? trackers.pvWatts ?? behind : ac;
  const produced = hasBattery || inverter === undefined
    ? undefined
    : INVERTERS[inverter[0]]!.wattHours(inverter[1]);
  const counts = sign ?? (makerOf(blocks.get(COMMON)).startsWith("SolarEdge") ? "export" : "import");
  const grid = meter && plausible(METERS[meter[0]]!.watts(meter[1]));
  return {
    ...(pv === undefined ? {} : { pvWatts: Math.max(0, pv) }),
    // 0 - 5, not -5: there is no negative zero to show
    ...(grid === undefined ? {} : { gridWatts: counts === "export" ? 0 - grid : grid }),
    ...(battery === undefined ? {} : { batteryWatts: battery }),
    ...(produced !== undefined && produced > 0 && produced <= MAX_WATT_HOURS
      ? { producedWattHours: produced }
      : {}),
  };
}

const plausible = (watts: number | undefined): number | undefined =>
  watts !== undefined && Math.abs(watts) <= MAX_WATTS ? watts : undefined;

/** The model does not say which way is positive; its state of charging does. */
function decodeBattery(registers: Registers | undefined): number | undefined {
  const watts = registers && plausible(BATTERY_WATTS(registers));
  if (registers === undefined || watts === undefined) return undefined;
  const state = registers[16];
  return state === CHARGING ? -Math.abs(watts) : state === DISCHARGING ? Math.abs(watts) : watts;
}

/** Fronius names the trackers of a battery `StCha` and `StDisCha`. */
function decodeTrackers(registers: Registers | undefined): Pick<SiteValues, "pvWatts" | "batteryWatts"> {
  const scale = registers && factor(registers, 4);
  if (registers === undefined || scale === undefined) return {};
  let pv: number | undefined, battery: number | undefined;
  for (let index = 0; index < Math.min(registers[8] ?? 0, MAX_TRACKERS); index++) {
    const start = TRACKER.first + index * TRACKER.size;
    const watts = plausible(scaled(at(registers, start + TRACKER.power, 0xffff), scale));
    if (watts === undefined) continue;
    const name = textOf(registers.subarray(start + TRACKER.name, start + TRACKER.name + 8));
    if (name.startsWith("StDis")) battery = (battery ?? 0) + watts;
    else if (name.startsWith("StCha")) battery = (battery ?? 0) - watts;
    else pv = (pv ?? 0) + watts;
  }
  return {
    ...(pv === undefined ? {} : { pvWatts: pv }),
    ...(battery === undefined ? {} : { batteryWatts: battery }),
  };
}

const makerOf = (registers: Registers | undefined): string =>
  registers === undefined ? "" : textOf(registers.subarray(2, 18));

/** Two characters a register, ended by 0. */
function textOf(registers: Registers): string {
  const codes = [...registers].flatMap((register) => [register >> 8, register & 0xff]);
  const end = codes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? codes : codes.slice(0, end))).trim();
}
