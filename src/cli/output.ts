/**
 * Everything the program says: results on stdout, failures on stderr.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import type { Clock } from "../base/world.ts";

/** Width of a terminal that does not tell it. */
const USUAL_WIDTH = 80;

/** Where bytes go; `Deno.stdout` is one. */
export interface Sink {
  writeSync(bytes: Uint8Array): number;
  isTerminal?(): boolean;
}

/** The program's mouth. A reader that went away is no failure: what is said later is dropped. */
export class Output {
  readonly #gone = new AbortController();
  #hasScreen = false;
  #hasPassing = false;
  constructor(readonly stdout: Sink, readonly stderr: Sink, readonly columns: () => number = terminalWidth) {}

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

  /** Whether a line on stderr can be put in the place of the one before. */
  get canPass(): boolean {
    return this.stderr.isTerminal?.() ?? false;
  }

  /**
   * A line on a terminal's stderr that the next thing said takes the place of; never wider than the terminal. The cursor goes
   * back to its start, so that lines of the log begin there too.
   */
  passing(text: string): void {
    write(this.stderr, `${text.slice(0, Math.max(1, this.columns() - 1))}\x1b[K\r`);
    this.#hasPassing = true;
  }

  /** Takes the passing line away. */
  clearPassing(): void {
    if (this.#hasPassing) write(this.stderr, "\r\x1b[K");
    this.#hasPassing = false;
  }

  /** Text as it is, without a line end. */
  text(text: string): void {
    if (this.isTerminal) this.clearPassing();
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
    this.clearPassing();
    write(this.stderr, `${text}\n`);
  }
}

/** Width of the terminal, and what is usual where there is none. */
export function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns || USUAL_WIDTH;
  } catch {
    return USUAL_WIDTH; // not a terminal
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
