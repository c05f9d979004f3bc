/**
 * What a node asks the thread that keeps its forms, and what it is told.
 *
 * @module
 */
import type { ErrorCode } from "../../base/errors.ts";
import type { RawVocabulary } from "../../model/raw_vocabulary.ts";

/** A model's tokens, as forms need them. */
export interface FormTokens {
  readonly vocabulary: RawVocabulary;
  /** Ids that end a text. */
  readonly endIds: ReadonlySet<number>;
  /** How many scores a token is chosen from; more than the vocabulary holds where a model pads it. */
  readonly vocabularySize: number;
  /** Control tokens by id that forms of calls may name. */
  readonly marks: ReadonlyMap<number, string>;
}

/** A bit a token, set for `ids`: bit `id % 32` of word `id / 32`. */
export function tokenBits(ids: Iterable<number>, vocabularySize: number): Int32Array {
  const bits = new Int32Array(Math.ceil(vocabularySize / 32));
  for (const id of ids) bits[id >> 5]! |= 1 << (id & 31);
  return bits;
}

/** A text that has to keep a grammar. */
export interface FormPlace {
  /** Which of the texts it is. */
  readonly text: number;
  /** The grammar in the library's words. */
  readonly words: string;
  /** Whether control tokens may come. */
  readonly hasMarks: boolean;
  /** The tokens so far. */
  readonly ids: readonly number[];
}

/** A question. They are asked one at a time. */
export type FormRequest =
  /** The tokens of the model; asked first. */
  | { readonly kind: "tokens"; readonly tokens: FormTokens }
  /** A new text, or one that another thread kept. */
  | { readonly kind: "open"; readonly place: FormPlace }
  /** The next token of a text. */
  | { readonly kind: "accept"; readonly text: number; readonly id: number }
  /** Nobody makes that text any more. */
  | { readonly kind: "close"; readonly text: number };

/** What may come next. */
export interface FormNext {
  readonly kind: "next";
  /** A bit a token that may. */
  readonly bits: Int32Array;
  /** Whether nothing but an end may. */
  readonly isDone: boolean;
}

/** An answer. */
export type FormReply =
  | FormNext
  | { readonly kind: "done" }
  /** Without a code it is a mistake of ours. */
  | { readonly kind: "failed"; readonly code?: ErrorCode; readonly message: string };

/** Whoever answers: another thread. Dispose to end it, whatever it does. */
export interface FormLink extends Disposable {
  /** Asks, where nothing is being answered. Rejects when nobody is there to answer. */
  ask(request: FormRequest): Promise<FormReply>;
}
