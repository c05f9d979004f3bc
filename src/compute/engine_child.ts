/**
 * The engine process: native code lives here only, so what crashes ends its sessions and never the node.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import { EngineActs, type EngineChildParts, isShort } from "./engine_acts.ts";
import { type EngineReply, type EngineRequest, errorToWire, readRequest } from "./engine_messages.ts";
import { encodeFrame, type Frame, FrameReader } from "./engine_wire.ts";

/** A request that runs, or is answered and gone on with. */
interface Unfinished {
  readonly done: Promise<void>;
  readonly isShort: boolean;
}

/** Where requests come from. */
export interface RequestSource {
  /** Fills the first of `into`, at least one, and says how many; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** The same, while this thread stands still; absent where it must not. */
  readSync?(into: Uint8Array): number | null;
}

/** Where answers go. */
export interface AnswerSink {
  /** Takes the first of `bytes`, at least one, and says how many. Throws `Deno.errors.BrokenPipe` when nobody reads. */
  writeSync(bytes: Uint8Array): number;
}

/** Bytes read at once: as much as a pipe of Linux holds. */
const READ_BYTES = 64 << 10;

/**
 * Serves requests until `input` ends, which it does when the node ends, whatever way. The exit code: 0, or 1 when
 * what came is no conversation. `complain` takes the words for that.
 */
export async function runEngineChild(
  input: RequestSource,
  output: AnswerSink,
  parts: EngineChildParts,
  complain: (words: string) => void,
): Promise<number> {
  const session = new ChildSession(output, parts);
  const frames = new FrameReader();
  const buffer = new Uint8Array(READ_BYTES);
  try {
    while (true) {
      const isIdle = await session.rest();
      // who waits in the call itself hears 0.06 ms earlier, of each token, than who is told by another thread
      const size = isIdle && input.readSync ? input.readSync(buffer) : await input.read(buffer);
      if (size === null) return 0;
      for (const frame of frames.push(buffer.subarray(0, size))) session.take(frame);
    }
  } catch (error) {
    complain(messageOf(error));
    return 1;
  } finally {
    session.abortAll();
  }
}

class ChildSession {
  readonly #output: AnswerSink;
  readonly #acts: EngineActs;
  readonly #running = new Map<number, AbortController>();
  readonly #unfinished = new Set<Unfinished>();

  constructor(output: AnswerSink, parts: EngineChildParts) {
    this.#output = output;
    this.#acts = new EngineActs(parts);
  }

  /** Begins what a frame asks. Throws `NodeError` `malformed` for a frame that nobody waits on. */
  take({ header, payload }: Frame): void {
    let request: EngineRequest;
    try {
      request = readRequest(header);
    } catch (error) {
      // One request that cannot be is no reason to end the sessions of all others
      const id = idOf(header);
      if (id === undefined) throw error;
      return this.#write({ id, error: errorToWire(error) }, []);
    }
    if (request.act === "abort") {
      this.#running.get(request.target)?.abort(
        new NodeError("aborted", "Cannot go on: the caller has left"),
      );
      return;
    }
    if (request.act === "ping") return this.#write({ id: request.id }, []);
    const control = new AbortController();
    this.#running.set(request.id, control);
    const done = this.#acts.answer(request, payload, control.signal)
      .then(
        async ({ values, afterwards, ...answer }) => {
          this.#running.delete(request.id);
          this.#write({ id: request.id, ...answer }, values === undefined ? [] : [values]);
          if (this.#running.size === 0) await afterwards?.();
        },
        (error) => {
          this.#running.delete(request.id);
          this.#write({ id: request.id, error: errorToWire(error) }, []);
        },
      );
    const unfinished = { done, isShort: isShort(request, payload) };
    this.#unfinished.add(unfinished);
    done.finally(() => this.#unfinished.delete(unfinished));
  }

  /**
   * Whether nothing is computed. Waits for what is short and alone; for all else whoever leaves has to be heard, and
   * who asks for a sign of life.
   */
  async rest(): Promise<boolean> {
    while (this.#unfinished.size === 1) {
      const [only] = [...this.#unfinished];
      if (!only!.isShort) return false;
      await only!.done;
    }
    return this.#unfinished.size === 0;
  }

  /** Ends all that runs. */
  abortAll(): void {
    for (const control of this.#running.values()) {
      control.abort(new NodeError("aborted", "Cannot go on: the node has ended"));
    }
  }

  /** At once: nobody else is to be served meanwhile, and a way over other threads would cost more. */
  #write(reply: EngineReply, values: readonly Float32Array<ArrayBuffer>[]): void {
    try {
      for (const piece of encodeFrame(reply, values)) {
        for (let at = 0; at < piece.length;) at += this.#output.writeSync(piece.subarray(at));
      }
    } catch (error) {
      // a node that does not read any more has ended, and so does `input`
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }
}

function idOf(header: unknown): number | undefined {
  const id = typeof header === "object" && header !== null && "id" in header ? header.id : undefined;
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}
