/**
 * What a decision to contribute is made of. Pure data: the same on a board, a phone and in a page.
 *
 * @module
 */

/** Whether to take part. `slow` takes less work, `withdraw` finishes what is open and takes no more. */
export type Action = "contribute" | "slow" | "withdraw";

/** What is known of the device. Whatever is not known is left out: a missing sensor stops nobody. */
export interface Conditions {
  /** Local time: 0 is Sunday; minutes since midnight. */
  readonly weekday?: number | undefined;
  readonly minute?: number | undefined;
  /** Whether the device runs on its battery now. */
  readonly onBattery?: boolean | undefined;
  /** 0 to 100. */
  readonly batteryPercent?: number | undefined;
  readonly batteryCelsius?: number | undefined;
  /** Of the hottest sensor, and its name. */
  readonly celsius?: number | undefined;
  readonly hottest?: string | undefined;
  /** Supply voltage too low now. */
  readonly undervolted?: boolean | undefined;
  /** Slowed down by the firmware now. */
  readonly throttled?: boolean | undefined;
  readonly link?: "wired" | "wifi" | "cellular" | undefined;
  /** Whether bytes are paid for. */
  readonly metered?: boolean | undefined;
  /** Share of all processors that others keep busy, 0 to 1. */
  readonly otherCpuShare?: number | undefined;
  readonly availableBytes?: number | undefined;
  readonly diskFreeBytes?: number | undefined;
  /** Bytes served this month. */
  readonly monthBytes?: number | undefined;
  /** Bytes written to disk today. */
  readonly dayWriteBytes?: number | undefined;
  /** Carbon of the grid. */
  readonly gramsPerKwh?: number | undefined;
  /** The owner asked for quiet until then, Unix ms. */
  readonly pausedUntilMs?: number | undefined;
}

/** What the owner wants. Absent rules are off. */
export interface Rules {
  readonly onBattery: Action;
  readonly batteryMinPercent: number;
  readonly batteryMaxCelsius: number;
  readonly metered: Action;
  readonly wifiOnly: boolean;
  /** Steps of heat: from the first on slow, from the second on withdrawn, until below the third. */
  readonly slowCelsius: number;
  readonly pauseCelsius: number;
  readonly resumeCelsius: number;
  /** Whether a supply that is too weak, or a processor slowed down for it, is a reason to withdraw. */
  readonly undervoltage: boolean;
  /** Times of rest, such as `mon-fri 08:00-18:00`. */
  readonly quietHours: readonly string[];
  /** Times of work; empty is always. */
  readonly hours: readonly string[];
  /** Above this the node slows down; 0 is off. */
  readonly greenGramsPerKwh: number;
  /** Percent of all processors that others may keep busy; 0 is off. */
  readonly otherCpuPercent: number;
  readonly minAvailableBytes: number;
  readonly minDiskFreeBytes: number;
  /** 0 is off. */
  readonly monthBytes: number;
  /** 0 is off. */
  readonly dayWriteBytes: number;
}

/** Why, in words. */
export interface Because {
  readonly rule: string;
  readonly action: "slow" | "withdraw";
  readonly says: string;
}

/** What to do now. */
export interface Decision {
  readonly action: Action;
  /** Of the work that is taken otherwise: 1 to contribute, 0 to withdraw. */
  readonly share: number;
  /** Empty where nothing speaks against it. */
  readonly because: readonly Because[];
  /** Of the state, when it was decided: hysteresis and rest go by it. Unix ms. */
  readonly sinceMs: number;
}
