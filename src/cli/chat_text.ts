/**
 * What `kwaainet chat` does.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { ChatMessage } from "../model/chat_template.ts";
import type { TextModel, TextRequest } from "../text/types.ts";
import { type AnswerEnd, answerFields } from "./answer_object.ts";
import { linesOf, type LineSource } from "./lines.ts";
import { DimThoughts } from "./dim_thoughts.ts";
import { lineOf } from "./exit_code.ts";
import type { Output } from "./output.ts";
import { progressOn } from "./progress.ts";
import { loadSettings, textLevel, worldOf } from "./settings.ts";
import { type Interrupts, listenForInterrupts } from "./signals.ts";
import { openSwarmText } from "./swarm_text.ts";
import { swarmTarget } from "./swarm_target.ts";
import { requestOfFlags } from "./text_flags.ts";
import type { Flag, Invocation } from "./verb.ts";

/** New tokens of an answer where nobody says how many. */
const USUAL_TOKENS = 1024;
const PROMPT = "> ";
const MORE = "… ";

/** Talks as the invocation says. The exit code. */
export async function runChat(invocation: Invocation, flags: readonly Flag[]): Promise<number> {
  const settings = loadSettings(invocation, flags);
  const options = requestOfFlags(invocation, USUAL_TOKENS);
  const system = invocation.flags.get("system") as string | undefined;
  using interrupts = listenForInterrupts();
  const target = await swarmTarget(settings, interrupts.signal);
  const world = worldOf(invocation, settings, textLevel(invocation));
  const { output, environment } = invocation;
  using either = openFirstOf(interrupts.signal, output.closed);
  await using rooms = new AsyncDisposableStack();
  const model = await openSwarmText(
    world,
    { settings, target, output, environment },
    rooms,
    either.signal,
  );
  const json = invocation.flags.has("json");
  const chat = new Chat({ world, model, options, output, json, interrupts, system });
  const [message] = invocation.words;
  if (message !== undefined) {
    await chat.turn(message, either.signal, "alone");
    return 0;
  }
  return await talk(chat, { lines: linesOf(Deno.stdin.readable), output, json }, either.signal);
}

interface TalkOptions {
  readonly lines: LineSource;
  readonly output: Output;
  readonly json: boolean;
}

/** Turn after turn until the lines end. */
export async function talk(
  chat: Chat,
  { lines, output, json }: TalkOptions,
  signal: AbortSignal,
): Promise<number> {
  const asks = output.isTerminal && !json;
  if (asks) output.line(`${chat.modelId}. /new starts anew, /exit ends, Ctrl-C stops an answer.`);
  while (true) {
    const text = await readTurn(lines, asks ? (prompt) => output.text(prompt) : () => {}, signal);
    if (text === undefined || text === "/exit" || text === "/bye") break;
    if (text.trim() === "") continue;
    if (text === "/new") chat.forget();
    else await chat.turn(text, signal, "among others");
  }
  if (asks) output.line("");
  return 0;
}

/** One turn: a line, and those that follow one that ends in a backslash. */
async function readTurn(
  lines: LineSource,
  ask: (prompt: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  ask(PROMPT);
  let text = await lines.next(signal);
  while (text?.endsWith("\\")) {
    ask(MORE);
    text = `${text.slice(0, -1)}\n${await lines.next(signal) ?? ""}`;
  }
  return text;
}

/** What a conversation is held with. */
export interface ChatOptions {
  readonly world: World;
  readonly model: TextModel;
  readonly options: Omit<TextRequest, "prompt">;
  readonly output: Output;
  readonly json: boolean;
  readonly interrupts: Pick<Interrupts, "during">;
  readonly system: string | undefined;
}

/** A conversation: its turns so far. */
export class Chat {
  readonly #options: ChatOptions;
  #messages: readonly ChatMessage[];

  constructor(options: ChatOptions) {
    this.#options = options;
    this.#messages = opening(options);
  }

  /** Who answers. */
  get modelId(): string {
    return this.#options.model.card.id;
  }

  /** Turns so far, as the model's template is given them. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Begins anew. */
  forget(): void {
    this.#messages = opening(this.#options);
  }

  /**
   * Puts a turn to the model and tells its answer. An interrupt ends the answer, what was said stays in the conversation.
   * `among others`: a failure is told, the turn forgotten, and the conversation goes on.
   */
  async turn(text: string, signal: AbortSignal, where: "alone" | "among others"): Promise<void> {
    const { interrupts, output, json } = this.#options;
    using answer = interrupts.during(signal);
    const messages = [...this.#messages, { role: "user", content: text }];
    let said = "";
    let thought = "";
    let end: AnswerEnd | undefined;
    const thoughts = new DimThoughts(output, json);
    try {
      for await (const event of this.#answer(messages, answer.signal)) {
        if (event.kind === "thought") {
          thought += event.text;
          thoughts.tell(event.text);
        } else thoughts.end();
        if (event.kind === "text") {
          said += event.text;
          if (!json) output.text(event.text);
        } else if (event.kind === "end") end = event;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!answer.signal.aborted) {
        if (where === "alone" || !(error instanceof NodeError)) throw error;
        output.error(lineOf(error));
        return;
      }
      if (where === "alone") throw error;
    } finally {
      thoughts.end();
    }
    const thinking = thought === "" ? {} : { reasoning_content: thought };
    this.#messages = [...messages, { role: "assistant", content: said, ...thinking }];
    if (json) output.json(this.#object({ said, thought }, end, answer.signal));
    else output.line("");
  }

  async *#answer(messages: readonly ChatMessage[], signal: AbortSignal) {
    const { model, options, output } = this.#options;
    const progress = progressOn(output);
    for await (const event of model.answer({ ...options, prompt: { kind: "chat", messages } }, signal)) {
      if (event.kind === "prompt") progress.prompt(event);
      if (event.kind === "text" || event.kind === "thought") progress.clear();
      yield event;
    }
  }

  #object(
    { said: text, thought }: { readonly said: string; readonly thought: string },
    end: AnswerEnd | undefined,
    signal: AbortSignal,
  ): object {
    const at = Math.round(this.#options.world.clock.now());
    const told = { schema: 1, event: "answered", at, text, ...(thought === "" ? {} : { thought }) };
    if (end === undefined) return { ...told, interrupted: messageOf(signal.reason) };
    return { ...told, ...answerFields(end) };
  }
}

const opening = ({ system }: ChatOptions): readonly ChatMessage[] =>
  system === undefined ? [] : [{ role: "system", content: system }];
