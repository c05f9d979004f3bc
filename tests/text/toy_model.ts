import { NodeError } from "../../src/base/errors.ts";
import type {
  Embedding,
  TextEvent,
  TextModel,
  TextModelCard,
  TextModels,
  TextRequest,
  TextUsage,
} from "../../src/text/types.ts";

/** A card of a model that is not there. */
export const TOY_CARD: TextModelCard = {
  id: "Toy-1M-Chat.Q8_0",
  family: "llama",
  format: "Q8_0",
  parameters: 1_000_000,
  bytes: 1_100_000,
  contextLength: 2048,
  hiddenSize: 4,
  blocks: 2,
  createdAtSeconds: 1_790_000_000,
  chats: true,
  knowsTools: true,
  runs: "swarm",
};

/** Usage as answers of the toy have it. */
export const usageOf = (promptTokens: number, newTokens: number): TextUsage => ({
  promptTokens,
  cachedTokens: 0,
  newTokens,
  firstTokenSeconds: 0.1,
  seconds: 0.5,
  hops: [{ peerId: "12D3KooWToy", blocks: { start: 0, end: 2 } }],
  joules: 1.5,
  method: "measured board",
  passes: newTokens,
  guessed: 0,
});

/** What the toy was asked, and how it answers: word by word. */
export class ToyModels implements TextModels {
  readonly requests: TextRequest[] = [];
  /** Set when an iteration was left before its end. */
  left = 0;
  atOnce = 1;
  /** Events of the next answers; words of a fixed sentence without it. */
  script: ((request: TextRequest) => readonly (TextEvent | Error)[]) | undefined;
  /** Waits before each event. */
  pause: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  constructor(readonly cards: readonly TextModelCard[] = [TOY_CARD]) {}

  list(): Promise<readonly TextModelCard[]> {
    return Promise.resolve(this.cards);
  }

  open(id: string | undefined): Promise<TextModel> {
    const wanted = id?.replace(/:latest$/, "");
    const card = wanted === undefined ? this.cards[0] : this.cards.find((card) => card.id === wanted);
    if (card === undefined) {
      return Promise.reject(
        new NodeError("not_found", `Cannot answer: there is no model "${id}", wanted ${this.cards[0]?.id}`),
      );
    }
    return Promise.resolve(this.#model(card));
  }

  #model(card: TextModelCard): TextModel {
    const words = (text: string) => text.split(/(?<= )/).filter((word) => word !== "");
    const render: TextModel["render"] = ({ messages }) =>
      messages.map(({ role, content }) => `<|${role}|>${content ?? ""}`).join("\n");
    // deno-lint-ignore no-this-alias
    const toy = this;
    return {
      card,
      atOnce: this.atOnce,
      render,
      tokenize: (text) => words(text).map((_, i) => i),
      detokenize: (ids) => ids.map((id) => `w${id}`).join(" "),
      embed: (texts): Promise<readonly Embedding[]> =>
        Promise.resolve(texts.map((text) => ({
          vector: Float32Array.of(0.5, 0.5, 0.5, text.length % 2 ? 0.5 : -0.5),
          tokens: typeof text === "string" ? words(text).length : text.length,
        }))),
      async *answer(request, signal) {
        toy.requests.push(request);
        const events = toy.script?.(request) ?? sentence(request, render);
        let done = false;
        try {
          for (const event of events) {
            await toy.pause(signal);
            signal.throwIfAborted();
            if (event instanceof Error) throw event;
            yield event;
          }
          done = true;
        } finally {
          if (!done) toy.left++;
        }
      },
    };
  }
}

/** "Hello there friend." in three tokens, cut at `maxTokens`, scored where logprobs are asked for. */
function sentence(request: TextRequest, render: TextModel["render"]): TextEvent[] {
  const { prompt, maxTokens = 100, topLogprobs } = request;
  const promptTokens = prompt.kind === "tokens"
    ? prompt.ids.length
    : (prompt.kind === "text" ? prompt.text : render(prompt)).split(" ").length;
  const words = ["Hello ", "there ", "friend."].slice(0, maxTokens);
  const score = (text: string, id: number) => ({ id, text, logprob: -0.25 });
  return [
    { kind: "prompt", done: promptTokens, total: promptTokens },
    ...words.map((text, id): TextEvent => ({
      kind: "text",
      text,
      ids: [id],
      tokens: topLogprobs === undefined ? [] : [{
        ...score(text, id),
        top: [score(text, id), { id: 9, text: "Bye", logprob: -2 }].slice(0, topLogprobs),
      }],
    })),
    {
      kind: "end",
      reason: words.length === 3 ? "end" : "length",
      usage: usageOf(promptTokens, words.length),
    },
  ];
}
