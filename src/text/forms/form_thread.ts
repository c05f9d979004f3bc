/**
 * The thread that keeps forms, from outside: asked, ended when it takes too long, and begun anew.
 *
 * @module
 */
import { openDeadline, orAbort } from "../../base/deadline.ts";
import { Lane } from "../../base/lane.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import {
  type FormLink,
  type FormNext,
  type FormPlace,
  type FormReply,
  type FormRequest,
  type FormTokens,
  tokenBits,
} from "./form_messages.ts";

/** How long a form may take to be prepared: within our limits, 2 seconds were measured with 49,152 tokens. */
const MAX_PREPARE_MS = 10_000;
/** How long what may come next may take to be found: usually 0.1 ms, and some forms within our limits take many seconds. */
const MAX_TOKEN_MS = 2_000;

/** Forms of one model. Texts on a thread that was ended go on with a new one. Dispose to end it. */
export class FormThread implements AsyncDisposable {
  readonly #world: World;
  readonly #tokens: FormTokens;
  readonly #openLink: () => FormLink;
  readonly #lane = new Lane();
  readonly #end = new AbortController();
  #link: FormLink | undefined;
  /** Texts that the thread keeps. */
  readonly #kept = new Set<number>();
  #texts = 0;

  constructor(world: World, tokens: FormTokens, openLink: () => FormLink) {
    this.#world = world;
    this.#tokens = tokens;
    this.#openLink = openLink;
  }

  /** Whether a token ends a text. */
  ends(id: number): boolean {
    return this.#tokens.endIds.has(id);
  }

  /** A bit a token that ends a text. */
  get endBits(): Int32Array {
    return tokenBits(this.#tokens.endIds, this.#tokens.vocabularySize);
  }

  /** A number for a new text. */
  newText(): number {
    return this.#texts++;
  }

  /**
   * What may come next at a place, which is a new text, or one token further than it was. Throws `NodeError` `usage` for
   * a form that the library refuses or that takes too long, `RangeError` for a token that may not come.
   */
  async next(place: FormPlace, signal: AbortSignal = this.#end.signal): Promise<FormNext> {
    const asking = this.#lane.run(async () => {
      const link = this.#link ?? await this.#begin();
      const isKept = this.#kept.has(place.text);
      this.#kept.add(place.text);
      const reply = await this.#ask(
        link,
        isKept
          ? { kind: "accept", text: place.text, id: place.ids.at(-1)! }
          : { kind: "open", place: { ...place, ids: [...place.ids] } },
      );
      if (reply.kind !== "next") throw new TypeError(`The thread of forms answered "${reply.kind}"`);
      return reply;
    }, signal);
    return await orAbort(asking, this.#end.signal);
  }

  /** A text is made no more. */
  close(text: number): void {
    this.#lane.run(async () => {
      if (this.#link !== undefined && this.#kept.delete(text)) {
        await this.#ask(this.#link, { kind: "close", text });
      }
    }, this.#end.signal).catch((error) => {
      if (this.#end.signal.aborted) return;
      this.#world.log.debug("A form was not closed", { reason: messageOf(error) });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new NodeError("aborted", "The node stops"));
    this.#drop();
    return Promise.resolve();
  }

  async #begin(): Promise<FormLink> {
    this.#end.signal.throwIfAborted();
    const link = this.#link = this.#openLink();
    await this.#ask(link, { kind: "tokens", tokens: this.#tokens });
    return link;
  }

  async #ask(link: FormLink, request: FormRequest): Promise<FormReply> {
    const [what, ms] = request.kind === "accept"
      ? ["following one token", MAX_TOKEN_MS]
      : ["preparing it", MAX_PREPARE_MS];
    using limit = openDeadline(this.#world.clock, ms, "keep the form");
    let reply: FormReply;
    try {
      reply = await orAbort(link.ask(request), limit.signal);
    } catch (error) {
      this.#drop();
      if (!limit.signal.aborted) throw error;
      throw new NodeError(
        "usage",
        `Cannot keep the form: ${what} takes more than ${ms / 1000} seconds, wanted a simpler one`,
        { cause: error },
      );
    }
    if (reply.kind !== "failed") return reply;
    if (reply.code !== undefined) throw new NodeError(reply.code, reply.message);
    this.#drop(); // whatever it was, the library's memory may be damaged
    throw new RangeError(reply.message);
  }

  #drop(): void {
    this.#link?.[Symbol.dispose]();
    this.#link = undefined;
    this.#kept.clear();
  }
}
