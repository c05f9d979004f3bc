/** A clock that moves only when told, and a world around it. */
import type { Clock, Log, World } from "../../src/base/world.ts";

export class FakeClock implements Clock {
  #now: number;
  #start: number;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
    this.#start = now;
  }

  now = (): number => this.#now;
  monotonic = (): number => this.#now - this.#start;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (ms <= 0) return resolve();
      const sleeper = { at: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason);
      }, { once: true });
    });
  }

  /** How many sleep. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Moves the clock and wakes nobody, as while a machine sleeps: who is due comes late, at the next `advance`. */
  jump(ms: number): void {
    this.#now += ms;
  }

  /** Moves the clock and wakes, in order, whoever is due; lets their work run after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    while (true) {
      const due = this.#sleepers.filter((s) => s.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.wake();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets all promises that can go on do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Log lines are kept as `level room message {fields}`. `random` counts up, so that it is the same each time. */
export function fakeWorld(clock = new FakeClock()): World & { clock: FakeClock; lines: string[] } {
  const lines: string[] = [];
  let drawn = 0;
  const make = (room: string): Log => {
    const put = (level: string) => (message: string, fields?: object) =>
      void lines.push(`${level} ${room} ${message} ${JSON.stringify(fields ?? {})}`);
    return { debug: put("debug"), info: put("info"), warn: put("warn"), error: put("error"), child: make };
  };
  return {
    clock,
    lines,
    log: make("test"),
    random: (length) => Uint8Array.from({ length }, () => drawn++ & 0xff),
  };
}
