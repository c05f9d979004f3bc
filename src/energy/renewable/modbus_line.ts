/**
 * A device with Modbus TCP that is asked again and again. The connection stays open between questions: many devices
 * allow only one.
 *
 * @module
 */
import type { DeviceUrl } from "../device_url.ts";
import { PollFailure } from "../sources/polled.ts";
import { type ModbusClient, openModbus, type RegisterRange } from "./modbus_client.ts";

/** Keeps a connection between questions; after a failure the next question opens a new one. */
export class ModbusLine implements Disposable {
  #client: ModbusClient | undefined;

  constructor(readonly id: string, readonly url: DeviceUrl) {}

  /** Runs questions over the connection. Throws whatever they throw. */
  async use<T>(ask: (client: ModbusClient) => Promise<T>, signal: AbortSignal): Promise<T> {
    const client = this.#client ?? await openModbus(this.id, this.url, signal);
    // a question that was given up may still be on its way out: the next must not use what it closes
    this.#client = undefined;
    try {
      const answer = await ask(client);
      signal.throwIfAborted();
      this.#client = client;
      return answer;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }
}

/** Registers of a device. Throws a `PollFailure` `modbus_2` and the like for an exception. */
export async function readRegisters(
  client: ModbusClient,
  id: string,
  range: RegisterRange,
  signal: AbortSignal,
): Promise<Uint16Array> {
  const answer = await client.read(range, signal);
  if ("registers" in answer) return answer.registers;
  const where = `registers ${range.address} to ${range.address + range.count - 1} of unit ${range.unit}`;
  throw new PollFailure(
    `modbus_${answer.exception}`,
    `Cannot read ${id}: it answers exception ${answer.exception} for ${where}, wanted their values`,
  );
}
