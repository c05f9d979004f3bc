/**
 * From the files of a hwmon chip to what it measures: microjoules, microwatts, or millivolts times milliamperes.
 *
 * @module
 */
import type { SystemFiles } from "../../device/sysfs.ts";
import type { EnergyChannel } from "../types.ts";
import type { ChipRule, Pair } from "./hwmon_chips.ts";
import { isNoPower, isPmbusLabel, isSameThing, pmbusSide } from "./hwmon_labels.ts";
import type { Chip } from "./hwmon_list.ts";
import type { ChipView, Labelled } from "./hwmon_places.ts";

/** One thing that a chip measures. */
export interface Figure extends Labelled {
  readonly type: EnergyChannel["type"];
  /** Files of it, the best first: one, or two whose product it is. */
  readonly ways: readonly (readonly [string] | readonly [string, string])[];
  /** Milliseconds between new values, as the chip tells. */
  readonly periodMs: number;
  /** Whether it is what goes into a converter or comes out of it, by PMBus: then its label says nothing of the board. */
  readonly isConverter: boolean;
}

/** The files of one chip. */
export interface ChipFiles extends ChipView {
  readonly folder: string;
  /** Numbers of the files of a kind, such as 1 and 3 for `curr1_input` and `curr3_input`, in order. */
  numbers(kind: string, ending: RegExp): readonly number[];
}

/** The files of a chip that was listed. */
export function chipFiles(files: SystemFiles, { folder, device, files: listed }: Chip): ChipFiles {
  const names = new Set(listed);
  const texts = new Map<string, string | undefined>();
  const text = (name: string) => {
    if (!texts.has(name)) texts.set(name, files.readText(`${folder}/${name}`) || undefined);
    return texts.get(name);
  };
  return {
    device,
    folder,
    has: (name) => names.has(name),
    text: (name) => names.has(name) ? text(name) : undefined,
    numbers: (kind, ending) =>
      listed.flatMap((name) => {
        const match = name.match(/^([a-z]+)(\d+)_([a-z]+)$/);
        return match !== null && match[1] === kind && ending.test(match[3]!) ? [Number(match[2])] : [];
      }).filter((number, i, all) => all.indexOf(number) === i).sort((a, b) => a - b),
  };
}

/**
 * What a chip measures, in tiers: the first that can be read counts. Energy comes before power, power before voltage times
 * current; of a converter what goes in comes before what comes out, and never both.
 */
export function figureTiers(chip: ChipFiles, rule: ChipRule): readonly (readonly Figure[])[] {
  const counters = channelsOf(chip, rule, "energy");
  const gauges = channelsOf(chip, rule, "power");
  const isConverter = rule.isSupplyMonitor === undefined && isPmbus(chip);
  const tiers = isConverter
    ? [counters, ...sidesOf(gauges), ...converterPairs(chip, rule)]
    : [counters, gauges, pairsOf(chip, rule)];
  return tiers.map((tier) => tier.map((figure) => ({ ...figure, isConverter }))).filter(({ length }) =>
    length > 0
  );
}

/** What a converter or a hot-swap controller is fed with, millivolts; 0 where it does not tell. */
export function supplyMillivolts(chip: ChipFiles, rule: ChipRule): number {
  const inputs = chip.numbers("in", /^input$/).filter((number) =>
    pmbusSide(chip.text(`in${number}_label`) ?? "")?.side === "vin"
  );
  const own = (rule.pairs ?? []).map(([volts]) => volts);
  return Math.max(
    0,
    ...(inputs.length > 0 ? inputs : rule.isHotSwap ? own : []).map((number) => millivolts(chip, number)),
  );
}

type Draft = Omit<Figure, "isConverter">;

/** Energy and power channels that are switched on. */
function channelsOf(chip: ChipFiles, rule: ChipRule, kind: "energy" | "power"): readonly Draft[] {
  const all = chip.numbers(kind, kind === "energy" ? /^input$/ : /^(?:input|average)$/);
  const meant = rule.channels?.map((group) => all.filter((number) => group.includes(number)))
    .find(({ length }) => length > 0) ?? (rule.channels === undefined ? all : []);
  return meant.filter((number) => isOn(chip, kind, number)).flatMap((number) => {
    const own = labelOf(chip, [`${kind}${number}`]);
    if (own !== undefined && isNoPower(own)) return [];
    const ways = ["input", "average"].map((ending) => `${kind}${number}_${ending}`).filter(chip.has);
    return [{
      label: own ?? `${kind}${number}`,
      isLabelled: own !== undefined,
      number,
      type: kind === "energy" ? "counter" : "gauge",
      ways: ways.map((name) => [`${chip.folder}/${name}`] as const),
      periodMs: periodOf(chip, [`power${number}_average_interval`]),
    }];
  });
}

