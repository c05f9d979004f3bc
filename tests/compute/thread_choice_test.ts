import { assert, assertEquals } from "@std/assert";
import { ThreadChoice, TRIAL_STEPS } from "../../src/compute/thread_choice.ts";

/** Steps on a machine where one thread takes `one` ms and all of them `many`; how many were used at each step. */
function run(
  choice: ThreadChoice,
  steps: number,
  times: { one: number; many: number },
  kind = "a",
): number[] {
  return Array.from({ length: steps }, () => {
    const { threads } = choice;
    choice.record(kind, threads === 1 ? times.one : times.many);
    return threads;
  });
}

const last = (used: readonly number[]) => used[used.length - 1];
const QUIET = { one: 10, many: 4 };
const BUSY = { one: 11, many: 60 };

Deno.test("ThreadChoice keeps all threads where they are faster, after one trial", () => {
  const used = run(new ThreadChoice(3), 1000, QUIET);
  assertEquals(used.slice(0, 2 * TRIAL_STEPS), [1, 1, 1, 1, 3, 3, 3, 3]);
  assert(used.slice(2 * TRIAL_STEPS).every((threads) => threads === 3));
});

Deno.test("ThreadChoice goes down to one thread when the machine becomes busy, and up again when it is quiet", () => {
  const choice = new ThreadChoice(3);
  run(choice, 100, QUIET);
  const used = run(choice, 30, BUSY);
  assertEquals(last(used), 1);
  // three slow ones, and two more in the trial
  assertEquals(used.filter((threads) => threads === 3).length, 5);
  assertEquals(last(run(choice, 400, QUIET)), 3);
});

Deno.test("ThreadChoice tries ever more rarely on a machine that stays busy", () => {
  const used = run(new ThreadChoice(4), 20_000, BUSY);
  assert(used.filter((threads) => threads === 4).length <= 20);
});

Deno.test("ThreadChoice is not moved by single slow steps, nor by steps of other kinds", () => {
  const choice = new ThreadChoice(3);
  run(choice, 100, QUIET);
  for (let i = 0; i < 50; i++) {
    choice.record("a", 50);
    choice.record("b", 500);
    assertEquals(choice.threads, 3);
    run(choice, 2, QUIET);
  }
});

Deno.test("ThreadChoice turns to another kind of steps when the one it knew does not come any more", () => {
  const choice = new ThreadChoice(3);
  run(choice, 100, QUIET);
  run(choice, 100, { one: 100, many: 40 }, "b");
  assertEquals(choice.threads, 3);
  assertEquals(last(run(choice, 60, { one: 110, many: 600 }, "b")), 1);
});

Deno.test("ThreadChoice has nothing to choose with one thread", () => {
  assert(run(new ThreadChoice(1), 100, BUSY).every((threads) => threads === 1));
});
