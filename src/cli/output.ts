/**
 * Everything the program says: results on stdout, failures on stderr.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import type { Clock } from "../base/world.ts";

/** Where bytes go; `Deno.stdout` is one. */
export interface Sink {
  writeSync(bytes: Uint8Array): number;
  isTerminal?(): boolean;
}

/** The program's mouth. A reader that went away is no failure: what is said later is dropped. */
export class Output {
  readonly #gone = new AbortController();
  #hasScreen = false;
  constructor(readonly stdout: Sink, readonly stderr: Sink) {}

  /** Aborts when nobody reads stdout any more. */
  get closed(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether a person looks at stdout. */
  get isTerminal(): boolean {
    return this.stdout.isTerminal?.() ?? false;
  }

  /** Whether a person sees stdout and stderr in one place. */
  get mixesOnTerminal(): boolean {
    return this.isTerminal && (this.stderr.isTerminal?.() ?? false);
  }

  /** Lines that take the place of what a terminal showed before (ECMA-48: cursor home, erase to the end of line and page). */
  screen(lines: readonly string[]): void {
    const first = this.#hasScreen ? "" : "\x1b[2J";
    this.#hasScreen = true;
    this.text(`${first}\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
  }

  /** Text as it is, without a line end. */
  text(text: string): void {
    if (!this.#gone.signal.aborted && !write(this.stdout, text)) this.#gone.abort();
  }

  /** One line. */
  line(text: string): void {
    this.text(`${text}\n`);
  }

  /** One object on a line of its own. */
  json(value: object): void {
    this.line(JSON.stringify(value));
  }

  /** One event for other programs: `event`, `at` in Unix milliseconds, then its fields. */
  event(clock: Clock, event: string, fields: object): void {
    this.json({ event, at: Math.round(clock.now()), ...fields });
  }

  /** One line on stderr. */
  error(text: string): void {
    write(this.stderr, `${text}\n`);
  }
}

/** One line of others' words, such as names of sensors: they must not command a terminal. */
export const printable = (text: string): string => text.replace(/\p{Cc}/gu, "?");

/** Whether all could be written. */
function write(sink: Sink, text: string): boolean {
  const bytes = encodeUtf8(text);
  try {
    for (let at = 0; at < bytes.length;) at += sink.writeSync(bytes.subarray(at));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
