/**
 * One life of an engine process: its pipes, and who waits for an answer.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import {
  type EngineReply,
  type EngineRequest,
  errorFromWire,
  type NewRequest,
  readReply,
} from "./engine_messages.ts";
import { EngineWatch, SILENCE } from "./engine_watch.ts";
import { encodeFrame, FrameReader } from "./engine_wire.ts";

/** How to start the process. */
export interface EngineCommand {
  /** The program and its arguments; an emulator may stand before it. */
  readonly command: readonly string[];
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** An answer with its values. */
export interface EngineAnswer {
  readonly reply: EngineReply;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** Time to end by itself once its input is closed. */
const FAREWELL_MS = 2_000;
/** Time to end once it was killed: one that waits for a driver ends when that lets go of it, which may be never. */
const DYING_MS = 10_000;
/** Time for its last words to arrive once it has ended. */
const LAST_WORDS_MS = 500;
/** What is kept of a line on stderr. */
const MAX_LINE = 2_000;

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

interface Waiting {
  resolve(answer: EngineAnswer): void;
  reject(error: Error): void;
  readonly act: EngineRequest["act"];
  /** Nobody wants the answer any more: what it opened is to be freed. */
  readonly left: boolean;
}

/** A running engine process. Dispose to end it. */
export class EngineConnection implements AsyncDisposable {
  /** Resolves, when the process is gone, with why: `it was killed by SIGKILL`. Every waiting call has failed by then. */
  readonly ended: Promise<string>;
  readonly #world: World;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #watch: EngineWatch;
  /** Aborts when it has ended, or counts as ended. */
  readonly #over = new AbortController();
  readonly #unkillable = Promise.withResolvers<undefined>();
  #nextId = 1;
  #lastLine = "";
  #end: string | undefined;
  #fault: string | undefined;

  private constructor(world: World, child: Deno.ChildProcess, onSilence: (isSilent: boolean) => void) {
    this.#world = world;
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    this.#watch = new EngineWatch(world.clock, {
      // its answer, of which nobody waits, is heard as any other
      ask: () => this.#write(encodeFrame({ id: this.#nextId++, act: "ping" })),
      tell: (isSilent) => {
        if (isSilent) world.log.warn("Engine process gives no sign of life", { pid: child.pid });
        onSilence(isSilent);
      },
      giveUp: () => this.#stop(`it gave no sign of life for ${SILENCE}`),
    });
    this.ended = this.#run();
  }

