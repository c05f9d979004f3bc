/**
 * What is in the engine process, as the node names it, and what its answers must say.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { EngineConnection } from "./engine_connection.ts";
import type { EngineReply, NewRequest } from "./engine_messages.ts";

/** Where something is: in which life of the process, under which handle. */
export interface Place {
  readonly connection: EngineConnection;
  readonly handle: number;
}

/** What a head is called, and how many tokens it scores. */
export interface HeadPlace {
  readonly handle: number;
  readonly vocabularySize: number;
}

/** Something that is loaded again when the process was started again. */
export interface Reloadable {
  /** Loads it into `connection`. Throws as `BlockBackend.load`. */
  reload(connection: EngineConnection, signal: AbortSignal): Promise<void>;
  /** It is in no process any more, because of `why`. */
  lose(why: Error): void;
}

/** Something that was asked for once and is loaded into each life of the process, and what the process says of it. */
export class Loaded<Facts> {
  readonly #request: NewRequest;
  readonly #readFacts: (facts: unknown) => Facts;
  #facts: Facts | undefined;
  #place: Place | undefined;
  #lost: Error | undefined;
  #isOver = false;

  constructor(request: NewRequest, readFacts: (facts: unknown) => Facts) {
    this.#request = request;
    this.#readFacts = readFacts;
  }

  /** Of its latest life. Throws `TypeError` before the first one. */
  get facts(): Facts {
    if (this.#facts === undefined) throw new TypeError("Cannot describe what was never loaded");
    return this.#facts;
  }

  /** Where it is now. Throws what a call meets where it is nowhere. */
  get place(): Place {
    if (this.#place === undefined) throw absence(this.#lost);
    return this.#place;
  }

  /** See {@linkcode Reloadable.reload}. */
  async reload(connection: EngineConnection, signal: AbortSignal): Promise<void> {
    const { reply } = await connection.call(this.#request, [], signal);
    const place = { connection, handle: handleOf(reply) };
    this.#facts = this.#readFacts(reply.facts);
    // it may have been disposed while it was loaded again
    if (this.#isOver) await connection.free(place.handle);
    else this.#place = place;
  }

  /** See {@linkcode Reloadable.lose}. */
  lose(why: Error): void {
    this.#place = undefined;
    this.#lost = why;
  }

  /** Lets go of it for good: calls throw `why` from now on. */
  async unload(why: Error): Promise<void> {
    this.#isOver = true;
    const place = this.#place;
    this.lose(why);
    await place?.connection.free(place.handle);
  }
}

/** What a call meets between two lives; a mistake of ours, such as a call after the end, stays one. */
const absence = (why: Error | undefined): Error =>
  why instanceof NodeError && why.code === "unreachable"
    ? new NodeError("busy", `Cannot compute: the engine process is being started again (${why.message})`)
    : why ?? new TypeError("Cannot compute: nothing was loaded");

/** How many of the best scores are asked for, where not all are. */
export const bestOf = (best: number | undefined): { readonly best?: number } =>
  best === undefined ? {} : { best };

/** The id that was chosen. Throws `NodeError` `malformed` for one outside the vocabulary. */
export function chosenOf({ chosen }: EngineReply, vocabularySize: number): number {
  if (chosen !== undefined && chosen < vocabularySize) return chosen;
  throw new NodeError("malformed", `Cannot read a message of the engine process: it chose token ${chosen}`);
}

/** The name of what was opened. Throws `NodeError` `malformed` where there is none. */
export function handleOf({ handle }: { readonly handle?: number | undefined }): number {
  if (handle !== undefined) return handle;
  throw new NodeError("malformed", "Cannot read a message of the engine process: it names no handle");
}
