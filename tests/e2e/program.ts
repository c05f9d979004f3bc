/** The program as a black box: the binary that `KWAAI_BINARY` names, or the source. */

const main = new URL("../../main.ts", import.meta.url).pathname;
const binary = Deno.env.get("KWAAI_BINARY");
/** What is under test. */
export const FLAVOUR = binary === undefined ? "source" : "binary";

/** How a program is started. */
export interface Launch {
  /** The program, and whatever stands before its own arguments. */
  readonly words: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Longest wait for anything: generous, because machines of tests are slow. */
  readonly patienceMs: number;
}

/** What is under test on this machine. */
export const HERE: Launch = {
  words: binary === undefined ? [Deno.execPath(), "run", "-A", "--no-check", main] : [binary],
  patienceMs: 60_000,
};

/** Environment without settings of whoever runs the tests. */
const CLEAN = Object.fromEntries(
  Object.entries(Deno.env.toObject()).filter(([name]) =>
    !/^(KWAAI_|STATE_DIRECTORY$|JOURNAL_STREAM$|XDG_)/.test(name)
  ),
);

function command(args: readonly string[], env: Record<string, string>, launch: Launch): Deno.Command {
  const [path, ...before] = launch.words;
  return new Deno.Command(path, {
    args: [...before, ...args],
    env: { ...CLEAN, ...launch.env, ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** What a short verb answered. */
export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a verb to its end. */
export async function ask(
  args: readonly string[],
  env: Record<string, string> = {},
  launch: Launch = HERE,
): Promise<Answer> {
  const child = command(args, env, launch).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), launch.patienceMs);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** One line of `start --json`. */
// deno-lint-ignore no-explicit-any -- fields differ from event to event
export type ProgramEvent = { readonly event: string; readonly at: number } & Record<string, any>;

/** A running `start --json`. Disposing kills what is left of it. */
export class Program implements AsyncDisposable {
  readonly events: ProgramEvent[] = [];
  readonly others: string[] = [];
  err = "";
  #wake = Promise.withResolvers<void>();
  #ended = false;
  readonly #reading: Promise<unknown>;

  constructor(readonly child: Deno.ChildProcess, readonly patienceMs: number) {
    this.#reading = Promise.all([
      lines(child.stdout, (line) => this.#line(line)),
      lines(child.stderr, (line) => void (this.err += `${line}\n`)),
    ]).finally(() => {
      this.#ended = true;
      this.#wake.resolve();
    });
  }

  static start(
    args: readonly string[],
    env: Record<string, string> = {},
    launch: Launch = HERE,
  ): Program {
    return Program.run(["start", "--json", ...args], env, launch);
  }

  /** Any verb that goes on and writes events. */
  static run(args: readonly string[], env: Record<string, string> = {}, launch: Launch = HERE): Program {
    return new Program(command(args, env, launch).spawn(), launch.patienceMs);
  }

  #line(line: string): void {
    try {
      this.events.push(JSON.parse(line));
    } catch {
      this.others.push(line);
    }
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** The first event of that name that `fits`, now or later. */
  async event(name: string, fits: (event: ProgramEvent) => boolean = () => true): Promise<ProgramEvent> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no event "${name}" in ${this.patienceMs} ms: ${this.#story()}`)),
        this.patienceMs,
      );
    });
    try {
      while (true) {
        const found = this.events.find((event) => event.event === name && fits(event));
        if (found !== undefined) return found;
        if (this.#ended) throw new Error(`no event "${name}" before the end: ${this.#story()}`);
        await Promise.race([this.#wake.promise, late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The process that computes: the only child there is. */
  async engine(): Promise<number> {
    const tasks = `/proc/${this.child.pid}/task`;
    const children: string[] = [];
    for await (const { name } of Deno.readDir(tasks)) {
      const text = await Deno.readTextFile(`${tasks}/${name}/children`);
      children.push(...text.split(" ").filter((pid) => pid !== ""));
    }
    if (children.length !== 1) throw new Error(`children [${children}], wanted one: ${this.#story()}`);
    return Number(children[0]);
  }

  /** Sends a signal and waits for the exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.child.kill(signal);
    } catch {
      // it has ended by itself
    }
    return await this.exit();
  }

  /** The exit code, once it is there. */
  async exit(): Promise<number> {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), this.patienceMs);
    const { code } = await this.child.status;
    await this.#reading;
    clearTimeout(timer);
    return code;
  }

  #story(): string {
    return JSON.stringify({ events: this.events, others: this.others, err: this.err.slice(-3000) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.stop("SIGKILL");
  }
}

async function lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  each: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    parts.forEach(each);
  }
  if (rest !== "") each(rest);
}

/** Flags of a node that meets nobody by chance. */
export const alone = (dataDir: string): string[] => [
  "--network",
  "private",
  "--listen",
  "/ip4/127.0.0.1/tcp/0",
  "--api",
  "127.0.0.1:0",
  "--data-dir",
  dataDir,
];

/** Runs `use` with a folder of its own. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kwaainet-e2e-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
