import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import type { FormLink, FormReply } from "../../../src/text/forms/form_messages.ts";
import { openForms } from "../../../src/text/forms/grammar.ts";
import type { AnswerForm } from "../../../src/text/types.ts";
import { saidByBundle, sourceFile } from "../../support/bundled.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { formModel, hereLink } from "./form_walk.ts";

const never = new AbortController().signal;
const model = formModel();
const { tokenizer: { endIds, idOf }, vocabulary, size } = model;
const tokens = () => ({ vocabulary, endIds, vocabularySize: size, marks: new Map() });
const regex = (pattern: string): AnswerForm => ({ kind: "regex", pattern });
const id = (letter: string) => idOf(letter)!;

/** Letters that may come next. */
function letters(constraint: { mask(scores: Float32Array): void }): string {
  const scores = new Float32Array(size);
  constraint.mask(scores);
  return [..."abcdefgh"].filter((letter) => scores[id(letter)] === 0).join("");
}

/** Links that never answer what `isSlow` says. */
function slowLinks(isSlow: (request: { readonly kind: string; readonly id?: number }) => boolean) {
  const opened: { isEnded: boolean }[] = [];
  const open = (): FormLink => {
    const link = hereLink();
    const state = { isEnded: false };
    opened.push(state);
    return {
      ask: (request) => {
        assert(!state.isEnded, "an ended thread is asked");
        return isSlow(request) ? new Promise<FormReply>(() => {}) : link.ask(request);
      },
      [Symbol.dispose]: () => state.isEnded = true,
    };
  };
  return { open, opened };
}

Deno.test("a form that takes too long is refused, and answers beside it go on in a new thread", async () => {
  const world = fakeWorld();
  let isSlow = false;
  const { open, opened } = slowLinks(({ kind }) => isSlow && kind === "open");
  await using forms = openForms(world, tokens, open);
  using other = await forms.constrain(regex("ab*c"), never);
  await other.accept(id("a"));
  isSlow = true;
  const refused = assertRejects(() => forms.constrain(regex("d"), never), NodeError, "more than 10 seconds");
  await settle();
  await world.clock.advance(10_000);
  assertEquals((await refused).code, "usage");
  assertEquals(opened, [{ isEnded: true }]);
  isSlow = false;
  await other.accept(id("b"));
  assertEquals(letters(other), "bc");
  await other.accept(id("c"));
  assert(other.done);
  assertEquals(opened, [{ isEnded: true }, { isEnded: false }]);
});

Deno.test("a token that takes too long to follow ends its answer, and the thread", async () => {
  const world = fakeWorld();
  const { open, opened } = slowLinks((request) => request.kind === "accept" && request.id === id("b"));
  await using forms = openForms(world, tokens, open);
  using slow = await forms.constrain(regex("ab"), never);
  await slow.accept(id("a"));
  const refused = assertRejects(() => slow.accept(id("b")), NodeError, "following one token");
  await settle();
  await world.clock.advance(2_000);
  await refused;
  assertEquals(opened, [{ isEnded: true }]);
  using next = await forms.constrain(regex("c"), never);
  assertEquals(letters(next), "c");
});

Deno.test("who leaves while a form is prepared leaves nothing behind", async () => {
  const asked: string[] = [];
  const link = hereLink();
  const gate = Promise.withResolvers<void>();
  const open = (): FormLink => ({
    ask: async (request) => {
      asked.push(request.kind);
      if (request.kind === "open") await gate.promise;
      return await link.ask(request);
    },
    [Symbol.dispose]: () => {},
  });
  await using forms = openForms(fakeWorld(), tokens, open);
  const leaving = new AbortController();
  const left = assertRejects(() => forms.constrain(regex("a"), leaving.signal), Error, "left");
  await settle();
  leaving.abort(new Error("left"));
  await left;
  gate.resolve();
  await settle();
  assertEquals(asked, ["tokens", "open", "close"]);
});

Deno.test("a thread that nobody needs for ten minutes ends", async () => {
  const world = fakeWorld();
  const { open, opened } = slowLinks(() => false);
  await using forms = openForms(world, tokens, open);
  (await forms.constrain(regex("a"), never))[Symbol.dispose]();
  await world.clock.advance(600_000);
  assertEquals(opened, [{ isEnded: true }]);
  using again = await forms.constrain(regex("a"), never);
  assertEquals([letters(again), opened.length], ["a", 2]);
});

Deno.test("a token that the form does not allow is a mistake, told as one", async () => {
  await using forms = openForms(fakeWorld(), tokens, hereLink);
  using constraint = await forms.constrain(regex("a"), never);
  await assertRejects(() => constraint.accept(id("b")), RangeError);
});

Deno.test("a thread of its own tells what this one tells", async () => {
  await using forms = openForms(fakeWorld(), tokens);
  using there = await forms.constrain(regex("a(bc|d)e?"), never);
  using here = await model.forms.constrain(regex("a(bc|d)e?"), never);
  const row = (constraint: typeof here) => {
    const scores = new Float32Array(size + 40);
    constraint.mask(scores);
    return scores;
  };
  for (const letter of "abce") {
    assertEquals([row(there), there.done], [row(here), here.done]);
    await there.accept(id(letter));
    await here.accept(id(letter));
  }
  assertEquals([there.done, here.done], [true, true]);
});

Deno.test("the program that is one file begins its threads with itself", async () => {
  const said = await saidByBundle(
    `import { isFormWorker } from ${sourceFile("src/text/forms/form_worker_name.ts")};
if (isFormWorker()) await import(${sourceFile("src/text/forms/form_worker.ts")});
else {
  const { openFormWorker } = await import(${sourceFile("src/text/forms/form_worker.ts")});
  using link = openFormWorker();
  const vocabulary = { kind: "byte_level", tokens: ["a", "b", ""] };
  const tokens = { vocabulary, vocabularySize: 3, endIds: new Set([2]), marks: new Map() };
  await link.ask({ kind: "tokens", tokens });
  const place = { text: 0, words: 'root ::= "b"\\n', hasMarks: false, ids: [] };
  console.log((await link.ask({ kind: "open", place })).bits[0] & 7);
}
`,
  );
  assertEquals(said, "2\n");
});
