/**
 * Power of a board that has no sensor, from how busy its processors are: `idle + (load − idle) · u · f`, with u the busy
 * share of all processors and f the clock by the clock of the figures. Always `modelled`: ±25 % and more.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import { type CpuLoad, type CpuTimes, openCpuLoad } from "../../device/cpu_load.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import { DOMAINS, type EnergyChannel, type EnergyReading, type Finding } from "../types.ts";

/** Watts at the wall with nothing to do and with all cores busy. */
export interface BoardModel {
  readonly idleWatts: number;
  readonly loadWatts: number;
  /** Clock that the figures were taken at; absent where the clock is not known to matter. */
  readonly megahertz?: number;
  /** Half width of the 95 % interval, relative. */
  readonly uncertainty: number;
}

interface KnownBoard extends BoardModel {
  readonly board: RegExp;
}

/**
 * Boards by the model of their device tree. Zero 2 and 5: fitted to recorded series with a wall meter (sbc-bench, BSD-3;
 * docs/decisions/pi5_power.md). The rest: figures widely quoted from J. Geerling's measurements, board only.
 */
const BOARDS: readonly KnownBoard[] = [
  {
    board: /Raspberry Pi (?:5|500|Compute Module 5)/,
    idleWatts: 3.6,
    loadWatts: 7.9,
    megahertz: 2400,
    uncertainty: 0.25,
  },
  { board: /Raspberry Pi Zero 2/, idleWatts: 1.108, loadWatts: 2.908, megahertz: 1000, uncertainty: 0.25 },
  {
    board: /Raspberry Pi (?:4|400|Compute Module 4)/,
    idleWatts: 2.7,
    loadWatts: 6.4,
    megahertz: 1500,
    uncertainty: 0.25,
  },
  {
    board: /Raspberry Pi 3 Model [AB] Plus/,
    idleWatts: 1.9,
    loadWatts: 5.1,
    megahertz: 1400,
    uncertainty: 0.25,
  },
  { board: /Raspberry Pi 3/, idleWatts: 1.4, loadWatts: 3.7, megahertz: 1200, uncertainty: 0.25 },
  { board: /Raspberry Pi Zero/, idleWatts: 0.4, loadWatts: 1.2, megahertz: 1000, uncertainty: 0.25 },
];

/** What the owner says of the board. */
export interface OwnModel {
  readonly idleWatts: number | undefined;
  readonly loadWatts: number | undefined;
}

/** What the owner knows is worth as much as a table's figure. */
const OWN_UNCERTAINTY = 0.25;
/** The kernel counts busy time in hundredths of a second: shorter spans would be noise. */
const PERIOD_MS = 200;
const CLOCK = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq";

/**
 * Watts of a board that is busy to the share `u` at a clock of `megahertz`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const zero2 = { idleWatts: 1.108, loadWatts: 2.908, megahertz: 1000, uncertainty: 0.25 };
 * assertAlmostEquals(modelWatts(zero2, 0.3, 1000), 1.648);
 * ```
 */
export function modelWatts(model: BoardModel, u: number, megahertz: number | undefined): number {
  const { idleWatts, loadWatts } = model;
  const clock = model.megahertz === undefined || megahertz === undefined ? 1 : megahertz / model.megahertz;
  return idleWatts + (loadWatts - idleWatts) * Math.min(1, Math.max(0, u)) * clock;
}

/** The board's model as a source: the owner's figures, else the table's, else none. */
export function findModel(world: World, files: SystemFiles, own: OwnModel): readonly Finding[] {
  const board = files.readText("/proc/device-tree/model") ??
    files.readText("/sys/firmware/devicetree/base/model");
  const model = ownModel(own) ?? BOARDS.find((known) => known.board.test(board ?? ""));
  const place = { id: "model", kind: "modelled", scope: "board" } as const;
  if (model === undefined) {
    const which = board === undefined ? "this machine" : `"${board}"`;
    const cure = "give energy.model_idle_watts and energy.model_load_watts, measured once with a plug";
    return [{ state: "absent", ...place, reason: `no figures are known of ${which}: ${cure}` }];
  }
  const load = openCpuLoad(files);
  if (load.read() === undefined) {
    load[Symbol.dispose]();
    return [{ state: "error", ...place, reason: "/proc/stat tells no processor times" }];
  }
  const source = {
    ...place,
    domain: DOMAINS.board,
    channels: [new ModelChannel(world, { files, load, model })],
    [Symbol.asyncDispose]: () => Promise.resolve(load[Symbol.dispose]()),
  };
  return [{ state: "ok", source }];
}

function ownModel({ idleWatts, loadWatts }: OwnModel): BoardModel | undefined {
  if (idleWatts === undefined) return undefined;
  return { idleWatts, loadWatts: Math.max(idleWatts, loadWatts ?? idleWatts), uncertainty: OWN_UNCERTAINTY };
}

interface ModelParts {
  readonly files: SystemFiles;
  readonly load: CpuLoad;
  readonly model: BoardModel;
}

/** Counts what the model says of each span between two readings: a counter has no corners to cut. */
class ModelChannel implements EnergyChannel {
  readonly id = "model";
  readonly type = "counter";
  readonly minPeriodMs = PERIOD_MS;
  readonly relativeUncertainty: number;
  failure: string | undefined;
  #last: { readonly atMs: number; readonly times: CpuTimes } | undefined;
  #reading: EnergyReading | undefined;
  #microjoules = 0;

  constructor(readonly world: World, readonly parts: ModelParts) {
    this.relativeUncertainty = parts.model.uncertainty;
  }

  read(): EnergyReading | undefined {
    const atMs = this.world.clock.monotonic();
    const last = this.#last;
    if (last !== undefined && atMs - last.atMs < PERIOD_MS) return this.#reading;
    const times = this.parts.load.read();
    this.failure = times === undefined ? "io" : undefined;
    if (times === undefined) return undefined;
    if (last !== undefined) {
      const total = times.totalMs - last.times.totalMs;
      const u = total > 0 ? (times.busyMs - last.times.busyMs) / total : 0;
      this.#microjoules += modelWatts(this.parts.model, u, this.#megahertz()) * (atMs - last.atMs) * 1000;
    }
    this.#last = { atMs, times };
    this.#reading = { atMs, value: BigInt(Math.round(this.#microjoules)) };
    return this.#reading;
  }

  #megahertz(): number | undefined {
    const kilohertz = Number(this.parts.files.readText(CLOCK) ?? NaN);
    return kilohertz > 0 ? kilohertz / 1000 : undefined;
  }
}
