import { assert, assertEquals } from "@std/assert";
import { DraftLength, MAX_DRAFT } from "../../src/text/draft_length.ts";
import { NgramDraft } from "../../src/text/ngram_draft.ts";

/** Passes of that cost, with guesses that are right that often and take so long each; the numbers chosen. */
function play(
  costMs: (positions: number) => number,
  rate: number,
  { passes = 60, guessMs = 0, length = new DraftLength() } = {},
): number[] {
  let luck = 0;
  return Array.from({ length: passes }, () => {
    const guessed = length.next();
    let right = 0;
    while (right < guessed && (luck += rate) % 1 < rate) right++;
    length.observe({
      positions: guessed + 1,
      ms: costMs(guessed + 1),
      guessed,
      right,
      guessMs: guessed * guessMs,
    });
    return guessed;
  });
}

Deno.test("DraftLength guesses far ahead where a pass costs the same however long", () => {
  const chosen = play(() => 100, 0.9).slice(-10);
  assert(chosen.every((count) => count >= MAX_DRAFT - 1), `${chosen}`);
});

Deno.test("DraftLength stops where each position costs as much as a pass, and tries again now and then", () => {
  const chosen = play((positions) => 10 * positions, 0.5, { passes: 120 }).slice(20);
  const tries = chosen.filter((count) => count > 0).length;
  assert(tries >= 1 && tries <= 10, `${chosen}`);
});

Deno.test("DraftLength stops where guesses are never right", () => {
  const chosen = play((positions) => 100 + positions, 0, { passes: 60 }).slice(-20);
  assert(chosen.filter((count) => count > 0).length <= 2, `${chosen}`);
});

Deno.test("DraftLength guesses less far where guesses take time, and not at all where a pass is as quick", () => {
  const line = (positions: number) => 100 + positions;
  const free = play(line, 0.8).at(-1)!;
  const dear = play(line, 0.8, { guessMs: 15 }).at(-1)!;
  assert(free > dear && dear > 0, `${free} ${dear}`);
  const chosen = play((positions) => 10 + positions, 0.95, { passes: 120, guessMs: 11 }).slice(20);
  const tries = chosen.filter((count) => count > 0).length;
  assert(tries >= 1 && tries <= 10, `${chosen}`);
});

Deno.test("DraftLength guesses again when guessing has become quick enough", () => {
  const length = new DraftLength();
  const slow = play(() => 20, 0.9, { length, guessMs: 40 });
  assertEquals(slow.slice(5, 20), Array(15).fill(0));
  const quick = play(() => 20, 0.9, { length, guessMs: 1, passes: 500 }).slice(-20);
  assert(quick.every((count) => count > 2), `${quick}`);
});

Deno.test("DraftLength learns what passes cost from those ahead of which others guessed", () => {
  const length = new DraftLength();
  const others = { guessed: 0, right: 0, guessMs: 0 };
  for (const positions of [1, 9, 1, 9, 1, 9]) length.observe({ positions, ms: 10 * positions, ...others });
  length.observe({ positions: 5, ms: 50, guessed: 4, right: 2, guessMs: 0 });
  assertEquals(length.next(), 0);
});

Deno.test("NgramDraft follows the longest run, and the latest of equal ones", () => {
  const draft = new NgramDraft([1, 2, 7, 9, 3, 1, 2, 8, 3, 1, 2]);
  assertEquals(draft.guess(2), [8, 3]);
  const longer = new NgramDraft([5, 1, 2, 7, 6, 1, 2, 8, 5, 1, 2]);
  assertEquals(longer.guess(1), [7]);
  assertEquals([draft.lookUp(2, 3), draft.lookUp(2, 4)], [[8, 3], []]);
  assertEquals(new NgramDraft([1]).guess(4), []);
  assertEquals(new NgramDraft([1, 2, 3]).guess(4), []);
});
