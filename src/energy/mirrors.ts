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

/** So many looks in a row must agree, or disagree after they did. */
const LOOKS = 3;
/** The same register read a moment later differs by this much at most: 10 ms at 200 W. Microjoules. */
const SAME = 2_000_000n;
/** Counters of one package with different values move together within this: for each look, and over all. */
const EACH = 0.01;
const ALL = 0.005;

interface Pair {
  agreed: number;
  disagreed: number;
  /** Microjoules of both over the looks that agreed. */
  sums: readonly [number, number];
  isMirror: boolean;
}

/** Compares counters of one kind, look after look. */
export class Mirrors {
  #last = new Map<string, bigint>();
  readonly #pairs = new Map<string, Pair>();

  /** Which counters repeat which earlier one, after `values` in a steady order. Counters that stand still tell nothing. */
  look(values: readonly CounterValue[]): ReadonlyMap<string, string> {
    const repeats = new Map<string, string>();
    values.forEach((value, i) => {
      for (const other of values.slice(0, i)) {
        if (this.#compare(other, value) && !repeats.has(other.id) && !repeats.has(value.id)) {
          repeats.set(value.id, other.id);
        }
      }
    });
    this.#last = new Map(values.map(({ id, value }) => [id, value]));
    return repeats;
  }

  #compare(a: CounterValue, b: CounterValue): boolean {
    const key = `${a.id} ${b.id}`;
    const pair = this.#pairs.get(key) ?? { agreed: 0, disagreed: 0, sums: [0, 0], isMirror: false };
    this.#pairs.set(key, pair);
    const [da, db] = [this.#moved(a), this.#moved(b)];
    if (da === undefined || db === undefined) return pair.isMirror;
    const isOnePackage = packageOf(a.id) !== undefined && packageOf(a.id) === packageOf(b.id);
    // two sockets under the same load move alike; only dies of one package are believed to be one counter for that
    const agree = isSameValue(a.value, b.value) || (isOnePackage && isWithin(EACH, da, db));
    if (agree) {
      pair.sums = [pair.sums[0] + da, pair.sums[1] + db];
      pair.agreed++;
      pair.disagreed = 0;
      if (pair.agreed >= LOOKS && isWithin(ALL, ...pair.sums)) pair.isMirror = true;
    } else {
      pair.agreed = 0;
      pair.sums = [0, 0];
      if (++pair.disagreed >= LOOKS) pair.isMirror = false;
    }
    return pair.isMirror;
  }

  /** Microjoules since the last look; `undefined` for a counter that stood still or began anew. */
  #moved({ id, value }: CounterValue): number | undefined {
    const last = this.#last.get(id);
    return last === undefined || value <= last ? undefined : Number(value - last);
  }
}

/** Whether two counters show the same number, read one after the other. */
export function isSameValue(a: bigint, b: bigint, slack = SAME): boolean {
  const apart = a > b ? a - b : b - a;
  return apart <= slack;
}

const isWithin = (share: number, a: number, b: number): boolean => Math.abs(a - b) <= share * Math.max(a, b);

/** The package of a counter of one die: `rapl:package-0-die-1` is of package 0. */
const packageOf = (id: string): string | undefined => id.match(/package-(\d+)-die-\d+$/)?.[1];
