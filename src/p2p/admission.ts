/**
 * Which connections of strangers get a place.
 *
 * @module
 */

/** Counts connections of each address that have not finished their handshake: one host cannot take all places. */
export class PendingByAddress {
  readonly #pending = new Map<string, number>();

  constructor(readonly limit: number) {}

  /** Takes a place for `address`; the way to give it back, which may be gone more than once, or `undefined`. */
  enter(address: string): (() => void) | undefined {
    const count = this.#pending.get(address) ?? 0;
    if (count >= this.limit) return undefined;
    this.#pending.set(address, count + 1);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const left = this.#pending.get(address)! - 1;
      if (left === 0) this.#pending.delete(address);
      else this.#pending.set(address, left);
    };
  }
}

/** How a connection was used. */
interface Use {
  calls: number;
  lastAt: number;
}

/** Knows which connection is missed least. `C` is libp2p's connection. */
export class ConnectionUses<C extends { readonly direction: "inbound" | "outbound" }> {
  readonly #uses = new WeakMap<C, Use>();

  /** A connection was made at `now`. */
  opened(connection: C, now: number): void {
    if (!this.#uses.has(connection)) this.#uses.set(connection, { calls: 0, lastAt: now });
  }

  /** A call that has asked something begins. */
  began(connection: C, now: number): void {
    this.opened(connection, now);
    const use = this.#uses.get(connection)!;
    use.calls++;
    use.lastAt = now;
  }

  /** The call is over. */
  over(connection: C, now: number): void {
    const use = this.#uses.get(connection);
    if (use === undefined) return;
    use.calls--;
    use.lastAt = now;
  }

  /** The one that others made to us, without a call, unused for longest; `undefined` where there is none. */
  leastMissed(connections: readonly C[]): C | undefined {
    let found: C | undefined;
    let lastAt = Infinity;
    for (const connection of connections) {
      const use = this.#uses.get(connection);
      if (connection.direction !== "inbound" || use === undefined || use.calls > 0) continue;
      if (use.lastAt < lastAt) [found, lastAt] = [connection, use.lastAt];
    }
    return found;
  }
}
