import { assert, assertEquals } from "@std/assert";
import { DraftLength, MAX_DRAFT } from "../../src/text/draft_length.ts";
import { NgramDraft } from "../../src/text/ngram_draft.ts";

/** Passes of that cost, with guesses that are right that often; the numbers chosen. */
function play(costMs: (positions: number) => number, rate: number, passes = 60): number[] {
  const length = new DraftLength();
  let luck = 0;
  return Array.from({ length: passes }, () => {
    const guessed = length.next();
    let right = 0;
    while (right < guessed && (luck += rate) % 1 < rate) right++;
    length.observe({ positions: guessed + 1, ms: costMs(guessed + 1), guessed, right });
    return guessed;
  });
}

Deno.test("DraftLength guesses far ahead where a pass costs the same however long", () => {
  const chosen = play(() => 100, 0.9).slice(-10);
  assert(chosen.every((count) => count >= MAX_DRAFT - 1), `${chosen}`);
});

Deno.test("DraftLength stops where each position costs as much as a pass, and tries again now and then", () => {
  const chosen = play((positions) => 10 * positions, 0.5, 120).slice(20);
  const tries = chosen.filter((count) => count > 0).length;
  assert(tries >= 1 && tries <= 10, `${chosen}`);
});

Deno.test("DraftLength stops where guesses are never right", () => {
  const chosen = play((positions) => 100 + positions, 0, 60).slice(-20);
  assert(chosen.filter((count) => count > 0).length <= 2, `${chosen}`);
});

Deno.test("NgramDraft follows the longest run, and the latest of equal ones", () => {
  const draft = new NgramDraft([1, 2, 7, 9, 3, 1, 2, 8, 3, 1, 2]);
  assertEquals(draft.guess(2), [8, 3]);
  const longer = new NgramDraft([5, 1, 2, 7, 6, 1, 2, 8, 5, 1, 2]);
  assertEquals(longer.guess(1), [7]);
  assertEquals(new NgramDraft([1]).guess(4), []);
  assertEquals(new NgramDraft([1, 2, 3]).guess(4), []);
});
