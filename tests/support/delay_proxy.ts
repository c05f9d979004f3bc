/** A TCP proxy on loopback that holds every piece for a while, each way, as a long line does. */
export interface DelayProxy extends AsyncDisposable {
  readonly port: number;
}

/** Forwards to `target` with `delayMs` each way. Pieces stay in order and overlap in flight. */
export function openDelayProxy(target: number, delayMs: number): DelayProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const pipe = async (from: Deno.Conn, to: Deno.Conn) => {
    const buffer = new Uint8Array(65536);
    let last: Promise<unknown> = Promise.resolve();
    try {
      for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
        const piece = buffer.slice(0, n);
        const due = new Promise((resolve) => setTimeout(resolve, delayMs));
        last = Promise.all([last, due]).then(async () => {
          for (let at = 0; at < piece.length;) at += await to.write(piece.subarray(at));
        });
        last.catch(() => {});
      }
      await last;
    } catch {
      // one side is gone, and so is the line
    }
    for (const conn of [from, to]) {
      if (open.delete(conn)) conn.close();
    }
  };
  const accepting = (async () => {
    for await (const caller of listener) {
      const callee = await Deno.connect({ hostname: "127.0.0.1", port: target });
      for (const conn of [caller, callee]) {
        conn.setNoDelay(true);
        open.add(conn);
      }
      pipe(caller, callee);
      pipe(callee, caller);
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) conn.close();
      open.clear();
    },
  };
}
