/**
 * Several streams as one.
 *
 * @module
 */
import { openFirstOf } from "./deadline.ts";
import { NodeError } from "./errors.ts";

/** Something that gives values until it ends or `signal` aborts. */
export type Source<T> = (signal: AbortSignal) => AsyncIterator<T>;

type Arrival<T> =
  | { readonly index: number; readonly result: IteratorResult<T> }
  | { readonly index: number; readonly error: unknown };

/**
 * Values of all `sources` as they come, each with its source's place in the list. At most `most` sources run at a time, in
 * the order of the list, and none runs ahead of the reader by more than a value. Where one fails, or the reader leaves, the
 * others are aborted and waited for; then the failure is thrown.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const count = (to: number) => async function* () { for (let i = 1; i <= to; i++) yield i; };
 * const signal = new AbortController().signal;
 * const got = await Array.fromAsync(together([count(2), count(1)], 1, signal));
 * assertEquals(got.map(({ index, value }) => [index, value]), [[0, 1], [0, 2], [1, 1]]);
 * ```
 */
export async function* together<T>(
  sources: readonly Source<T>[],
  most: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly index: number; readonly value: T }, void, void> {
  const leave = new AbortController();
  using life = openFirstOf(signal, leave.signal);
  const running = new Map<number, AsyncIterator<T>>();
  const arrived: Arrival<T>[] = [];
  let wake = () => {};
  const pull = (index: number) => {
    const take = (arrival: Arrival<T>) => {
      arrived.push(arrival);
      wake();
    };
    running.get(index)!.next().then(
      (result) => take({ index, result }),
      (error) => take({ index, error }),
    );
  };
  let next = 0;
  try {
    while (next < sources.length || running.size > 0) {
      signal.throwIfAborted();
      for (; next < sources.length && running.size < most; next++) {
        running.set(next, sources[next]!(life.signal));
        pull(next);
      }
      while (arrived.length === 0) await new Promise<void>((resolve) => wake = resolve);
      const arrival = arrived.shift()!;
      const { index } = arrival;
      if ("error" in arrival) {
        running.delete(index);
        throw arrival.error;
      }
      if (arrival.result.done) running.delete(index);
      else {
        yield { index, value: arrival.result.value };
        pull(index);
      }
    }
  } finally {
    leave.abort(new NodeError("aborted", "Nobody waits for it any more"));
    await Promise.allSettled([...running.values()].map((iterator) => iterator.return?.()));
  }
}