  /**
   * Starts the process. `onSilence` hears when it computes and gives no sign of life, and when it gives one again or has
   * ended. Throws `NodeError` `no_backend` when there is no such program.
   */
  static open(
    world: World,
    { command, env }: EngineCommand,
    onSilence: (isSilent: boolean) => void = () => {},
  ): EngineConnection {
    const [program, ...args] = command;
    if (program === undefined) throw new TypeError("Cannot start the engine process: its command is empty");
    try {
      const child = new Deno.Command(program, {
        args,
        // ggml would start a debugger to print a stack
        env: { GGML_NO_BACKTRACE: "1", ...env },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      return new EngineConnection(world, child, onSilence);
    } catch (error) {
      throw new NodeError("no_backend", `Cannot start the engine process "${program}": ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Asks and waits for the answer. Throws what the engine threw; `NodeError` `unreachable` when the process ends, also
   * because it was killed for its silence; the reason of `signal` at once when that aborts, and what was opened for the
   * caller is freed.
   */
  async call(
    request: NewRequest,
    values: readonly ArrayBufferView<ArrayBuffer>[],
    signal: AbortSignal,
  ): Promise<EngineAnswer> {
    signal.throwIfAborted();
    if (this.#end !== undefined) throw this.#gone();
    const id = this.#nextId++;
    const answer = Promise.withResolvers<EngineAnswer>();
    const pieces = encodeFrame({ id, ...request }, values);
    const { act } = request;
    this.#waiting.set(id, { ...answer, act, left: false });
    this.#watch.begin(act);
    const onAbort = () => {
      this.#waiting.set(id, { ...answer, act, left: true });
      this.#write(encodeFrame({ id, act: "abort", target: id }));
      answer.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#write(pieces);
      return await answer.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Lets go of a handle, if the process still lives. */
  free(handle: number): Promise<void> {
    return this.call({ act: "free", handle }, [], new AbortController().signal).then(() => {}, () => {});
  }

  /** From now on it may be silent for as long as it likes. */
  endWatch(): void {
    this.#watch.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer.close().catch(() => {});
    const late = new AbortController();
    const patience = this.#world.clock.sleep(FAREWELL_MS, late.signal).then(() => this.kill(), () => {});
    await this.ended;
    late.abort();
    await patience;
  }

  /** Ends the process at once; where it does not end in time, it counts as ended. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // it has ended by itself in the meantime
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    this.#world.clock.sleep(DYING_MS, this.#over.signal)
      .then(() => this.#unkillable.resolve(undefined), () => {});
  }

  /** Kills it because of `fault`. */
  #stop(fault: string): void {
    this.#fault = fault;
    this.kill();
  }

  #write(pieces: readonly Uint8Array<ArrayBuffer>[]): void {
    // A broken pipe shows as the end of the process
    for (const piece of pieces) this.#writer.write(piece).catch(() => {});
  }

  async #run(): Promise<string> {
    const stdout = this.#child.stdout.getReader();
    const stderr = this.#child.stderr.getReader();
    const reading = this.#read(stdout).catch((error) => {
      // what is no frame leaves no way to find the next one
      this.#stop(`it was stopped because of what it said (${messageOf(error)})`);
    });
    const drained = Promise.all([reading, this.#readErrors(stderr)]);
    const status = await Promise.race([this.#child.status, this.#unkillable.promise]);
    if (status === undefined) this.#child.unref();
    this.#watch.close();
    this.#writer.abort().catch(() => {});
    // processes that it started may hold on to its pipes
    await this.#atMost(LAST_WORDS_MS, drained);
    await Promise.all([stdout.cancel(), stderr.cancel(), drained]);
    this.#end = describe(status, this.#fault, this.#lastLine);
    for (const { reject } of this.#waiting.values()) reject(this.#gone());
    this.#waiting.clear();
    this.#over.abort();
    return this.#end;
  }

  async #atMost(ms: number, work: Promise<unknown>): Promise<void> {
    const done = new AbortController();
    await Promise.race([work, this.#world.clock.sleep(ms, done.signal)]);
    done.abort();
  }

  async #read(stdout: Reader): Promise<void> {
    const frames = new FrameReader();
    for (let read = await stdout.read(); !read.done; read = await stdout.read()) {
      this.#watch.heard();
      for (const { header, payload } of frames.push(read.value)) this.#take(readReply(header), payload);
    }
  }

  #take(reply: EngineReply, payload: Uint8Array<ArrayBuffer>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (waiting === undefined) return;
    this.#watch.finish(waiting.act);
    if (waiting.left) {
      if (reply.handle !== undefined) this.free(reply.handle);
    } else if (reply.error !== undefined) waiting.reject(errorFromWire(reply.error));
    else waiting.resolve({ reply, payload });
  }

  async #readErrors(stderr: Reader): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    const take = (line: string) => {
      const words = line.trim().slice(0, MAX_LINE);
      if (words === "") return;
      this.#lastLine = words;
      this.#world.log.debug("Engine process says", { line: words });
    };
    for (let read = await stderr.read(); !read.done; read = await stderr.read()) {
      const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n");
      rest = lines.pop()!.slice(-MAX_LINE);
      lines.forEach(take);
    }
    take(rest);
  }

  #gone(): NodeError {
    return new NodeError("unreachable", `Cannot compute: the engine process ended, ${this.#end}`);
  }
}

function describe(
  status: Deno.CommandStatus | undefined,
  fault: string | undefined,
  lastLine: string,
): string {
  const how = fault ??
    (status === undefined
      ? "it was to end"
      : status.signal !== null
      ? `it was killed by ${status.signal}`
      : `it left with code ${status.code}`);
  const known = status === undefined ? `${how}, and it cannot be killed` : how;
  return lastLine === "" ? known : `${known}; its last words: ${JSON.stringify(lastLine)}`;
}
