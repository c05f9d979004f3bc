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
  /** Memory that programs can still have. */
  readonly availableBytes?: number | undefined;
  /** Share of the last ten seconds in which all programs waited for memory, 0 to 1. */
  readonly memoryPressure?: number | undefined;
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

/**
 * What the owner wants: the one form of a policy, whether it comes from a board's configuration, a phone or a page.
 * Everything is there; what is off has its own value. Names and defaults of settings: `config/keys_policy.ts`.
 */
export interface Rules {
  /** Rules that must be able to judge: without what they judge by, nothing is contributed. */
  readonly require: readonly string[];
  /** What is better must last so long before more work is taken. */
  readonly restMs: number;
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
  /** Times in which the network may be used for others; empty is always. */
  readonly networkHours: readonly string[];
  /** Above this the node slows down; 0 is off. */
  readonly greenGramsPerKwh: number;
  /** Percent of all processors that others may keep busy; 0 is off. */
  readonly otherCpuPercent: number;
  readonly minAvailableBytes: number;
  /** Percent of the time in which all programs may wait for memory; 0 is off. */
  readonly memoryPressurePercent: number;
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
  /** When it ends by itself, Unix ms; absent where nobody knows. */
  readonly untilMs?: number;
}

/** What to do now. Hand it to the next question: rests and hysteresis go by it. */
export interface Decision {
  readonly action: Action;
  /** Of the new work that is taken otherwise: 1 to contribute, 0 to withdraw. */
  readonly share: number;
  /** Empty where nothing speaks against it. */
  readonly because: readonly Because[];
  /** Since when the action is this one, Unix ms. */
  readonly sinceMs: number;
  /** When it may change at the latest though no condition does, Unix ms; absent where no such time is known. */
  readonly checkAgainAtMs?: number;
  /** How long what is better must last, ms. */
  readonly restMs: number;
  /** Since when it is better than the action, Unix ms. */
  readonly betterSinceMs?: number;
  /** When it got better last, Unix ms; absent once it got worse again. */
  readonly recoveredAtMs?: number;
}
