/**
 * Each rule by itself: what a condition says against contributing.
 *
 * The fields are those of BOINC's preferences (its wiki, "PrefsReference"), with heat, voltage and carbon added.
 *
 * @module
 */
import { isWithin } from "./hours.ts";
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

const withdraw = (says: string): Verdict => ({ action: "withdraw", says });
const slow = (says: string): Verdict => ({ action: "slow", says });
const by = (action: Action, says: string): Verdict => action === "contribute" ? undefined : { action, says };
const isKnown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);

/** All rules by name, in the order in which they are told. */
export const RULES: Readonly<Record<string, (asked: Asked) => Verdict>> = {
  pause({ now, nowMs }) {
    if (!isKnown(now.pausedUntilMs) || now.pausedUntilMs <= nowMs) return undefined;
    return withdraw(`paused by the owner for ${minutes(now.pausedUntilMs - nowMs)}`);
  },
  undervoltage({ now, rules }) {
    if (!rules.undervoltage) return undefined;
    if (now.undervolted) {
      return withdraw("the supply's voltage is too low: a stronger supply or a shorter cable is needed");
    }
    return now.throttled
      ? withdraw("the firmware slows the processor down: heat, or too weak a supply")
      : undefined;
  },
  heat({ now, rules, before }) {
    if (!isKnown(now.celsius)) return undefined;
    const where = `${Math.round(now.celsius)} °C on ${now.hottest ?? "the processor"}`;
    const pauses = now.celsius >= rules.pauseCelsius ||
      (before === "withdraw" && now.celsius > rules.resumeCelsius);
    if (pauses) return withdraw(`${where}, resumes at ${rules.resumeCelsius} °C`);
    const from = before === undefined ? rules.slowCelsius : rules.slowCelsius - HEAT_STEP_CELSIUS;
    return now.celsius >= from ? slow(`${where}, which is ${rules.slowCelsius} °C or nearly so`) : undefined;
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
  quiet_hours({ now, rules }) {
    const { weekday, minute } = now;
    if (weekday === undefined || minute === undefined) return undefined;
    return isWithin(rules.quietHours, weekday, minute) ? withdraw("these are quiet hours") : undefined;
  },
  hours({ now, rules }) {
    const { weekday, minute } = now;
    if (rules.hours.length === 0 || weekday === undefined || minute === undefined) return undefined;
    return isWithin(rules.hours, weekday, minute) ? undefined : withdraw("these are not the hours of work");
  },
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

function budget(used: number | undefined, allowed: number, what: string): Verdict {
  if (allowed === 0 || !isKnown(used) || used < NEARLY * allowed) return undefined;
  const says = `${megabytes(used)} of ${megabytes(allowed)} are ${what}`;
  return used >= allowed ? withdraw(says) : slow(says);
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const minutes = (ms: number): string => `${Math.ceil(ms / 60_000)} minutes`;
