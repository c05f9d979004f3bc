/**
 * The engine process from outside: started, asked, and started again when it dies.
 *
 * @module
 */
import { openDeadline, openFirstOf } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { BlockRange } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { ModelSource } from "../model/source.ts";
import type { EngineName, LoadedBlocks, LoadOptions, TextHead } from "./backend.ts";
import type { EngineChoice } from "./choose.ts";
import type { EngineFolders } from "./engine_acts.ts";
import { type EngineCommand, EngineConnection } from "./engine_connection.ts";
import { readOpenFacts } from "./engine_messages.ts";
import { RemoteBlocks } from "./engine_blocks.ts";
import { RemoteHead } from "./engine_head.ts";
import type { Reloadable } from "./engine_place.ts";

/** How the process is started, and what it is to be. */
export interface EngineProcessOptions extends EngineCommand, EngineFolders {
  readonly engine: EngineChoice;
  /** Called whenever the process has died and whenever everything is loaded again. */
  readonly onState?: (state: EngineState) => void;
  /** Called when the process computes and gives no sign of life, and when it gives one again or has ended. */
  readonly onSilence?: (isSilent: boolean) => void;
}

/** Whether the engine can be asked. */
export type EngineState =
  | { readonly kind: "running" }
  | { readonly kind: "restarting"; readonly reason: string };

/** First pause before the process is started again; doubled each time that it does not live long. */
const FIRST_PAUSE_MS = 1_000;
/** Longest such pause. */
const MAX_PAUSE_MS = 60_000;
/** A process that lived this long starts with the first pause again. */
const STEADY_MS = 60_000;
/** Opening libraries and looking for devices; a slow card under load takes seconds. */
const OPEN_MS = 60_000;

/**
 * Starts the engine process. Throws `NodeError` `no_backend` when it does not start or no engine is usable; the message
 * says why for each.
 */
export async function openEngineProcess(
  world: World,
  options: EngineProcessOptions,
  signal: AbortSignal,
): Promise<EngineProcess> {
  return new EngineProcess(world, options, await start(world, options, signal));
}

interface Started {
  readonly connection: EngineConnection;
  readonly engine: EngineName;
  readonly reason: string;
}

async function start(world: World, options: EngineProcessOptions, signal: AbortSignal): Promise<Started> {
  const connection = EngineConnection.open(world, options, options.onSilence);
  try {
    const { engine, dataDir, backendDir } = options;
    using deadline = openDeadline(world.clock, OPEN_MS, "open the engine", signal);
    const { reply } = await connection.call(
      { act: "open", engine, dataDir, ...(backendDir === undefined ? {} : { backendDir }) },
      [],
      deadline.signal,
    );
    const facts = readOpenFacts(reply.facts);
    // it computes on the thread that would answer, a block of a large model in minutes, and has no driver to wait for
    if (facts.engine === "reference") connection.endWatch();
    return { connection, ...facts };
  } catch (error) {
    connection.kill();
    const ended = await connection.ended;
    if (error instanceof NodeError && error.code === "unreachable") {
      throw new NodeError("no_backend", `Cannot start the engine process: ${ended}`, { cause: error });
    }
    throw error;
  }
}

/** An engine in a process of its own. Dispose to end it. */
export class EngineProcess implements AsyncDisposable {
  /** The engine that computes. */
  name: EngineName;
  /** Why this one, in words. */
  reason: string;
  readonly #world: World;
  readonly #options: EngineProcessOptions;
  readonly #end = new AbortController();
  readonly #loaded = new Set<Reloadable>();
  readonly #life: Promise<void>;
  #connection: EngineConnection;
  #state: EngineState = { kind: "running" };
  #changed = Promise.withResolvers<void>();

  /** Made by `openEngineProcess`. */
  constructor(world: World, options: EngineProcessOptions, { connection, engine, reason }: Started) {
    this.#world = world;
    this.#options = options;
    this.#connection = connection;
    this.name = engine;
    this.reason = reason;
    this.#life = this.#live();
  }

  /** Whether it can be asked now. */
  get state(): EngineState {
    return this.#state;
  }

