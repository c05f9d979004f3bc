/**
 * One counter from a device that tells both its power and the energy of its life.
 *
 * The device's own counter is right over hours, but moves in steps: a Tasmota plug's by a watt-hour, which a small
 * board takes ten minutes for. Its power is fresh, but a few percent off, and says nothing of the time in which the
 * device could not be asked. So there is one counter that moves with the power and is led by the device's own: what it
 * lacks is added over the next step, what it is ahead is held back. Nothing is counted twice.
 *
 * @module
 */

/** What a device told at one time. */
export interface MeterValues {
  /** When it was true, monotonic clock. */
  readonly atMs: number;
  readonly microwatts: bigint;
  /** Microjoules of the device's own counter. */
  readonly microjoules: bigint;
}

/** Answers further apart than this tell nothing of the power between them, but the device went on counting. */
const GAP_MS = 5_000;
/** The device's counter is followed no more often: within seconds it only shows how it rounds. */
const FOLLOW_MS = 60_000;
/** Most that the power is bent to follow the counter, relative. */
const MAX_BEND = 0.5;
/** More than this is no device of one machine. */
const MAX_MICROWATTS = 100_000e6;

/** Where the device's counter moved: what it showed, and what the sum should have been. */
interface Mark {
  readonly atMs: number;
  readonly microjoules: bigint;
  readonly target: number;
}

/** Microjoules since the first answer; never goes back. */
export class FusedEnergy {
  #last: MeterValues | undefined;
  #sum = 0;
  #mark: Mark | undefined;
  /** Smallest step of the device's counter that is known or was seen. */
  #quantum: number;
  /** Relative, and for how many microjoules of power it holds. */
  #bend = 0;
  #bendLeft = 0;

  /** With the largest step that such a device's counter moves by, where that is known. */
  constructor(stepMicrojoules = Infinity) {
    this.#quantum = stepMicrojoules;
  }

  /** Takes an answer; the whole microjoules as of then. */
  add(now: MeterValues): bigint {
    const last = this.#last;
    if (last !== undefined && now.atMs > last.atMs) this.#advance(last, now);
    if (last === undefined || now.atMs > last.atMs) this.#last = now;
    return BigInt(Math.floor(this.#sum));
  }

  #advance(last: MeterValues, now: MeterValues): void {
    const elapsedMs = now.atMs - last.atMs;
    // microwatts × milliseconds are nanojoules
    const byPower = Number(last.microwatts + now.microwatts) * elapsedMs / 2000;
    let moved = Number(now.microjoules - last.microjoules);
    if (moved < 0 || moved * 1000 > MAX_MICROWATTS * elapsedMs) {
      // it was set anew
      this.#mark = undefined;
      moved = 0;
    }
    if (moved > 0) this.#quantum = Math.min(this.#quantum, moved);
    if (elapsedMs > GAP_MS) this.#bridge(now, moved, byPower);
    else this.#move(now, moved, byPower);
  }

  /** Over a time without answers the device's counter is believed as far as its steps tell. */
  #bridge(now: MeterValues, moved: number, byPower: number): void {
    const mark = this.#mark;
    const least = mark === undefined ? this.#sum + moved - this.#quantum : this.#targetOf(mark, now);
    const most = mark === undefined ? this.#sum + moved + this.#quantum : least + this.#quantum;
    const sum = Math.min(Math.max(this.#sum + byPower, least), most);
    this.#sum = Math.max(this.#sum, sum);
    this.#bendLeft = 0;
  }

  #move(now: MeterValues, moved: number, byPower: number): void {
    const bent = Math.min(byPower, this.#bendLeft);
    this.#bendLeft -= bent;
    this.#sum += byPower + this.#bend * bent;
    if (moved === 0) return;
    const mark = this.#mark;
    // how much of a step had passed before is not known until it moves: then it is
    if (mark === undefined) {
      this.#mark = { atMs: now.atMs, microjoules: now.microjoules, target: this.#sum };
    } else if (now.atMs - mark.atMs >= FOLLOW_MS) this.#follow(mark, now);
  }

  /** How far off the sum is, and how that is made good by the time the counter has moved as far again. */
  #follow(mark: Mark, now: MeterValues): void {
    const target = this.#targetOf(mark, now);
    const step = Number(now.microjoules - mark.microjoules);
    // a device may show 0 W and count all the same: bending nothing gives nothing
    this.#sum = Math.max(this.#sum, target - MAX_BEND * step);
    this.#bend = Math.max(-MAX_BEND, (target - this.#sum) / step);
    this.#bendLeft = step;
    this.#mark = { atMs: now.atMs, microjoules: now.microjoules, target };
  }

  #targetOf = (mark: Mark, now: MeterValues): number =>
    mark.target + Number(now.microjoules - mark.microjoules);
}
