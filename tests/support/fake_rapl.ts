/** A moving sensor in a process of its own, for programs under test. */

const script = new URL("./sensor_writer.ts", import.meta.url).pathname;

/** A tree with one RAPL package whose power the test sets. Dispose to end the writer. */
export class FakeRapl implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(readonly root: string, child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
  }

  /** Starts it at 3 W. The counter comes round after `maxJoules`. */
  static async open(root: string, maxJoules: number): Promise<FakeRapl> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", script, root, `${Math.round(maxJoules * 1e6)}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    reader.releaseLock();
    return new FakeRapl(root, child);
  }

  /** Power from now on, watts. */
  async set(watts: number): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${watts}\n`));
  }

  /** Begins the counter anew, as a driver does that is loaded again; what it stood for goes on. */
  async reset(): Promise<void> {
    await this.#writer.write(new TextEncoder().encode("reset\n"));
  }

  /** Joules from one Unix ms to another, exactly. */
  async joules(fromMs: number, toMs: number): Promise<number> {
    const text = await Deno.readTextFile(`${this.root}/exact.csv`);
    const marks = text.trim().split("\n").map((line) => line.split(",").map(Number) as [number, number]);
    const at = (ms: number) => {
      const next = marks.findIndex(([time]) => time >= ms);
      if (next < 1) return marks.at(next)![1];
      const [[t0, j0], [t1, j1]] = [marks[next - 1]!, marks[next]!];
      return j0 + (j1 - j0) * (ms - t0) / Math.max(1, t1 - t0);
    };
    return at(toMs) - at(fromMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#child.stdout.cancel().catch(() => {});
    await this.#child.status;
  }
}
