/**
 * Text from a model as the program's API, command line and page ask for it: one form behind every protocol.
 *
 * @module
 */
import type { BlockRange, PeerId } from "../base/tensor.ts";
import type { ChatMessage } from "../model/chat_template.ts";
import type { Sampling } from "./sample.ts";

/** What is known of a model without asking it. */
export interface TextModelCard {
  /** A GGUF's file name without `.gguf`, a folder's name, `org/name`, or a store entry's name. */
  readonly id: string;
  /** Such as `llama`. */
  readonly family: string;
  /** Format of most of its weights, such as `Q4_1`. */
  readonly format: string;
  /** Weights of the whole model. */
  readonly parameters: number;
  /** Bytes of its file or files. */
  readonly bytes: number;
  readonly contextLength: number;
  readonly hiddenSize: number;
  readonly blocks: number;
  /** Unix seconds: when its file was written. */
  readonly createdAtSeconds: number;
  /** Whether conversations can be put to it: it has a chat template. */
  readonly chats: boolean;
  /** Whether its chat template has a place for tools. */
  readonly knowsTools: boolean;
  /** Whether it thinks aloud: its chat template speaks of `<think>`. */
  readonly thinks?: boolean;
  /** `solo` where this node computes it alone. */
  readonly runs: "swarm" | "solo";
}

/** A function that the model may call, in OpenAI's terms. */
export interface ToolDefinition {
  readonly name: string;
  readonly description?: string;
  /** A JSON schema of its arguments. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** A call that is forced keeps all that the schema says, where that can be. */
  readonly strict?: boolean;
}

/** A call that the model made. */
export interface ToolCall {
  /** Unique in a conversation, such as `call_3f2a…`. */
  readonly id: string;
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
}

/** Whether tools may, must or must not be called; or which one must. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

/** What goes in. */
export type Prompt =
  /** Continued as it stands. */
  | { readonly kind: "text"; readonly text: string }
  /** Token ids, taken as they are. */
  | { readonly kind: "tokens"; readonly ids: readonly number[] }
  /** A conversation, put into words by the model's template. */
  | {
    readonly kind: "chat";
    readonly messages: readonly ChatMessage[];
    readonly tools?: readonly ToolDefinition[];
    readonly toolChoice?: ToolChoice;
    /** Whether several calls may come in one answer; true without it. */
    readonly parallelToolCalls?: boolean;
    /** Further variables of the template, such as `enable_thinking`. */
    readonly variables?: Readonly<Record<string, unknown>>;
  };

/** The form that an answer must have. */
export type AnswerForm =
  /** Any JSON object. */
  | { readonly kind: "json" }
  /** JSON by a schema, between two texts where there are any. */
  | {
    readonly kind: "schema";
    readonly schema: Readonly<Record<string, unknown>> | boolean;
    readonly before?: string;
    readonly after?: string;
    /** Texts around each branch of an `anyOf` at the schema's root, in their order. */
    readonly around?: readonly { readonly before: string; readonly after: string }[];
    /** Whether names of control tokens in those texts stand for the tokens, where the vocabulary has them. */
    readonly hasMarks?: boolean;
  }
  /** Calls of tools in a list as Python writes it, 1 to `most` of them. */
  | {
    readonly kind: "python_calls";
    readonly tools: readonly {
      readonly name: string;
      readonly parameters: Readonly<Record<string, unknown>>;
    }[];
    readonly most: number;
  }
  /** One call of a tool with a tag for each argument; `offered` is the schema that the call is read by. */
  | {
    readonly kind: "tag_calls";
    readonly tools: readonly {
      readonly name: string;
      readonly parameters: Readonly<Record<string, unknown>>;
      readonly offered: Readonly<Record<string, unknown>> | undefined;
    }[];
    readonly hasMarks: true;
  }
  /** A grammar in GBNF, whose root is `root`. */
  | { readonly kind: "grammar"; readonly grammar: string }
  /** A regular expression that the whole answer matches. */
  | { readonly kind: "regex"; readonly pattern: string };

/** What is asked for. */
export interface TextRequest {
  readonly prompt: Prompt;
  /** Most new tokens, 1 or more; as many as the context holds without it. */
  readonly maxTokens?: number;
  readonly sampling: Sampling;
  /** Same seed, same text; by chance without it. */
  readonly seed?: number;
  /** Texts that end the answer and are not part of it. */
  readonly stop?: readonly string[];
  /** So many of the likeliest tokens are told with each new one, 0 to 20; no probabilities without it. */
  readonly topLogprobs?: number;
  /** Whether the prompt's own tokens are scored too (`echo` with `logprobs` of completions). */
  readonly scorePrompt?: boolean;
  readonly form?: AnswerForm;
  /**
   * Whether thoughts are told apart or stay in the text with their tags. Apart without it for conversations, in the text for
   * other prompts, and in every answer that has a form, which holds from the first letter on.
   */
  readonly thoughts?: "apart" | "in text";
}

