/**
 * Answers that are made while they are read.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import type { Log } from "../base/world.ts";

/** How an answer is written. */
export interface StreamForm {
  readonly contentType: string;
  /** What is written in place of the rest when `parts` fails in the middle. */
  readonly failed: (error: unknown) => string;
  /** Hears of failures in the middle that are our own. */
  readonly log: Log;
}

/**
 * Sends what `open` makes, each part when the caller has taken the one before: nothing is made ahead. The first part is
 * awaited, so that what fails before it is thrown here and told by the status; it may be empty. When the caller leaves, or
 * `signal` aborts, the signal that `open` got aborts and the parts end.
 */
export async function streamedAnswer(
  { contentType, failed, log }: StreamForm,
  open: (signal: AbortSignal) => AsyncGenerator<string, void, void>,
  signal: AbortSignal,
): Promise<Response> {
  const left = new AbortController();
  const either = openFirstOf(signal, left.signal);
  const parts = open(either.signal);
  either.signal.addEventListener("abort", () => void parts.return().catch(() => {}), { once: true });
  let first: IteratorResult<string, void> | undefined;
  try {
    first = await parts.next();
  } catch (error) {
    either[Symbol.dispose]();
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
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const part = await take();
        if (part !== undefined) return controller.enqueue(encodeUtf8(part));
        controller.close();
      } catch (error) {
        if (either.signal.aborted) return controller.error(error);
        if (!(error instanceof NodeError)) log.warn("API answer failed in the middle", { error });
        controller.enqueue(encodeUtf8(failed(error)));
        controller.close();
      }
      either[Symbol.dispose]();
    },
    async cancel() {
      left.abort(new NodeError("aborted", "Cannot answer: the caller left, wanted it to stay"));
      either[Symbol.dispose]();
      await parts.return().catch(() => {});
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-type": contentType } });
}