function pairsOf(chip: ChipFiles, rule: ChipRule): readonly Draft[] {
  const pairs = rule.pairs ??
    chip.numbers("curr", /^input$/).map((number) => [number, number] as const).filter(([number]) =>
      isSameThing(chip.text(`in${number}_label`), chip.text(`curr${number}_label`))
    );
  const usable = pairs.filter((pair) => isUsable(chip, pair));
  return usable.filter(([volts, amperes]) =>
    !usable.some(([other, same]) => same === amperes && millivolts(chip, other) > millivolts(chip, volts))
  ).flatMap((pair) => pairOf(chip, pair, labelOf(chip, [`in${pair[0]}`, `curr${pair[1]}`])));
}

function pairOf(chip: ChipFiles, [volts, amperes]: Pair, label: string | undefined): Draft[] {
  if (label !== undefined && isNoPower(label)) return [];
  return [{
    label: label ?? `curr${amperes}`,
    isLabelled: label !== undefined,
    number: amperes,
    type: "gauge",
    ways: [[`${chip.folder}/in${volts}_input`, `${chip.folder}/curr${amperes}_input`]],
    periodMs: periodOf(chip, []),
  }];
}

const isUsable = (chip: ChipFiles, [volts, amperes]: Pair): boolean =>
  chip.has(`in${volts}_input`) && chip.has(`curr${amperes}_input`) && isOn(chip, "in", volts) &&
  isOn(chip, "curr", amperes);

function millivolts({ text }: ChipFiles, number: number): number {
  const value = Number(text(`in${number}_input`) ?? 0);
  return Number.isFinite(value) ? value : 0;
}

/** Whether currents or powers are labelled as PMBus does. */
const isPmbus = (chip: ChipFiles): boolean =>
  ["curr", "power"].some((kind) =>
    chip.numbers(kind, /^input$/).some((number) => isPmbusLabel(chip.text(`${kind}${number}_label`) ?? ""))
  );

/** Powers that go in, or else those that come out. */
function sidesOf(gauges: readonly Draft[]): readonly (readonly Draft[])[] {
  const of = (wanted: string) => gauges.filter(({ label }) => pmbusSide(label)?.side === wanted);
  return of("pin").length > 0 ? [of("pin")] : [of("pout")];
}

/** Volts and amperes by their labels, since their numbers only count them: inputs, else outputs. */
function converterPairs(chip: ChipFiles, rule: ChipRule): readonly (readonly Draft[])[] {
  const of = (kind: string, side: string) =>
    chip.numbers(kind, /^input$/).flatMap((number) => {
      const told = pmbusSide(chip.text(`${kind}${number}_label`) ?? "");
      return told?.side === side ? [{ number, page: told.page }] : [];
    });
  const pairs = (volts: string, amperes: string, name: string) =>
    of("curr", amperes).flatMap(({ number, page }) => {
      const all = of("in", volts);
      const own = all.find((voltage) => voltage.page === page) ?? (all.length === 1 ? all[0] : undefined);
      if (own === undefined || !isUsable(chip, [own.number, number])) return [];
      return pairOf(chip, [own.number, number], `${name}${page}`);
    });
  const inputs = pairs("vin", "iin", "pin");
  if (inputs.length > 0) return [inputs];
  const through = rule.isHotSwap ? pairs("vin", "iout", "pin") : [];
  return [through.length > 0 ? through : pairs("vout", "iout", "pout")];
}

const isOn = ({ text }: ChipFiles, kind: string, number: number): boolean =>
  text(`${kind}${number}_enable`) !== "0";

const labelOf = ({ text }: ChipFiles, channels: readonly string[]): string | undefined =>
  channels.map((channel) => text(`${channel}_label`)).find((label) => label !== undefined);

/** What the chip says of how often it has new values; 0 where it says nothing. */
const periodOf = ({ text }: ChipFiles, names: readonly string[]): number =>
  Math.max(0, ...[...names, "update_interval"].map((name) => Number(text(name))).filter(Number.isFinite));