/** A token and how likely it was. */
export interface TokenScore {
  readonly id: number;
  /** Its text, by itself; U+FFFD in the place of incomplete letters. */
  readonly text: string;
  /** Natural logarithm of its probability before temperature and the rest; null for the first token of a prompt. */
  readonly logprob: number | null;
}

/** A token with its rivals. */
export interface ScoredToken extends TokenScore {
  /** The likeliest tokens, best first. */
  readonly top: readonly (TokenScore & { readonly logprob: number })[];
}

/** Why an answer ended. */
export type EndReason =
  /** The model ended it, or its form is complete. */
  | "end"
  /** A text of `stop` came. */
  | "stop"
  /** `maxTokens`, or the context, are used up. */
  | "length"
  /** The model called tools. */
  | "tool_calls";

/** What an answer took. */
export interface TextUsage {
  readonly promptTokens: number;
  /** Those of the prompt that an earlier request left computed. */
  readonly cachedTokens: number;
  /** Sampled and kept. */
  readonly newTokens: number;
  /** Those of them that are thoughts told apart, their tags included; absent where there are none. */
  readonly thoughtTokens?: number;
  /** From the request to the first new token. */
  readonly firstTokenSeconds: number;
  /** From the request to the end. */
  readonly seconds: number;
  /** Who computed at the end. */
  readonly hops: readonly { readonly peerId: PeerId; readonly blocks: BlockRange }[];
  /** What it cost by the word of those who computed it, and by which method; absent where not all of them tell. */
  readonly joules?: number;
  readonly method?: string;
  /** Passes over all blocks that made new tokens, and how many tokens were guessed right ahead of them. */
  readonly passes: number;
  readonly guessed: number;
}

/** What an answer tells, in order. The last one is `end`. */
export type TextEvent =
  /** The prompt was taken in so far; tokens. */
  | { readonly kind: "prompt"; readonly done: number; readonly total: number }
  /** The prompt's tokens; only for `scorePrompt`, before any text. */
  | { readonly kind: "prompt_scores"; readonly tokens: readonly ScoredToken[] }
  /** More of what the model thinks before it answers. */
  | { readonly kind: "thought"; readonly text: string }
  /** More of the answer. `tokens` is empty unless logprobs were asked for; `ids` are those it stands for. */
  | {
    readonly kind: "text";
    readonly text: string;
    readonly ids: readonly number[];
    readonly tokens: readonly ScoredToken[];
  }
  /** Tools are called; told once, whole. */
  | { readonly kind: "tool_calls"; readonly calls: readonly ToolCall[] }
  | {
    readonly kind: "end";
    readonly reason: EndReason;
    /** The text of `stop` that came. */
    readonly stop?: string;
    /** All ids of the answer, the end token included. */
    readonly ids?: readonly number[];
    readonly usage: TextUsage;
  };

/** A text's place among meanings. */
export interface Embedding {
  /** `hiddenSize` numbers of length 1. */
  readonly vector: Float32Array<ArrayBuffer>;
  readonly tokens: number;
}

/** A model that can be asked. */
export interface TextModel {
  readonly card: TextModelCard;
  /** Answers of one caller that are best made at once: several where the way to other nodes is waited for. */
  readonly atOnce: number;
  /**
   * Answers. Leaving the iteration ends the computing within one step. Throws `NodeError` `usage` for what cannot be met
   * (its message names the field), `busy` when too many wait, `unreachable` while blocks of the model are served by nobody,
   * and the reason of `signal`.
   */
  answer(request: TextRequest, signal: AbortSignal): AsyncGenerator<TextEvent, void, void>;
  /**
   * Embeddings of texts or token ids: the mean of the last hidden states after the final norm, of length 1. Throws as
   * `answer` does.
   */
  embed(
    texts: readonly (string | readonly number[])[],
    signal: AbortSignal,
  ): Promise<readonly Embedding[]>;
  /** Ids of a text, as `text` prompts are taken. */
  tokenize(text: string): readonly number[];
  /** Text of ids; control tokens are left out. */
  detokenize(ids: readonly number[]): string;
  /** The text of a conversation as the model sees it, control tokens by name. Throws `NodeError` `usage`. */
  render(prompt: Prompt & { readonly kind: "chat" }): string;
}

/** The models that this node answers with. */
export interface TextModels {
  /** Those at hand; empty where none is, and while it is not yet open. */
  list(): Promise<readonly TextModelCard[]>;
  /**
   * The model of that id (`:latest` may follow); the first of the list for `undefined`. Waits while it is being opened.
   * Throws `NodeError` `not_found` with what there is, `unreachable` while none can be opened.
   */
  open(id: string | undefined, signal: AbortSignal): Promise<TextModel>;
}
