/**
 * The library that tells which tokens may come next.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";

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
  _acceptString(text: string): boolean;
  /** Goes back so many tokens or texts. */
  rollBack(steps: number): void;
  /** The letters that must come next; "" where there is a choice. */
  findJumpForwardString(): string;
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

let opened: Promise<XGrammar> | undefined;

/** The library, loaded once a process. Throws `NodeError` `unsupported`. */
export const openXGrammar = (): Promise<XGrammar> => opened ??= load();

/**
 * The package says it is a module and is none: by itself it lands on `globalThis`, in a bundle it has exports (0.1.27). It
 * asks for the page's address, while it is read and once more when its WebAssembly starts: nobody else gets to see one.
 */
async function load(): Promise<XGrammar> {
  const scope = globalThis as { xgrammar?: unknown };
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  Object.defineProperty(globalThis, "location", { value: { href: "file:///" }, configurable: true });
  try {
    const exported: { readonly default?: unknown } = await import("@mlc-ai/web-xgrammar");
    const library = [scope.xgrammar, exported.default, exported].find(isLibrary);
    if (library === undefined) throw new TypeError("it is nowhere to be found");
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
    delete scope.xgrammar;
    if (before === undefined) Reflect.deleteProperty(globalThis, "location");
    else Object.defineProperty(globalThis, "location", before);
  }
}

const isLibrary = (value: unknown): value is XGrammar =>
  typeof value === "object" && value !== null && "TokenizerInfo" in value;
