/**
 * Each rule by itself: what a condition says against contributing.
 *
 * The fields are those of BOINC's preferences (its wiki, "PreferencesXml", and for phones `battery_charge_min_pct`,
 * `battery_max_temperature` and `network_wifi_only`), with heat, voltage, memory pressure and carbon added.
 *
 * @module
 */
import { isWithin, minutesToChange } from "./hours.ts";
import type { Action, Because, Conditions, Rules } from "./types.ts";

/** What one rule is asked with. */
export interface Asked {
  readonly now: Conditions;
  readonly rules: Rules;
  /** What this rule said last time. */
  readonly before: "slow" | "withdraw" | undefined;
  /** Unix ms. */
  readonly nowMs: number;
}

type Verdict = Omit<Because, "rule"> | undefined;

/** A battery that is this much above its least level may work again. */
const BATTERY_STEP_PERCENT = 5;
const BATTERY_STEP_CELSIUS = 3;
/** Heat falls by this much below a step before that step ends. */
const HEAT_STEP_CELSIUS = 3;
/** Carbon falls by this share below its threshold before the rule ends; others' load likewise. */
const STEP_SHARE = 0.1;
/** Of a budget, from which on the node slows down. */
const NEARLY = 0.9;

const withdraw = (says: string, until: Pick<Because, "untilMs"> = {}): Verdict => ({
  action: "withdraw",
  says,
  ...until,
});
const slow = (says: string): Verdict => ({ action: "slow", says });
const by = (action: Action, says: string): Verdict => action === "contribute" ? undefined : { action, says };

/** What each rule judges by. */
const NEEDS: Readonly<Record<string, keyof Conditions>> = {
  undervoltage: "undervolted",
  heat: "celsius",
  battery: "onBattery",
  battery_level: "batteryPercent",
  battery_heat: "batteryCelsius",
  metered: "metered",
  wifi: "link",
  quiet_hours: "minute",
  hours: "minute",
  network_hours: "minute",
  green: "gramsPerKwh",
  other_load: "otherCpuShare",
  memory: "availableBytes",
  memory_pressure: "memoryPressure",
  disk: "diskFreeBytes",
  month_bytes: "monthBytes",
  day_writes: "dayWriteBytes",
};

/** Rules that can be required: those that judge by a condition. */
export const REQUIRABLE: readonly string[] = Object.keys(NEEDS);

const isKnown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);

