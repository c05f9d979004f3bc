/**
 * Texts that match several expressions at once, as a deterministic automaton.
 *
 * @module
 */
import { type Expression, grammarFault } from "./grammar_rules.ts";
import { LAST_LETTER, type LetterRange, otherLetters } from "./letter_set.ts";

/** What may come at a place of a text. */
export interface TextPlace {
  /** Whether the text may end here. */
  readonly isEnd: boolean;
  /** Where letters lead to; no letter stands in two of them. */
  readonly next: readonly { readonly ranges: readonly LetterRange[]; readonly to: number }[];
}

/** How many letters a text has. */
export interface TextLength {
  readonly least: number;
  readonly most?: number;
}

/** Work that may be done for texts, counted in nodes looked at: 5 million take 0.2 s. */
export interface TextBudget {
  nodes: number;
}

/** Places of an automaton: each takes about 8 ms of preparing with 49,152 tokens. */
const MAX_PLACES = 400;
/** Letters and branches of all expressions, repetitions written out. */
const MAX_NODES = 8000;
/** Nodes that are looked at for the texts of a schema. */
export const MAX_WORK = 5_000_000;
/** Ends of ranges of letters. */
const MAX_CUTS = 400;

/**
 * The places of texts that match all of `wholes` and have that length; the first one is where texts begin. All places lead
 * to an end. Throws `NodeError` `usage` where that takes too many places, or nothing matches.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { text } from "./grammar_rules.ts";
 *
 * assertEquals(textPlaces([text("a")], { least: 0 }), [
 *   { isEnd: false, next: [{ ranges: [[0x61, 0x61]], to: 1 }] },
 *   { isEnd: true, next: [] },
 * ]);
 * ```
 */
export function textPlaces(
  wholes: readonly Expression[],
  length: TextLength,
  budget: TextBudget = { nodes: MAX_WORK },
): readonly TextPlace[] {
  const machines = [...wholes.map((whole) => new Branches(whole, budget)), lengthMachine(length)];
  const letters = letterRanges(machines.flatMap(({ cuts }) => cuts));
  const known = new Map<string, number>();
  const reached: (readonly string[])[] = [];
  const numberOf = (states: readonly string[]): number => {
    const key = states.join("|");
    const number = known.get(key) ?? known.size;
    if (number === known.size) {
      if (number >= MAX_PLACES) {
        throw grammarFault(`the text has more than ${MAX_PLACES} places`, "shorter or fewer repetitions");
      }
      known.set(key, number);
      reached.push(states);
    }
    return number;
  };
  numberOf(machines.map((machine) => machine.start));
  const places: TextPlace[] = [];
  for (let at = 0; at < reached.length; at++) {
    const states = reached[at]!;
    const next = new Map<number, LetterRange[]>();
    for (const range of letters) {
      const following = followingOf(machines, states, range[0]);
      if (following === undefined) continue;
      const to = numberOf(following);
      next.set(to, joined(next.get(to) ?? [], range));
    }
    places.push({
      isEnd: machines.every((machine, i) => machine.isEnd(states[i]!)),
      next: [...next].map(([to, ranges]) => ({ ranges, to })),
    });
  }
  return onlyEnding(places);
}

/** An automaton by names of its states. */
interface Machine {
  readonly start: string;
  /** First letters of ranges that it tells apart. */
  readonly cuts: readonly number[];
  /** Where a letter leads; `undefined` for nowhere. */
  follow(state: string, letter: number): string | undefined;
  isEnd(state: string): boolean;
}

function followingOf(machines: readonly Machine[], states: readonly string[], letter: number) {
  const following: string[] = [];
  for (const [i, machine] of machines.entries()) {
    const state = machine.follow(states[i]!, letter);
    if (state === undefined) return undefined;
    following.push(state);
  }
  return following;
}

function lengthMachine({ least, most }: TextLength): Machine {
  return {
    start: "0",
    cuts: [],
    follow: (state) => {
      const count = Number(state) + 1;
      if (most !== undefined) return count > most ? undefined : String(count);
      return String(Math.min(count, least));
    },
    isEnd: (state) => Number(state) >= least,
  };
}

/** The automaton of an expression (Thompson's construction); a state is a set of nodes. */
class Branches implements Machine {
  readonly start: string;
  readonly cuts: number[] = [];
  /** What a node waits for, and where it leads. */
  readonly #letters: (readonly LetterRange[] | undefined)[] = [];
  readonly #ways: number[][] = [];
  readonly #steps = new Map<string, string | undefined>();

  readonly #budget: TextBudget;

  constructor(whole: Expression, budget: TextBudget) {
    this.#budget = budget;
    const end = this.#node([]);
    this.start = this.#setOf([this.#build(whole, end)]);
  }

