/**
 * Answers that have to keep a form: which tokens may come next.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { RawVocabulary } from "../model/raw_vocabulary.ts";
import { readGbnf } from "./gbnf.ts";
import { checkGrammar, type Grammar } from "./grammar_rules.ts";
import { grammarText } from "./grammar_text.ts";
import { readSchema } from "./json_schema.ts";
import type { Constraint } from "./pick.ts";
import { readRegex } from "./regex_grammar.ts";
import { anyObjectGrammar, schemaGrammar } from "./schema_grammar.ts";
import type { AnswerForm } from "./types.ts";
import {
  type CompiledGrammar,
  type GrammarCompiler,
  type GrammarMatcher,
  openXGrammar,
  type TokenizerInfo,
  type XGrammar,
} from "./xgrammar.ts";

/** Forms that stay compiled. */
const MAX_COMPILED = 16;

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

/** Forms for one model. Nothing is loaded before the first of them. Dispose to free what is compiled. */
export interface Forms extends Disposable {
  /** Opens a form to be kept. Throws `NodeError` `usage` for a form with a mistake in it. */
  constrain(form: AnswerForm, signal: AbortSignal): Promise<Constraint>;
}

/** Forms over a model's tokens, which are asked for with the first form. */
export function openForms(tokens: () => FormTokens): Forms {
  return new CompiledForms(tokens);
}

/** The grammar of a form, checked. Throws `NodeError` `usage`. */
export function grammarOf(form: AnswerForm): Grammar {
  const grammar = readForm(form);
  checkGrammar(grammar);
  return grammar;
}

function readForm(form: AnswerForm): Grammar {
  switch (form.kind) {
    case "json":
      return anyObjectGrammar();
    case "schema":
      return schemaGrammar(readSchema(form.schema), form);
    case "grammar":
      return readGbnf(form.grammar);
    case "regex":
      return readRegex(form.pattern);
  }
}

/** What is prepared once for a model. */
interface Prepared {
  readonly library: XGrammar;
  readonly info: TokenizerInfo;
  readonly compiler: GrammarCompiler;
  readonly tokens: FormTokens;
}

class CompiledForms implements Forms {
  readonly #tokens: () => FormTokens;
  #prepared: Promise<Prepared> | undefined;
  /** By their words, the last used one at the end. */
  readonly #compiled = new Map<string, Promise<CompiledGrammar>>();
  #isDisposed = false;

  constructor(tokens: () => FormTokens) {
    this.#tokens = tokens;
  }

  async constrain(form: AnswerForm, signal: AbortSignal): Promise<Constraint> {
    const words = grammarText(grammarOf(form));
    signal.throwIfAborted();
    if (this.#isDisposed) throw new TypeError("The forms are disposed");
    this.#prepared ??= this.#prepare().catch((error) => {
      this.#prepared = undefined; // the next form tries again
      throw error;
    });
    const prepared = await this.#prepared;
    const compiled = await this.#compile(prepared, words);
    signal.throwIfAborted();
    return new MatchedForm(
      await prepared.library.GrammarMatcher.createGrammarMatcher(compiled),
      { ...prepared.tokens, ...(form.kind === "schema" && form.hasMarks ? {} : { marks: new Map() }) },
    );
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const words of [...this.#compiled.keys()]) this.#free(words);
    this.#prepared?.then(({ compiler, info }) => {
      compiler.dispose();
      info.dispose();
    }, () => {});
  }

  async #prepare(): Promise<Prepared> {
    const library = await openXGrammar();
    const tokens = this.#tokens();
    const { vocabulary, vocabularySize, endIds } = tokens;
    const info = await library.TokenizerInfo.createTokenizerInfo(
      vocabulary.tokens.slice(0, vocabularySize),
      vocabulary.kind,
      false,
      vocabularySize,
      [...endIds].filter((id) => id < vocabularySize),
    );
    // its own cache has no end
    return {
      library,
      info,
      compiler: await library.GrammarCompiler.createGrammarCompiler(info, false),
      tokens,
    };
  }

  #compile({ compiler }: Prepared, words: string): Promise<CompiledGrammar> {
    const known = this.#compiled.get(words);
    this.#compiled.delete(words);
    const compiled = known ?? compiler.compileGrammar(words).catch((cause) => {
      this.#compiled.delete(words);
      throw new NodeError(
        "usage",
        "Cannot keep the form: the grammar library refuses it, wanted a simpler one",
        {
          cause,
        },
      );
    });
    this.#compiled.set(words, compiled);
    for (const oldest of this.#compiled.keys()) {
      if (this.#compiled.size <= MAX_COMPILED) break;
      this.#free(oldest);
    }
    return compiled;
  }

  /** Matchers that are at work hold what they need by themselves. */
  #free(words: string): void {
    this.#compiled.get(words)?.then((compiled) => compiled.dispose(), () => {});
    this.#compiled.delete(words);
  }
}

