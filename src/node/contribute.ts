/**
 * Whether the node takes work now: looks at the machine every few seconds, asks the policy, and tells whoever serves.
 *
 * @module
 */
import type { DeviceStatus } from "../api/status.ts";
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import type { Table } from "../base/database.ts";
import { orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import { type DeviceConditions, readConditions } from "../device/conditions.ts";
import { type MemoryFacts, ownMemoryBytes, readMemory } from "../device/memory.ts";
import type { OtherLoad } from "../device/other_load.ts";
import type { SystemFiles } from "../device/sysfs.ts";
import type { Throttled } from "../device/throttled.ts";
import type { Watch } from "../device/watch.ts";
import { addUsed, type Budgets, dayWriteBytes, monthBytes, readBudgets } from "../policy/budgets.ts";
import { decide, WILLING, words } from "../policy/decide.ts";
import { machineRests } from "../policy/own_use.ts";
import type { Action, Conditions, Decision, Rules } from "../policy/types.ts";
import type { Health } from "./health.ts";

/** Between two looks at the machine. */
const LOOK_MS = 5_000;
/** The same while it is nearly too hot: small boards get 10 degrees warmer in as many seconds. */
const HOT_LOOK_MS = 1_000;
const NEARLY_HOT_CELSIUS = 5;
/** Name of the state in the list of what is degraded. */
const WHAT = "contribution";
const KEY = "budgets";
/** Peers of the owner that are remembered: one for each verb that runs. */
const MAX_OWN_PEERS = 64;

/** What the node has decided, for whoever takes work. */
export interface Contribution extends AsyncDisposable {
  readonly decision: Decision;
  /** What was read of the machine last; absent where the policy is off. */
  readonly device?: DeviceStatus | undefined;
  /** Resolves when another action than `from` is decided, or was already. Throws the reason of `signal`. */
  changed(from: Action, signal: AbortSignal): Promise<void>;
  /** The owner asks for quiet until then, Unix ms; a time that has passed ends it. */
  pause(untilMs: number): void;
  /** This peer asks for the owner from now on. */
  own(peer: PeerId): void;
  /** How much work is taken from a peer, and why not more. What keeps others away does not count for the owner. */
  willingFor(peer: PeerId): Pick<Decision, "share"> & { readonly words: string };
}

/** What is looked at. */
export interface ContributeParts {
  readonly config: Config;
  readonly files: SystemFiles;
  readonly health: Health;
  /** Keeps the budgets over a restart. */
  readonly table: Table;
  /** Bytes of requests and replies since the start. */
  readonly servedBytes: () => number;
  /** Carbon of the grid now, g/kWh. */
  readonly gramsPerKwh: () => number | undefined;
  /** Room on the disk of the data folder. */
  readonly diskFreeBytes: () => number | undefined;
  /** What the firmware says of the supply, where the kernel does not show it; owned from now on. */
  readonly supply: Watch<Throttled>;
  /** Whether the link is paid for, as the system knows it; owned from now on. */
  readonly metered: Watch<boolean>;
  /** How busy others keep the processors; owned from now on. */
  readonly otherLoad: OtherLoad;
}

/** Begins to look. */
export function openContribution(world: World, parts: ContributeParts): Contribution {
  const contribution = new Watcher(world, parts);
  contribution.run();
  return contribution;
}

class Watcher implements Contribution {
  decision: Decision = WILLING;
  device: DeviceStatus | undefined;
  /** By the monotonic clock: one that is set anew neither ends nor prolongs it. */
  #pauseEndsAtMs: number | undefined;
  #isNearlyHot = false;
  #changed = Promise.withResolvers<void>();
  #budgets: Budgets;
  #served = 0;
  #written = 0;
  #life: Promise<void> = Promise.resolve();
  readonly #end = new AbortController();
  readonly #own = new Set<PeerId>();

  constructor(readonly world: World, readonly parts: ContributeParts) {
    this.#budgets = readBudgets(storedIn(parts.table));
  }

  run(): void {
    this.#look();
    this.#life = this.#keepLooking();
  }

  pause(untilMs: number): void {
    const { clock } = this.world;
    this.#pauseEndsAtMs = clock.monotonic() + untilMs - clock.now();
    this.#look();
  }

  own(peer: PeerId): void {
    this.#own.delete(peer);
    this.#own.add(peer);
    if (this.#own.size > MAX_OWN_PEERS) this.#own.delete(this.#own.values().next().value!);
  }

  willingFor(peer: PeerId): ReturnType<Contribution["willingFor"]> {
    const isOwn = this.#own.has(peer) && machineRests(this.decision) === undefined;
    return { share: isOwn ? 1 : this.decision.share, words: words(this.decision) };
  }

  async changed(from: Action, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.decision.action === from) await orAbort(this.#changed.promise, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The node stops"));
    await this.#life;
    await Promise.all([this.parts.supply, this.parts.metered].map((watch) => watch[Symbol.asyncDispose]()));
    this.parts.otherLoad[Symbol.dispose]();
    this.parts.table.put(KEY, encodeUtf8(JSON.stringify(this.#budgets)));
  }

  async #keepLooking(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      const waitMs = this.#isNearlyHot ? HOT_LOOK_MS : LOOK_MS;
      await this.world.clock.sleep(waitMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        this.#look();
      } catch (error) {
        this.world.log.warn("Conditions not read", { reason: messageOf(error) });
      }
    }
  }

  #look(): void {
    const { health, config } = this.parts;
    const before = this.decision;
    const rules = config["policy.enabled"] ? rulesOf(config) : { ...rulesOf(config), require: [] };
    this.decision = decide(this.#conditions(), rules, before, this.world.clock.now());
    if (this.decision.action === "contribute") health.recover(WHAT);
    else if (this.decision.action !== before.action || isOther(this.decision, before)) {
      health.degrade(WHAT, words(this.decision));
    }
    if (this.decision.action === before.action) return;
    this.world.log.info("Contribution decided", { action: this.decision.action, why: words(this.decision) });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #conditions(): Conditions {
    const { files, config, gramsPerKwh, diskFreeBytes, otherLoad, supply, metered } = this.parts;
    const local = new Date(this.world.clock.now());
    this.#count(local);
    const pausedUntilMs = this.#pausedUntilMs();
    if (!config["policy.enabled"]) return { pausedUntilMs };
    const device = readConditions(files);
    this.#isNearlyHot = (device.celsius ?? 0) >= config["policy.slow_celsius"] - NEARLY_HOT_CELSIUS;
    const memory = readMemory(files);
    const conditions: Conditions = {
      weekday: local.getDay(),
      minute: local.getHours() * 60 + local.getMinutes(),
      ...supply.now,
      ...device,
      metered: meteredOf(config, device, metered.now),
      otherCpuShare: otherLoad.read(),
      availableBytes: memory?.availableBytes,
      diskFreeBytes: diskFreeBytes(),
      monthBytes: monthBytes(this.#budgets),
      dayWriteBytes: dayWriteBytes(this.#budgets),
      gramsPerKwh: gramsPerKwh(),
      pausedUntilMs,
    };
    this.device = deviceStatus(this.parts, conditions, memory);
    return conditions;
  }

  #pausedUntilMs(): number | undefined {
    const { clock } = this.world;
    return this.#pauseEndsAtMs === undefined
      ? undefined
      : clock.now() + this.#pauseEndsAtMs - clock.monotonic();
  }

  #count(local: Date): void {
    const { servedBytes, files, table } = this.parts;
    const served = servedBytes();
    const io = files.readText("/proc/self/io")?.match(/^write_bytes: (\d+)$/m)?.[1];
    const written = io === undefined ? this.#written : Number(io);
    const used = { bytes: served - this.#served, writeBytes: written - this.#written };
    this.#served = served;
    this.#written = written;
    const two = (part: number) => String(part).padStart(2, "0");
    const date = `${local.getFullYear()}-${two(local.getMonth() + 1)}-${two(local.getDate())}`;
    this.#budgets = addUsed(this.#budgets, date, used);
    // gathered with whatever else the node writes now and then
    table.put(KEY, encodeUtf8(JSON.stringify(this.#budgets)));
  }
}

const deviceStatus = (
  { config, files }: ContributeParts,
  now: Conditions,
  memory: MemoryFacts | undefined,
): DeviceStatus => ({
  celsius: now.celsius ?? null,
  hottest: now.hottest ?? null,
  throttled: now.throttled ?? null,
  undervolted: now.undervolted ?? null,
  memoryAvailableBytes: memory?.availableBytes ?? null,
  memoryTotalBytes: memory?.totalBytes ?? null,
  ownMemoryBytes: ownMemoryBytes(files) ?? null,
  diskFreeBytes: now.diskFreeBytes ?? null,
  dayWriteBytes: now.dayWriteBytes ?? 0,
  dayWriteBudgetBytes: config["policy.day_write_bytes"],
  monthBytes: now.monthBytes ?? 0,
  monthBudgetBytes: config["policy.month_bytes"],
});

/** The same action for other reasons: those are told, but not each degree. */
const isOther = (now: Decision, before: Decision): boolean =>
  now.because.map(({ rule }) => rule).join() !== before.because.map(({ rule }) => rule).join();

function storedIn(table: Table): unknown {
  const bytes = table.get(KEY);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The owner's word counts most, then NetworkManager's; the kernel does not know it, and cellular links mostly are. */
function meteredOf(
  config: Config,
  { link }: DeviceConditions,
  known: boolean | undefined,
): boolean | undefined {
  const said = config["policy.link_metered"];
  if (said !== "auto") return said === "yes";
  if (known !== undefined) return known;
  return link === undefined ? undefined : link === "cellular";
}

/** The owner's rules out of the configuration. */
export const rulesOf = (config: Config): Rules => ({
  require: config["policy.require"],
  restMs: 1000 * config["policy.rest_seconds"],
  onBattery: config["policy.on_battery"],
  batteryMinPercent: config["policy.battery_min_percent"],
  batteryMaxCelsius: config["policy.battery_max_celsius"],
  metered: config["policy.metered"],
  wifiOnly: config["policy.wifi_only"],
  slowCelsius: config["policy.slow_celsius"],
  pauseCelsius: config["policy.pause_celsius"],
  resumeCelsius: config["policy.resume_celsius"],
  undervoltage: config["policy.undervoltage"],
  quietHours: config["policy.quiet_hours"],
  hours: config["policy.hours"],
  networkHours: config["policy.network_hours"],
  greenGramsPerKwh: config["policy.green_grams_per_kwh"],
  otherCpuPercent: config["policy.other_cpu_percent"],
  minAvailableBytes: config["policy.min_available_bytes"],
  memoryPressurePercent: config["policy.memory_pressure_percent"],
  minDiskFreeBytes: config["policy.min_disk_free_bytes"],
  monthBytes: config["policy.month_bytes"],
  dayWriteBytes: config["policy.day_write_bytes"],
});
