/** An MQTT 3.1.1 server on loopback, as far as one listener needs it. Nothing of `src/` is used. */

/** A running server. */
export interface FakeBroker extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly connections: () => number;
  /** Called for each message that arrives. */
  onPublish: ((topic: string) => unknown) | undefined;
  /** Sends a message to all who are connected. */
  publish(topic: string, payload: string): void;
  /** Ends all connections. */
  hangUp(): void;
}

const encoder = new TextEncoder(), decoder = new TextDecoder();
const text = (value: string): number[] => {
  const bytes = encoder.encode(value);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
};

/** Opens a server that takes one user. */
export function openBroker(login: { readonly user: string; readonly password: string }): FakeBroker {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let connections = 0;
  const send = (connection: Deno.Conn, bytes: readonly number[]) =>
    connection.write(Uint8Array.from(bytes)).catch(() => {});
  const broker: FakeBroker = {
    host: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    connections: () => connections,
    onPublish: undefined,
    publish(topic, payload) {
      const body = [...text(topic), ...encoder.encode(payload)];
      for (const connection of open) send(connection, [0x30, body.length, ...body]);
    },
    hangUp() {
      for (const connection of open) connection.close();
      open.clear();
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      broker.hangUp();
      await accepting;
    },
  };
  const right = [...text(login.user), ...text(login.password)].join();
  async function serve(connection: Deno.Conn): Promise<void> {
    let rest: number[] = [];
    const buffer = new Uint8Array(1024);
    for (let size = await connection.read(buffer); size !== null; size = await connection.read(buffer)) {
      rest.push(...buffer.subarray(0, size));
      // packets here are all shorter than 128 bytes, save the subscription
      while (rest.length >= 2) {
        const long = rest[1]! > 0x7f ? 1 : 0;
        const length = long ? (rest[1]! & 0x7f) + rest[2]! * 128 : rest[1]!;
        const end = 2 + long + length;
        if (rest.length < end) break;
        const type = rest[0]! >> 4, body = rest.slice(2 + long, end);
        rest = rest.slice(end);
        if (type === 1) await send(connection, [0x20, 2, 0, body.join().endsWith(right) ? 0 : 5]);
        if (type === 8) await send(connection, [0x90, 3, body[0]!, body[1]!, 0]);
        if (type === 3) broker.onPublish?.(decoder.decode(Uint8Array.from(body.slice(2, 2 + body[1]!))));
      }
    }
  }
  const accepting = (async () => {
    try {
      for await (const connection of listener) {
        connections++;
        open.add(connection);
        serve(connection).catch(() => {}).finally(() => open.delete(connection));
      }
    } catch {
      // closed
    }
  })();
  return broker;
}
