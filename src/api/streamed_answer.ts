/**
 * Answers that are made while they are read.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { Clock, Log } from "../base/world.ts";
import { callerLeft } from "./leaving.ts";

/** Between signs that an answer is still being made: proxies give up what is silent for half a minute or longer. */
const QUIET_MS = 10_000;

/** How an answer is written. */
export interface StreamForm {
  readonly contentType: string;
  /** What is written in place of the rest when `parts` fails in the middle. */
  readonly failed: (error: unknown) => string;
  /** Hears of failures in the middle that are our own. */
  readonly log: Log;
  /** What is written when nothing else was for 10 s, where readers pass over such a thing. */
  readonly quiet?: { readonly clock: Clock; readonly part: string };
}

/**
 * Sends what `open` makes, each part when the caller has taken the one before: nothing is made ahead. The first part is
 * awaited, so that what fails before it is thrown here and told by the status; it may be empty. When the caller leaves, or
 * `signal` aborts, the signal that `open` got aborts and the parts end.
 */
export async function streamedAnswer(
  { contentType, failed, log, quiet }: StreamForm,
  open: (signal: AbortSignal) => AsyncGenerator<string, void, void>,
  signal: AbortSignal,
): Promise<Response> {
  const left = new AbortController();
  const rooms = new DisposableStack();
  const either = rooms.use(openFirstOf(signal, left.signal));
  const silence = quiet && rooms.use(new Silence(quiet.clock));
  const parts = open(either.signal);
  either.signal.addEventListener("abort", () => void parts.return().catch(() => {}), { once: true });
  let first: IteratorResult<string, void> | undefined;
  try {
    first = await parts.next();
  } catch (error) {
    rooms.dispose();
    throw error;
  }
  /** The next part that says something. */
  const take = async (): Promise<string | undefined> => {
    while (true) {
      const { done, value } = first ?? await parts.next();
      first = undefined;
      if (done) return undefined;
      if (value !== "") return value;
    }
  };
  let taking: Promise<string | undefined> | undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        taking ??= take();
        const isQuiet = await silence?.waitFor(taking);
        if (isQuiet) return controller.enqueue(encodeUtf8(quiet!.part));
        const part = await taking;
        taking = undefined;
        if (part !== undefined) return controller.enqueue(encodeUtf8(part));
        controller.close();
      } catch (error) {
        if (either.signal.aborted) {
          rooms.dispose();
          return controller.error(error);
        }
        if (!(error instanceof NodeError)) log.warn("API answer failed in the middle", { error });
        controller.enqueue(encodeUtf8(failed(error)));
        controller.close();
      }
      rooms.dispose();
    },
    async cancel() {
      left.abort(callerLeft());
      rooms.dispose();
      await parts.return().catch(() => {});
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-type": contentType } });
}

/** Notices when a wait is long. One timer for all waits of a stream: there is a wait for each token. */
class Silence implements Disposable {
  readonly #clock: Clock;
  readonly #end = new AbortController();
  #since = 0;
  #isWatched = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when `work` is done, with whether 10 s passed before that; `work` may fail. */
  waitFor(work: Promise<unknown>): Promise<boolean> {
    this.#since = this.#clock.monotonic();
    return new Promise((resolve) => {
      this.#wake = () => resolve(true);
      const done = () => {
        this.#wake = undefined;
        resolve(false);
      };
      work.then(done, done);
      if (this.#isWatched) return;
      this.#isWatched = true;
      this.#watch().catch(() => {}); // until it is disposed
    });
  }

  [Symbol.dispose](): void {
    this.#end.abort();
  }

  async #watch(): Promise<void> {
    while (true) {
      const passed = this.#clock.monotonic() - this.#since;
      if (this.#wake !== undefined && passed >= QUIET_MS) {
        this.#wake();
        this.#wake = undefined;
      }
      await this.#clock.sleep(this.#wake === undefined ? QUIET_MS : QUIET_MS - passed, this.#end.signal);
    }
  }
}