  /** Of the process as it is now. */
  get pid(): number {
    return this.#connection.pid;
  }

  /**
   * Loads blocks of the model at `path`; waits while the process is being started again. When it dies later, calls and
   * caches fail at once with `unreachable`, the blocks load themselves again, and meanwhile calls throw `busy`.
   * Throws as `BlockBackend.load`.
   */
  async load(
    path: string,
    range: BlockRange,
    options: LoadOptions,
    signal: AbortSignal,
  ): Promise<LoadedBlocks> {
    if (!(Number.isSafeInteger(range.start) && range.start >= 0 && range.start < range.end)) {
      throw new RangeError(`Cannot load blocks ${range.start} to ${range.end}`);
    }
    const blocks = new RemoteBlocks({ path, range, options }, () => this.#loaded.delete(blocks));
    await this.#loadInto(blocks, signal);
    return blocks;
  }

  /** Loads the output matrix of `model`, which is read until the head is disposed; otherwise as `load`. */
  async loadHead(model: ModelSource, options: LoadOptions, signal: AbortSignal): Promise<TextHead> {
    const head = new RemoteHead(model, options, () => this.#loaded.delete(head));
    await this.#loadInto(head, signal);
    return head;
  }

  /** Resolves with why when the process has died; at once while it is being started again. */
  async death(signal: AbortSignal): Promise<string> {
    while (this.#state.kind === "running") await this.#change(signal);
    return this.#state.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const why = new NodeError("aborted", "Cannot compute: the engine process is closed");
    this.#end.abort(why);
    await this.#connection[Symbol.asyncDispose]();
    await this.#life;
    this.#loseAll(why);
  }

  async #loadInto(thing: Reloadable, signal: AbortSignal): Promise<void> {
    using first = openFirstOf(signal, this.#end.signal);
    const either = first.signal;
    while (this.#state.kind !== "running") await this.#change(either);
    const connection = this.#connection;
    await thing.reload(connection, either);
    // it may have died between its answer and now
    if (connection !== this.#connection || this.#state.kind !== "running") {
      throw new NodeError("unreachable", "Cannot load: the engine process ended");
    }
    this.#loaded.add(thing);
  }

  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#changed.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Waits for deaths and mends them, until closed. */
  async #live(): Promise<void> {
    const { clock, log } = this.#world;
    let pauseMs = FIRST_PAUSE_MS;
    while (true) {
      const bornAtMs = clock.monotonic();
      let reason = await this.#connection.ended;
      if (this.#end.signal.aborted) return;
      if (clock.monotonic() - bornAtMs >= STEADY_MS) pauseMs = FIRST_PAUSE_MS;
      log.warn("Engine process died", { reason, pauseMs });
      this.#loseAll(new NodeError("unreachable", `Cannot compute: the engine process ended, ${reason}`));
      this.#become({ kind: "restarting", reason });
      while (true) {
        try {
          await clock.sleep(pauseMs, this.#end.signal);
          pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
          await this.#restart();
          break;
        } catch (error) {
          if (this.#end.signal.aborted) return;
          reason = messageOf(error);
          log.warn("Engine process does not start again", { reason, pauseMs });
          this.#become({ kind: "restarting", reason });
        }
      }
      this.#become({ kind: "running" });
      log.info("Engine process runs again", { loaded: this.#loaded.size });
    }
  }

  async #restart(): Promise<void> {
    const { signal } = this.#end;
    const { connection, engine, reason } = await start(this.#world, this.#options, signal);
    this.#connection = connection;
    try {
      for (const thing of this.#loaded) await thing.reload(connection, signal);
    } catch (error) {
      for (const thing of this.#loaded) {
        thing.lose(new NodeError("unreachable", messageOf(error), { cause: error }));
      }
      connection.kill();
      await connection.ended;
      throw error;
    }
    this.name = engine;
    this.reason = reason;
  }

  #loseAll(why: NodeError): void {
    for (const thing of this.#loaded) thing.lose(why);
  }

  #become(state: EngineState): void {
    this.#state = state;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#options.onState?.(state);
  }
}
