/**
 * Ctrl-C and SIGTERM.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** Exit codes of a process that a signal ended (POSIX shells: 128 + number). */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** The first signal aborts with `NodeError` `aborted`; a second one leaves at once. Dispose to listen no longer. */
export function listenForSignals(): { readonly signal: AbortSignal } & Disposable {
  const stop = new AbortController();
  const names = Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const;
  const listeners = names.map((name) => {
    const listener = () => {
      if (stop.signal.aborted) Deno.exit(CODES[name]);
      stop.abort(new NodeError("aborted", `Cannot go on: ${name} came, wanted none`));
    };
    Deno.addSignalListener(name, listener);
    return [name, listener] as const;
  });
  return {
    signal: stop.signal,
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