  follow(state: string, letter: number): string | undefined {
    const key = `${state}:${letter}`;
    if (this.#steps.has(key)) return this.#steps.get(key);
    const all = state.split(",").map(Number);
    this.#spend(all.length);
    const nodes = all.filter((node) =>
      this.#letters[node]?.some(([first, last]) => first <= letter && letter <= last)
    );
    const following = nodes.length === 0
      ? undefined
      : this.#setOf(nodes.flatMap((node) => this.#ways[node]!));
    this.#steps.set(key, following);
    return following;
  }

  isEnd(state: string): boolean {
    return state.split(",").includes("0");
  }

  #spend(nodes: number): void {
    this.#budget.nodes -= nodes;
    if (this.#budget.nodes < 0) {
      throw grammarFault("the texts have too many branches", "fewer of them and fewer repetitions");
    }
  }

  #node(ways: number[], letters?: readonly LetterRange[]): number {
    if (this.#ways.length >= MAX_NODES) {
      throw grammarFault(`the text has more than ${MAX_NODES} letters and branches`, "fewer repetitions");
    }
    this.#letters.push(letters);
    return this.#ways.push(ways) - 1;
  }

  /** The node where a part begins that goes on at `then`. */
  #build(part: Expression, then: number): number {
    switch (part.kind) {
      case "text":
        return [...part.text].reduceRight((at, letter) => {
          const code = letter.codePointAt(0)!;
          return this.#letter([[code, code]], at);
        }, then);
      case "letter":
        return this.#letter(part.isNegated ? otherLetters(part.ranges) : part.ranges, then);
      case "sequence":
        return part.parts.reduceRight((at, one) => this.#build(one, at), then);
      case "choice":
        return this.#node(part.options.map((option) => this.#build(option, then)));
      case "repeat":
        return this.#repeat(part, then);
      case "rule":
        throw new TypeError(`A text names the rule ${part.name}`);
    }
  }

  #letter(ranges: readonly LetterRange[], then: number): number {
    for (const [first, last] of ranges) this.cuts.push(first, last + 1);
    return this.#node([then], ranges);
  }

  #repeat({ of, least, most }: Expression & { readonly kind: "repeat" }, then: number): number {
    let at = then;
    if (most === undefined) {
      at = this.#node([then]);
      this.#ways[at]!.push(this.#build(of, at));
    } else {
      for (let i = least; i < most; i++) at = this.#node([then, this.#build(of, at)]);
    }
    for (let i = 0; i < least; i++) at = this.#build(of, at);
    return at;
  }

  /** The nodes that wait for letters, or are the end, from here on. */
  #setOf(nodes: readonly number[]): string {
    const found = new Set<number>();
    const left = [...nodes];
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (found.has(node)) continue;
      found.add(node);
      if (this.#letters[node] === undefined) left.push(...this.#ways[node]!);
    }
    this.#spend(found.size);
    return [...found].filter((node) => node === 0 || this.#letters[node] !== undefined)
      .sort((a, b) => a - b).join(",");
  }
}

/** Ranges of letters that nothing tells apart. */
function letterRanges(cuts: readonly number[]): readonly LetterRange[] {
  const sorted = [...new Set([0, 0xd800, 0xe000, ...cuts])].filter((cut) => cut <= LAST_LETTER)
    .sort((a, b) => a - b);
  if (sorted.length > MAX_CUTS) {
    throw grammarFault(`the text tells ${sorted.length} kinds of letters apart`, `at most ${MAX_CUTS}`);
  }
  return sorted.map((first, i): LetterRange => [first, (sorted[i + 1] ?? LAST_LETTER + 1) - 1])
    .filter(([first]) => first < 0xd800 || first >= 0xe000);
}

function joined(ranges: LetterRange[], [first, last]: LetterRange): LetterRange[] {
  const before = ranges.at(-1);
  // half letters are none, so what lies on both sides of them is one range
  const isNext = before !== undefined &&
    (before[1] + 1 === first || (before[1] === 0xd7ff && first === 0xe000));
  return isNext ? [...ranges.slice(0, -1), [before[0], last]] : [...ranges, [first, last]];
}

/** The places that lead to an end, numbered anew. */
function onlyEnding(places: readonly TextPlace[]): readonly TextPlace[] {
  const before = places.map((): number[] => []);
  for (const [at, { next }] of places.entries()) for (const { to } of next) before[to]!.push(at);
  const ending = new Set<number>();
  const left = [...places.keys()].filter((at) => places[at]!.isEnd);
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (ending.has(at)) continue;
    ending.add(at);
    left.push(...before[at]!);
  }
  if (!ending.has(0)) throw grammarFault("no text fits", "what one can fit");
  const numbers = new Map([...places.keys()].filter((at) => ending.has(at)).map((at, i) => [at, i]));
  return [...numbers.keys()].map((at) => ({
    isEnd: places[at]!.isEnd,
    next: places[at]!.next.filter(({ to }) => ending.has(to)).map(({ ranges, to }) => ({
      ranges,
      to: numbers.get(to)!,
    })),
  }));
}
