/** Answers that are made by nothing but chance and a form: what the form lets through, and nothing else. */
import { assert } from "@std/assert";
import { type RawVocabulary, rawVocabulary } from "../../../src/model/raw_vocabulary.ts";
import { openTokenizer, type Tokenizer } from "../../../src/model/tokenizer.ts";
import type { TokenizerFiles } from "../../../src/model/source.ts";
import { markIds } from "../../../src/text/tools/call_marks.ts";
import type { FormLink } from "../../../src/text/forms/form_messages.ts";
import { FormServer } from "../../../src/text/forms/form_server.ts";
import { type Forms, openForms } from "../../../src/text/forms/grammar.ts";
import type { AnswerForm } from "../../../src/text/types.ts";
import { tinyTokenizerFiles } from "../../support/tiny_tokenizer.ts";
import { fakeWorld } from "../../support/world.ts";

const SIZE = 320;
const never = new AbortController().signal;

/** A tokenizer with forms over it. */
export interface FormModel {
  readonly tokenizer: Tokenizer;
  readonly vocabulary: RawVocabulary;
  readonly size: number;
  readonly forms: Forms;
}

/** Forms over the tokenizer of `files`; `size` scores a step. */
export function formModel(files: TokenizerFiles = tinyTokenizerFiles(SIZE), size = SIZE): FormModel {
  const tokenizer = openTokenizer(files);
  const vocabulary = rawVocabulary(files);
  const { endIds } = tokenizer;
  const tokens = () => ({ vocabulary, endIds, vocabularySize: size, marks: markIds(tokenizer) });
  return { tokenizer, vocabulary, size, forms: openForms(fakeWorld(), tokens, hereLink) };
}

/** Forms that this thread keeps. */
export function hereLink(): FormLink {
  const server = new FormServer();
  return { ask: (request) => server.answer(request), [Symbol.dispose]: () => {} };
}

/** What scores a step gives, how an answer is steered. */
export interface Walk {
  /** Numbers in [0, 1). */
  readonly draw: () => number;
  /** Steps after which what closes is preferred. */
  readonly soon?: number;
  /** Letters that close what any text may stand in. */
  readonly ending?: string;
  readonly most?: number;
}

/** An answer, and whether the form ended it. */
export interface Walked {
  readonly text: string;
  readonly ids: readonly number[];
  readonly isWhole: boolean;
}

const CLOSING = ['"', "'", "}", "]", ")", "0", ",", ":"];

/** Walks at random until the form is complete. Each step needs a token that may come. */
export async function walk(model: FormModel, form: AnswerForm, options: Walk): Promise<Walked> {
  const { draw, soon = 30, most = 4000, ending = "" } = options;
  using constraint = await model.forms.constrain(form, never);
  const closing = CLOSING.map((text) => model.tokenizer.encode(text)[0]!);
  const ends = [...ending].map((letter) => model.tokenizer.encode(letter)[0]!);
  let ended = 0;
  const ids: number[] = [];
  const endId = [...model.tokenizer.endIds][0]!;
  const whole = (isWhole: boolean) => ({ text: model.tokenizer.decode(ids), ids, isWhole });
  while (ids.length < most) {
    if (constraint.done) return whole(true);
    const scores = new Float32Array(model.size);
    constraint.mask(scores);
    const allowed = Array.from(scores.keys()).filter((id) => scores[id] === 0);
    assert(allowed.length > 0, `nothing may come after ${model.tokenizer.decode(ids)}`);
    const mayEnd = allowed.includes(endId);
    if (mayEnd && (ids.length > soon || draw() < 0.2)) {
      await constraint.accept(endId);
      assert(constraint.done);
      return whole(true);
    }
    const some = allowed.filter((id) => id !== endId);
    const preferred = ids.length > soon ? closing.filter((id) => some.includes(id)) : [];
    const from = preferred.length > 0 && draw() < 0.8 ? preferred.slice(0, 1 + Math.floor(draw() * 6)) : some;
    const isEnding = ids.length > soon && some.includes(ends[ended % ends.length] ?? -1);
    const id = isEnding ? ends[ended % ends.length]! : from[Math.floor(draw() * from.length)]!;
    ended = isEnding ? ended + 1 : 0;
    ids.push(id);
    await constraint.accept(id);
  }
  return whole(false);
}

/** Whether a form lets exactly this text through, token by token, and lets it end there. */
export async function accepts(model: FormModel, form: AnswerForm, text: string): Promise<boolean> {
  using constraint = await model.forms.constrain(form, never);
  for (const id of model.tokenizer.encode(text, { special: false })) {
    const scores = new Float32Array(model.size);
    constraint.mask(scores);
    if (scores[id] !== 0) return false;
    await constraint.accept(id);
  }
  const scores = new Float32Array(model.size);
  constraint.mask(scores);
  return [...model.tokenizer.endIds].some((id) => scores[id] === 0);
}
