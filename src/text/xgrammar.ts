/**
 * The library that tells which tokens may come next.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";

/** A vocabulary, prepared. */
export interface TokenizerInfo {
  dispose(): void;
}

/** A grammar, prepared for a vocabulary. */
export interface CompiledGrammar {
  dispose(): void;
}

/** Compiles grammars for one vocabulary. */
export interface GrammarCompiler {
  compileGrammar(text: string): Promise<CompiledGrammar>;
  dispose(): void;
}

/** A list of numbers in the library's memory. */
interface NumberList {
  size(): number;
  get(index: number): number;
  delete(): void;
}

/** A place in a text that is being made. */
export interface GrammarMatcher {
  acceptToken(id: number): boolean;
  dispose(): void;
  /** What stands behind the library's own methods, of which one waits where nothing is to be waited for. */
  readonly handle: { GetNextTokenBitmask(vocabularySize: number): NumberList };
}

/** What is used of `@mlc-ai/web-xgrammar`. */
export interface XGrammar {
  readonly TokenizerInfo: {
    createTokenizerInfo(
      tokens: readonly string[],
      kind: string,
      prependSpace: boolean,
      vocabularySize: number,
      stopIds: readonly number[],
    ): Promise<TokenizerInfo>;
  };
  readonly GrammarCompiler: {
    createGrammarCompiler(info: TokenizerInfo, isCaching: boolean): Promise<GrammarCompiler>;
  };
  readonly GrammarMatcher: {
    createGrammarMatcher(compiled: CompiledGrammar): Promise<GrammarMatcher>;
  };
}

const isLibrary = (value: unknown): value is XGrammar =>
  typeof value === "object" && value !== null && "TokenizerInfo" in value;

let opened: Promise<XGrammar> | undefined;

/** The library, loaded once a process. Throws `NodeError` `unsupported`. */
export const openXGrammar = (): Promise<XGrammar> => opened ??= load();

/**
 * The package says it is a module and is none: it puts itself on `globalThis`, and it asks for the page's address, while it
 * is read and once more when its WebAssembly starts (0.1.27). A page's address stays away from everybody else.
 */
async function load(): Promise<XGrammar> {
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  Object.defineProperty(globalThis, "location", { value: { href: "file:///" }, configurable: true });
  try {
    const module = await import("@mlc-ai/web-xgrammar") as { default?: unknown };
    const { xgrammar } = globalThis as { xgrammar?: unknown };
    // a bundle gives it as a module all the same
    const library = [xgrammar, module, module.default].find(isLibrary);
    if (library === undefined) throw new TypeError("it is neither a module nor on globalThis");
    (await library.TokenizerInfo.createTokenizerInfo(["a"], "byte_level", false, 1, [])).dispose();
    return library;
  } catch (cause) {
    throw new NodeError(
      "unsupported",
      `Cannot keep a form: the grammar library does not load: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  } finally {
    if (before === undefined) Reflect.deleteProperty(globalThis, "location");
    else Object.defineProperty(globalThis, "location", before);
  }
}
