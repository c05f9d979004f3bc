import { assertEquals } from "@std/assert";
import { Guessing } from "../../src/text/guessing.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { scoresFor, ToySequence } from "./toy_sequence.ts";

const never = new AbortController().signal;
const { log } = fakeWorld();
const endIds = new Set<number>();

/** A small model that always says 7. */
function sevens() {
  let released = 0;
  const sequence = new ToySequence(() => scoresFor(7, 12));
  const lease = { sequence, held: 0, release: () => Promise.resolve(void released++) };
  return { model: { lend: () => Promise.resolve(lease) }, released: () => released };
}

Deno.test("what a text repeats at length is heard before the small model, short repetitions after it", async () => {
  const { model, released } = sevens();
  const guesses = new Guessing({ log, most: 8, model, endIds }).open(
    new ToySequence(() => scoresFor(0, 12)),
    [1, 2, 3, 4, 9, 2, 3],
    50,
  );
  const all = async () => await Promise.all(guesses.drafts.map(({ drafter }) => drafter.guess(2, never)));
  assertEquals(await all(), [[], [], [4, 9]]);
  await settle();
  assertEquals(await all(), [[], [7, 7], [4, 9]]);
  for (const { drafter } of guesses.drafts) drafter.push(4);
  assertEquals(await all(), [[9, 2], [7, 7], [9, 2]]);
  await guesses[Symbol.asyncDispose]();
  assertEquals(released(), 1);
});

Deno.test("without a small model the text is all there is, and nothing where guesses are off or cannot be taken back", () => {
  const sequence = new ToySequence(() => scoresFor(0, 12));
  const guessing = new Guessing({ log, most: undefined, model: undefined, endIds });
  const { drafts } = guessing.open(sequence, [1, 2, 3, 1, 2], 50);
  assertEquals(drafts.map(({ drafter }) => drafter.guess(2, never)), [[3, 1]]);
  const { model } = sevens();
  assertEquals(new Guessing({ log, most: 0, model, endIds }).open(sequence, [1], 50).drafts, []);
  sequence.canRewind = false;
  assertEquals(new Guessing({ log, most: 8, model, endIds }).open(sequence, [1], 50).drafts, []);
});
