/**
 * Text to token ids and back, over the field's library.
 *
 * @module
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { messageOf, NodeError } from "../base/errors.ts";
import { isJsonObject } from "./json_file.ts";
import type { TokenizerFiles } from "./source.ts";

/** Text to ids and back. Pure and synchronous; built once a model (0.1 to 0.6 s for large vocabularies). */
export interface Tokenizer {
  /**
   * Ids of `text`; names of control tokens in it become those tokens. With `special` (the default) the tokens that
   * open a text come first, as the model was trained; texts of a chat template carry them already.
   */
  encode(text: string, options?: { readonly special: boolean }): number[];
  /** Text of `ids`. Control tokens and ids outside the vocabulary are left out. */
  decode(ids: readonly number[]): string;
  /** Text of one token by itself; the name of a control token; U+FFFD for bytes that are no letter. */
  textOf(id: number): string;
  /** Ids after which a text is finished. */
  readonly endIds: ReadonlySet<number>;
  /** The token that opens a text, where the model has one. */
  readonly bosId?: number;
  /** The id of a token by its exact name. */
  idOf(token: string): number | undefined;
  /** A decoder of ids that come one by one after `context`, which is not repeated. */
  stream(context?: readonly number[]): TextStream;
}

/** Text of ids that come one by one. The parts put together are the text of all of them. */
export interface TextStream {
  /** Text that is complete with this id; "" while a letter's bytes are not all there. */
  push(id: number): string;
  /** What is left, complete or not. */
  finish(): string;
}

/** Kinds of models in a `tokenizer.json`. */
const KINDS: ReadonlySet<string> = new Set(["BPE", "Unigram", "WordPiece"]);
/** What a byte sequence decodes to that is not, or not yet, UTF-8. */
const REPLACEMENT = "\uFFFD";
/** Ids held back for one letter; 4 bytes are the most UTF-8 needs, so more are damaged and will stay so. */
const MAX_HELD = 8;
/** Ids of the text before that decoding needs to see: whether a space goes before a word. */
const CONTEXT_IDS = 8;

/** Builds the tokenizer of `files`. Throws `NodeError` `unsupported` for kinds that the library does not know. */
export function openTokenizer(files: TokenizerFiles): Tokenizer {
  const library = build(files);
  const idOf = (token: string): number | undefined => library.token_to_id(token);
  const decode = (ids: readonly number[]) => {
    const known = ids.filter((id) => library.id_to_token(id) !== undefined);
    // The library refuses an empty list
    if (known.length === 0) return "";
    return library.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  };
  const bosId = namedId(files.config["bos_token"], idOf);
  return {
    encode: (text, options) => library.encode(text, { add_special_tokens: options?.special ?? true }).ids,
    decode,
    textOf(id) {
      if (library.id_to_token(id) === undefined) return "";
      const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
      // some decoders drop the space of a first word: what the second of two adds is the whole token
      return library.decode([id, id], options).slice(library.decode([id], options).length);
    },
    endIds: endIds(files, idOf),
    ...(bosId === undefined ? {} : { bosId }),
    idOf,
    stream: (context = []) => new IdStream(decode, context.slice(-CONTEXT_IDS)),
  };
}

function build(files: TokenizerFiles): Library {
  const { model } = files.tokenizer;
  const kind = isJsonObject(model) ? model["type"] : undefined;
  // The library takes a kind that it does not know for the simplest one
  if (typeof kind === "string" && !KINDS.has(kind)) {
    throw new NodeError(
      "unsupported",
      `Cannot build the model's tokenizer: its kind is "${kind}", wanted ${[...KINDS]}`,
    );
  }
  // Fields that old files leave out, and that the library insists on
  const complete = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
    ...files.tokenizer,
  };
  try {
    const library = new Library(complete, files.config);
    keepByteOrderMarks(library.decoder);
    return library;
  } catch (error) {
    throw new NodeError("unsupported", `Cannot build the model's tokenizer: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The library's byte decoders drop a leading U+FEFF, which is a letter of the text like any other. */
function keepByteOrderMarks(decoder: unknown): void {
  if (typeof decoder !== "function" && !isJsonObject(decoder)) return;
  if ("text_decoder" in decoder) decoder.text_decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  if ("decoders" in decoder && Array.isArray(decoder.decoders)) decoder.decoders.forEach(keepByteOrderMarks);
}

function endIds(files: TokenizerFiles, idOf: (token: string) => number | undefined): Set<number> {
  const stated = files.generation?.["eos_token_id"];
  const ids = (Array.isArray(stated) ? stated : [stated]).filter((id) => Number.isSafeInteger(id));
  const named = namedId(files.config["eos_token"], idOf);
  return new Set(named === undefined ? ids : [...ids, named]);
}

/** `tokenizer_config.json` names a token by its text, or by an object that holds it. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || !("content" in value)) return undefined;
  return typeof value.content === "string" ? value.content : undefined;
}

function namedId(value: unknown, idOf: (token: string) => number | undefined): number | undefined {
  const text = tokenText(value);
  return text === undefined ? undefined : idOf(text);
}

class IdStream implements TextStream {
  #context: readonly number[];
  #held: number[] = [];

  constructor(readonly decode: (ids: readonly number[]) => string, context: readonly number[]) {
    this.#context = context;
  }

  push(id: number): string {
    this.#held.push(id);
    const text = this.#fresh();
    if (text.endsWith(REPLACEMENT) && this.#held.length < MAX_HELD) return "";
    return this.#take(text);
  }

  finish(): string {
    return this.#take(this.#fresh());
  }

  /** Decoded behind what came before: some tokenizers drop the space of a first word. */
  #fresh(): string {
    if (this.#held.length === 0) return "";
    return this.decode([...this.#context, ...this.#held]).slice(this.decode(this.#context).length);
  }

  #take(text: string): string {
    // Control tokens have no text, and what follows them still needs to see the word before
    if (text !== "") this.#context = this.#held;
    this.#held = [];
    return text;
  }
}
