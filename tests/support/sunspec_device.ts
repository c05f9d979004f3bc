/**
 * A SunSpec device over Modbus TCP on loopback: models with values at their places, and ways of answering wrong. It has
 * its own idea of the protocol: nothing of `src/` is used.
 */

/** A point: where it lies in its model, counted from the model's number, and the registers of its value. */
export type Points = Readonly<Record<number, readonly number[]>>;

/** One model. */
export interface FakeModel {
  readonly id: number;
  /** Registers after number and length. */
  readonly length: number;
  readonly points: Points;
}

export const int16 = (value: number): readonly number[] => [value & 0xffff];
export const acc32 = (
  value: number,
): readonly number[] => [Math.floor(value / 0x10000) & 0xffff, value % 0x10000];
export const float32 = (value: number): readonly number[] => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return [view.getUint16(0), view.getUint16(2)];
};
/** Text of a number of registers. */
export const text = (value: string, registers: number): readonly number[] =>
  Array.from(
    { length: registers },
    (_, index) => (value.charCodeAt(2 * index) || 0) << 8 | (value.charCodeAt(2 * index + 1) || 0),
  );

/** Model 1: who made the device. */
export const common = (maker: string): FakeModel => ({
  id: 1,
  length: 66,
  points: { 2: text(maker, 16), 18: text("Model X", 16), 42: text("1.0", 8), 50: text("123456", 16) },
});

/** All registers of a map that begins at `base`. */
export function registersOf(base: number, models: readonly FakeModel[]): Map<number, number> {
  const registers = new Map<number, number>([[base, 0x5375], [base + 1, 0x6e53]]);
  let address = base + 2;
  for (const { id, length, points } of models) {
    registers.set(address, id).set(address + 1, length);
    // what is not implemented is 0x8000 here, whatever its type
    for (let offset = 2; offset < length + 2; offset++) registers.set(address + offset, 0x8000);
    for (const [offset, values] of Object.entries(points)) {
      values.forEach((value, index) => registers.set(address + Number(offset) + index, value));
    }
    address += length + 2;
  }
  registers.set(address, 0xffff).set(address + 1, 0);
  return registers;
}

/** A running device. */
export interface FakeSunspec extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly registers: Map<number, number>;
  readonly unit: number;
  /** Address and count of each question, and connections so far. */
  readonly asked: { readonly address: number; readonly count: number }[];
  readonly connections: () => number;
  /** Changes an answer before it leaves, or gives none. */
  spoil: ((answer: Uint8Array) => Uint8Array | undefined) | undefined;
}

/** Opens a device whose registers can be changed while it runs. */
export function openSunspecDevice(registers: Map<number, number>, unit = 1): FakeSunspec {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const asked: { address: number; count: number }[] = [];
  let connections = 0;
  const device: FakeSunspec = {
    host: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    registers,
    unit,
    asked,
    connections: () => connections,
    spoil: undefined,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) connection.close();
      await accepting;
    },
  };
  const accepting = (async () => {
    try {
      for await (const connection of listener) {
        connections++;
        open.add(connection);
        serve(connection, device).catch(() => {}).finally(() => open.delete(connection));
      }
    } catch {
      // closed
    }
  })();
  return device;
}

async function serve(connection: Deno.Conn, device: FakeSunspec): Promise<void> {
  const buffer = new Uint8Array(260);
  let filled = 0;
  while (true) {
    const size = await connection.read(buffer.subarray(filled));
    if (size === null) return connection.close();
    filled += size;
    while (filled >= 12) {
      const answer = answerTo(buffer.slice(0, 12), device);
      buffer.copyWithin(0, 12, filled);
      filled -= 12;
      const spoilt = device.spoil === undefined ? answer : device.spoil(answer);
      if (spoilt !== undefined) await connection.write(spoilt);
    }
  }
}

function answerTo(request: Uint8Array, { registers, unit, asked }: FakeSunspec): Uint8Array {
  const view = new DataView(request.buffer);
  const address = view.getUint16(8), count = view.getUint16(10);
  asked.push({ address, count });
  const head = (length: number) => [request[0]!, request[1]!, 0, 0, length >> 8, length & 0xff, request[6]!];
  if (request[6] !== unit) return Uint8Array.from([...head(3), 0x83, 0x0b]);
  const values = Array.from({ length: count }, (_, index) => registers.get(address + index));
  if (values.some((value) => value === undefined)) return Uint8Array.from([...head(3), 0x83, 0x02]);
  const data = (values as number[]).flatMap((value) => [value >> 8, value & 0xff]);
  return Uint8Array.from([...head(3 + data.length), 0x03, data.length, ...data]);
}