class MatchedForm implements Constraint {
  readonly #matcher: GrammarMatcher;
  readonly #tokens: FormTokens;
  /** A bit a token that may come next; read once a place. */
  #allowed: Int32Array | undefined;
  #isOver = false;

  constructor(matcher: GrammarMatcher, tokens: FormTokens) {
    this.#matcher = matcher;
    this.#tokens = tokens;
  }

  mask(scores: Float32Array): void {
    const allowed = this.#bits();
    for (let word = 0; word * 32 < scores.length; word++) {
      const bits = allowed[word] ?? 0;
      if (bits === -1) continue;
      const end = Math.min(scores.length, word * 32 + 32);
      for (let id = word * 32; id < end; id++) {
        if ((bits >>> (id & 31) & 1) === 0) scores[id] = Number.NEGATIVE_INFINITY;
      }
    }
  }

  accept(id: number): void {
    if (this.#isOver) return;
    this.#allowed = undefined;
    if (this.#tokens.endIds.has(id)) this.#isOver = true;
    else if (!this.#take(id)) throw new RangeError(`Token ${id} does not keep the form`);
  }

  get done(): boolean {
    if (this.#isOver) return true;
    const { endIds } = this.#tokens;
    for (const [word, bits] of this.#bits().entries()) {
      if (bits === 0) continue;
      for (let bit = 0; bit < 32; bit++) {
        if ((bits >>> bit & 1) === 1 && !endIds.has(word * 32 + bit)) return false;
      }
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#matcher.dispose();
  }

  #bits(): Int32Array {
    return this.#allowed ??= this.#isOver ? this.#only(this.#tokens.endIds) : this.#read();
  }

  #read(): Int32Array {
    const mark = this.#nextMark();
    if (mark !== undefined) return this.#only([mark]);
    const list = this.#matcher.handle.GetNextTokenBitmask(this.#tokens.vocabularySize);
    const bits = Int32Array.from({ length: list.size() }, (_, word) => list.get(word));
    list.delete();
    for (const [id, name] of this.#tokens.marks) if (this.#fits(name)) bits[id >> 5]! |= 1 << (id & 31);
    return bits;
  }

  #take(id: number): boolean {
    const name = this.#tokens.marks.get(id);
    return name === undefined ? this.#matcher.acceptToken(id) : this.#matcher._acceptString(name);
  }

  /** Whether the name of a control token may come next, where there is a choice. */
  #fits(name: string): boolean {
    if (!this.#matcher._acceptString(name)) return false;
    this.#matcher.rollBack(1);
    return true;
  }

  /** The control token whose name must come next. */
  #nextMark(): number | undefined {
    const { marks, vocabularySize } = this.#tokens;
    if (marks.size === 0) return undefined;
    const next = this.#matcher.findJumpForwardString();
    const [id] = [...marks].find(([id, name]) => id < vocabularySize && next.startsWith(name)) ?? [];
    return id;
  }

  /** Behind the end nothing but an end may come, and the library must not be asked there; control tokens it knows not. */
  #only(ids: Iterable<number>): Int32Array {
    const bits = new Int32Array(Math.ceil(this.#tokens.vocabularySize / 32));
    for (const id of ids) bits[id >> 5]! |= 1 << (id & 31);
    return bits;
  }
}