/** All rules by name, in the order in which they are told. */
export const RULES: Readonly<Record<string, (asked: Asked) => Verdict>> = {
  pause({ now, nowMs }) {
    if (!isKnown(now.pausedUntilMs) || now.pausedUntilMs <= nowMs) return undefined;
    return withdraw(`paused by the owner for ${minutes(now.pausedUntilMs - nowMs)}`, {
      untilMs: now.pausedUntilMs,
    });
  },
  require({ now, rules }) {
    const missing = rules.require.filter((rule) => isMissing(now, NEEDS[rule]));
    if (missing.length === 0) return undefined;
    return withdraw(`nothing is known for ${missing.join(" and ")}, which the owner requires`);
  },
  undervoltage({ now, rules }) {
    if (!rules.undervoltage) return undefined;
    if (now.undervolted) {
      return withdraw("the supply's voltage is too low: a stronger supply or a shorter cable is needed");
    }
    if (!now.throttled) return undefined;
    return withdraw("the firmware slows the processor down: heat, or too weak a supply");
  },
  heat({ now, rules, before }) {
    if (!isKnown(now.celsius)) return undefined;
    const where = `${Math.round(now.celsius)} °C on ${now.hottest ?? "the processor"}`;
    const pauses = now.celsius >= rules.pauseCelsius ||
      (before === "withdraw" && now.celsius > rules.resumeCelsius);
    if (pauses) return withdraw(`${where}, resumes at ${rules.resumeCelsius} °C`);
    const from = before === undefined ? rules.slowCelsius : rules.slowCelsius - HEAT_STEP_CELSIUS;
    if (now.celsius < from) return undefined;
    return slow(`${where}, which is ${rules.slowCelsius} °C or nearly so`);
  },
  battery({ now, rules }) {
    return now.onBattery ? by(rules.onBattery, "it runs on its battery") : undefined;
  },
  battery_level({ now, rules, before }) {
    if (!isKnown(now.batteryPercent)) return undefined;
    const least = rules.batteryMinPercent + (before === undefined ? 0 : BATTERY_STEP_PERCENT);
    // a full battery must be enough, whatever the rule says
    if (now.batteryPercent >= Math.min(least, 100)) return undefined;
    return withdraw(
      `the battery is at ${Math.round(now.batteryPercent)} %, wanted ${rules.batteryMinPercent} %`,
    );
  },
  battery_heat({ now, rules, before }) {
    if (!isKnown(now.batteryCelsius)) return undefined;
    const most = rules.batteryMaxCelsius - (before === undefined ? 0 : BATTERY_STEP_CELSIUS);
    if (now.batteryCelsius <= most) return undefined;
    return withdraw(
      `the battery has ${Math.round(now.batteryCelsius)} °C, wanted ${rules.batteryMaxCelsius} °C or less`,
    );
  },
  metered({ now, rules }) {
    return now.metered ? by(rules.metered, "the network link is metered") : undefined;
  },
  wifi({ now, rules }) {
    return rules.wifiOnly && now.link === "cellular"
      ? withdraw("the network is not Wi-Fi or a cable")
      : undefined;
  },
  quiet_hours: ({ now, rules, nowMs }) =>
    during(now, rules.quietHours, nowMs, (isIn) => isIn ? "these are quiet hours" : undefined),
  hours: ({ now, rules, nowMs }) =>
    during(now, rules.hours, nowMs, (isIn) => isIn ? undefined : "these are not the hours of work"),
  network_hours: ({ now, rules, nowMs }) =>
    during(now, rules.networkHours, nowMs, (isIn) => isIn ? undefined : "these are not the network's hours"),
  green({ now, rules, before }) {
    if (rules.greenGramsPerKwh === 0 || !isKnown(now.gramsPerKwh)) return undefined;
    const most = rules.greenGramsPerKwh * (before === undefined ? 1 : 1 - STEP_SHARE);
    if (now.gramsPerKwh <= most) return undefined;
    return slow(
      `the grid is at ${Math.round(now.gramsPerKwh)} g/kWh, wanted ${rules.greenGramsPerKwh} or less`,
    );
  },
  other_load({ now, rules, before }) {
    if (rules.otherCpuPercent === 0 || !isKnown(now.otherCpuShare)) return undefined;
    const most = rules.otherCpuPercent / 100 * (before === undefined ? 1 : 1 - STEP_SHARE);
    if (now.otherCpuShare <= most) return undefined;
    return withdraw(
      `other programs use ${
        Math.round(100 * now.otherCpuShare)
      } % of the processors, wanted ${rules.otherCpuPercent} % or less`,
    );
  },
  memory({ now, rules, before }) {
    if (!isKnown(now.availableBytes)) return undefined;
    const least = rules.minAvailableBytes * (before === undefined ? 1 : 1 + STEP_SHARE);
    if (now.availableBytes >= least) return undefined;
    return slow(
      `${megabytes(now.availableBytes)} of memory are free, wanted ${megabytes(rules.minAvailableBytes)}`,
    );
  },
  memory_pressure({ now, rules, before }) {
    if (rules.memoryPressurePercent === 0 || !isKnown(now.memoryPressure)) return undefined;
    const most = rules.memoryPressurePercent / 100 * (before === undefined ? 1 : 0.5);
    if (now.memoryPressure <= most) return undefined;
    const percent = Math.round(100 * now.memoryPressure);
    return withdraw(
      `all programs wait for memory ${percent} % of the time, wanted ${rules.memoryPressurePercent} % or less`,
    );
  },
  disk({ now, rules, before }) {
    if (!isKnown(now.diskFreeBytes)) return undefined;
    const least = rules.minDiskFreeBytes * (before === undefined ? 1 : 1 + STEP_SHARE);
    if (now.diskFreeBytes >= least) return undefined;
    return slow(
      `${megabytes(now.diskFreeBytes)} of disk are free, wanted ${megabytes(rules.minDiskFreeBytes)}`,
    );
  },
  month_bytes: ({ now, rules }) => budget(now.monthBytes, rules.monthBytes, "served this month"),
  day_writes: ({ now, rules }) => budget(now.dayWriteBytes, rules.dayWriteBytes, "written to disk today"),
};

/** What is said inside times of the week, or outside them; without times nothing is. */
function during(
  { weekday, minute }: Conditions,
  times: readonly string[],
  nowMs: number,
  says: (isIn: boolean) => string | undefined,
): Verdict {
  if (times.length === 0 || weekday === undefined || minute === undefined) return undefined;
  const text = says(isWithin(times, weekday, minute));
  if (text === undefined) return undefined;
  const wait = minutesToChange(times, weekday, minute);
  if (wait === undefined) return withdraw(text);
  const untilMs = nowMs - nowMs % 60_000 + 60_000 * wait;
  return withdraw(`${text}, until ${clockText(minute + wait)}`, { untilMs });
}

function isMissing(now: Conditions, need: keyof Conditions | undefined): boolean {
  const value = need === undefined ? undefined : now[need];
  return value === undefined || Number.isNaN(value);
}

function budget(used: number | undefined, allowed: number, what: string): Verdict {
  if (allowed === 0 || !isKnown(used) || used < NEARLY * allowed) return undefined;
  const says = `${megabytes(used)} of ${megabytes(allowed)} are ${what}`;
  return used >= allowed ? withdraw(says) : slow(says);
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
/** Minutes since some midnight as people read them: `18:00`. */
const clockText = (minutes: number): string =>
  [Math.floor(minutes / 60) % 24, minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");
const minutes = (ms: number): string => {
  const whole = Math.ceil(ms / 60_000);
  return whole === 1 ? "1 minute" : `${whole} minutes`;
};
