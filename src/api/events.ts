/**
 * What changes, as it changes: `GET /api/v1/events`, server-sent events (WHATWG HTML, section 9.2).
 *
 * `status` and `energy` carry the documents of their routes, `time` carries `{now, uptimeSeconds}` with each round, so that
 * a page needs no timer of its own to count from. While nobody listens nothing is read and no timer runs.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { EnergyDocument } from "./energy.ts";
import type { StatusDocument } from "./status.ts";

/** Between two rounds. */
const ROUND_MS = 2_000;
/** Most that listen at once. */
const MAX_LISTENERS = 16;
/** Bytes that may wait for a slow listener; what is newer replaces what it missed. */
const MAX_WAITING_BYTES = 256 * 1024;
/** When a listener comes back that lost its connection. */
const RETRY_MS = 5_000;

/** What is told. */
export interface EventSources {
  readonly status: () => StatusDocument;
  readonly energy: () => EnergyDocument;
}

/** Told all that changes, until it goes away. */
interface Listener {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** What it was told last, by event. */
  readonly told: Map<string, string>;
}

/** An event, and what must change before it is told again. */
interface Told {
  readonly name: string;
  readonly json: string;
  readonly sameWhile: string;
}

/** All that listen. Close it to end their streams. */
export class EventFeed implements Disposable {
  readonly #listeners = new Set<Listener>();
  #rounds: AbortController | undefined;
  #isClosed = false;

  constructor(readonly world: Pick<World, "clock" | "log">, readonly sources: EventSources) {}

  /** How many listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** A stream for one more. Throws `NodeError` `busy` beyond the limit, `aborted` after the end. */
  open(): Response {
    if (this.#isClosed) {
      throw new NodeError("aborted", "Cannot tell what changes: the node stops, wanted it running");
    }
    if (this.#listeners.size >= MAX_LISTENERS) {
      throw new NodeError(
        "busy",
        `Cannot tell what changes: ${MAX_LISTENERS} listen already, wanted fewer (close other pages of this node)`,
      );
    }
    let listener: Listener;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        listener = { controller, told: new Map() };
        controller.enqueue(encodeUtf8(`retry: ${RETRY_MS}\n\n`));
        this.#listeners.add(listener);
        this.#tell([listener]);
      },
      cancel: () => this.#leave(listener),
    }, new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }));
    this.#keepTelling();
    return new Response(stream, {
      headers: {
        "content-type": "text/event-stream; charset=utf-8",
        // a proxy or a server that compresses would hold events back
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
      },
    });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const listener of [...this.#listeners]) {
      listener.controller.close();
      this.#leave(listener);
    }
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#rounds?.abort();
    this.#rounds = undefined;
  }

  #keepTelling(): void {
    if (this.#rounds !== undefined || this.#listeners.size === 0) return;
    this.#rounds = new AbortController();
    // never rejects
    void this.#repeat(this.#rounds.signal);
  }

  async #repeat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.world.clock.sleep(ROUND_MS, signal).catch(() => {});
      if (!signal.aborted) this.#tell([...this.#listeners]);
    }
  }

  #tell(listeners: readonly Listener[]): void {
    let events: readonly Told[];
    try {
      events = this.#round();
    } catch (error) {
      this.world.log.warn("Events not told", { reason: messageOf(error) });
      return;
    }
    for (const { controller, told } of listeners) {
      for (const { name, json, sameWhile } of events) {
        if ((controller.desiredSize ?? 0) <= 0 || told.get(name) === sameWhile) continue;
        told.set(name, sameWhile);
        controller.enqueue(encodeUtf8(`event: ${name}\ndata: ${json}\n\n`));
      }
    }
  }

  /** What holds now. */
  #round(): readonly Told[] {
    const status = this.sources.status();
    const { uptimeSeconds, ...lasting } = status;
    const time = JSON.stringify({ now: Math.round(this.world.clock.now()), uptimeSeconds });
    const energy = JSON.stringify(this.sources.energy());
    return [
      { name: "time", json: time, sameWhile: time },
      // a node at rest grows older, and nothing else
      { name: "status", json: JSON.stringify(status), sameWhile: JSON.stringify(lasting) },
      { name: "energy", json: energy, sameWhile: energy },
    ];
  }
}
