/**
 * Counters that are one counter: some processors of several dies show the package's counter once for each die, so that a
 * sum would count it twice (seen on AMD Threadripper: 68 W and 68 W where the wall meter shows 125 W).
 *
 * @module
 */

/** A counter at one moment. */
export interface CounterValue {
  readonly id: string;
  /** Microjoules as the sensor shows them. */
  readonly value: bigint;
}

/** Looks in a row that must agree. */
const LOOKS = 3;
/** The same register read a moment later differs by this much at most: 10 ms at 200 W. Microjoules. */
const SAME = 2_000_000n;

/** Compares counters of one kind, look after look. */
export class Mirrors {
  #last = new Map<string, bigint>();
  readonly #agreed = new Map<string, number>();

  /** Which counters repeat which earlier one, after `values` in a steady order. Counters that stand still tell nothing. */
  look(values: readonly CounterValue[]): ReadonlyMap<string, string> {
    const repeats = new Map<string, string>();
    values.forEach(({ id, value }, i) => {
      for (const other of values.slice(0, i)) {
        if (repeats.has(other.id)) continue;
        const key = `${other.id} ${id}`;
        const seen = this.#agree({ id, value }, other) ? (this.#agreed.get(key) ?? 0) + 1 : 0;
        this.#agreed.set(key, seen);
        if (seen >= LOOKS) repeats.set(id, other.id);
      }
    });
    this.#last = new Map(values.map(({ id, value }) => [id, value]));
    return repeats;
  }

  #agree(a: CounterValue, b: CounterValue): boolean {
    const moved = this.#last.get(a.id) !== a.value && this.#last.get(b.id) !== b.value;
    const apart = a.value > b.value ? a.value - b.value : b.value - a.value;
    return moved && apart <= SAME;
  }
}
