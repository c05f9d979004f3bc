/**
 * Forms as the thread keeps them that does nothing else.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import { FormMatcher } from "./form_matcher.ts";
import type { FormPlace, FormReply, FormRequest, FormTokens } from "./form_messages.ts";
import { type CompiledGrammar, type GrammarCompiler, openXGrammar, type XGrammar } from "./xgrammar.ts";

/** Forms that stay compiled. */
const MAX_COMPILED = 16;

/** Answers one question after another. It never throws. */
export class FormServer {
  #tokens: FormTokens | undefined;
  #library: Promise<{ readonly library: XGrammar; readonly compiler: GrammarCompiler }> | undefined;
  /** By their words, the last used one at the end. */
  readonly #compiled = new Map<string, CompiledGrammar>();
  readonly #matchers = new Map<number, FormMatcher>();

  async answer(request: FormRequest): Promise<FormReply> {
    try {
      return await this.#answer(request);
    } catch (error) {
      const code = error instanceof NodeError ? { code: error.code } : {};
      return { kind: "failed", ...code, message: messageOf(error) };
    }
  }

  async #answer(request: FormRequest): Promise<FormReply> {
    switch (request.kind) {
      case "tokens":
        this.#tokens = request.tokens;
        return { kind: "done" };
      case "open":
        return (await this.#open(request.place)).next();
      case "accept": {
        const matcher = this.#matchers.get(request.text);
        if (matcher === undefined) throw new TypeError(`There is no text ${request.text}`);
        matcher.accept(request.id);
        return matcher.next();
      }
      case "close":
        this.#matchers.get(request.text)?.[Symbol.dispose]();
        this.#matchers.delete(request.text);
        return { kind: "done" };
    }
  }

  async #open({ text, words, hasMarks, ids }: FormPlace): Promise<FormMatcher> {
    const tokens = this.#tokens;
    if (tokens === undefined) throw new TypeError("The tokens are not known yet");
    const { library, compiler } = await (this.#library ??= prepare(tokens).catch((error) => {
      this.#library = undefined; // the next form tries again
      throw error;
    }));
    const compiled = await this.#compile(compiler, words);
    const matcher = new FormMatcher(
      await library.GrammarMatcher.createGrammarMatcher(compiled),
      { ...tokens, ...(hasMarks ? {} : { marks: new Map() }) },
    );
    this.#matchers.set(text, matcher); // closed by whoever asked, also after what fails here
    for (const id of ids) matcher.accept(id);
    return matcher;
  }

  async #compile(compiler: GrammarCompiler, words: string): Promise<CompiledGrammar> {
    const known = this.#compiled.get(words);
    const compiled = known ?? await compiler.compileGrammar(words).catch((cause) => {
      throw new NodeError(
        "usage",
        "Cannot keep the form: the grammar library refuses it, wanted a simpler one",
        { cause },
      );
    });
    this.#compiled.delete(words);
    this.#compiled.set(words, compiled);
    for (const [words, oldest] of this.#compiled) {
      if (this.#compiled.size <= MAX_COMPILED) break;
      oldest.dispose(); // matchers that are at work hold what they need by themselves
      this.#compiled.delete(words);
    }
    return compiled;
  }
}

async function prepare({ vocabulary, vocabularySize, endIds }: FormTokens) {
  const library = await openXGrammar();
  const info = await library.TokenizerInfo.createTokenizerInfo(
    vocabulary.tokens.slice(0, vocabularySize),
    vocabulary.kind,
    false,
    vocabularySize,
    [...endIds].filter((id) => id < vocabularySize),
  );
  // its own cache has no end
  return { library, compiler: await library.GrammarCompiler.createGrammarCompiler(info, false) };
}
