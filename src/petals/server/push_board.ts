/**
 * Where steps that other servers push wait for the sessions they belong to.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { MAX_PUSH_BYTES, MAX_PUSHES_OF_SESSION } from "./limits.ts";
import type { Incoming } from "./session.ts";

/** Pushed steps of one session. Dispose it with the session. */
export interface PushInbox extends Disposable {
  /** The oldest, taken out. */
  take(): Incoming | undefined;
  /** Resolves when the next one arrives; asking again forgets the earlier question. */
  arrival(): Promise<void>;
}

interface Box {
  readonly waiting: Incoming[];
  wake: () => void;
}

/** Sessions by their ids. What finds no place is dropped: the client sends its own copy anyway. */
export class PushBoard {
  readonly #boxes = new Map<string, Box>();
  #bytes = 0;

  /** Opens an inbox; a session without an id never gets anything. Throws `NodeError` `refused` for an id in use. */
  open(sessionId: string | undefined): PushInbox {
    if (sessionId !== undefined && this.#boxes.has(sessionId)) {
      throw new NodeError("refused", `session id ${sessionId} is not unique`);
    }
    const box: Box = { waiting: [], wake: () => {} };
    if (sessionId !== undefined) this.#boxes.set(sessionId, box);
    return {
      take: () => {
        const incoming = box.waiting.shift();
        this.#bytes -= incoming?.bytes ?? 0;
        return incoming;
      },
      arrival: () => new Promise((resolve) => box.wake = resolve),
      [Symbol.dispose]: () => {
        if (sessionId !== undefined) this.#boxes.delete(sessionId);
        for (const { bytes } of box.waiting.splice(0)) this.#bytes -= bytes;
      },
    };
  }

  /** Puts a step before its session; `false` when there is none or no room. */
  deliver(sessionId: string, incoming: Incoming): boolean {
    const box = this.#boxes.get(sessionId);
    if (box === undefined || box.waiting.length >= MAX_PUSHES_OF_SESSION) return false;
    if (this.#bytes + incoming.bytes > MAX_PUSH_BYTES) return false;
    this.#bytes += incoming.bytes;
    box.waiting.push(incoming);
    box.wake();
    return true;
  }
}
