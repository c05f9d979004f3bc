/**
 * One Modbus TCP connection: questions one after another, each with its answer.
 *
 * @module
 */
import { orAbort } from "../../base/deadline.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import type { DeviceUrl } from "../device_url.ts";
import { PollFailure } from "../sources/polled.ts";
import {
  decodeAnswer,
  encodeRequest,
  type ModbusMessage,
  ModbusReader,
  type RegisterAnswer,
} from "./modbus.ts";

/** Reads registers of one device. */
export interface ModbusClient extends Disposable {
  /**
   * Asks for holding registers. One call at a time. Throws `NodeError` `malformed`, `unreachable`, or as `signal` does;
   * the connection is then of no more use.
   */
  read(range: RegisterRange, signal: AbortSignal): Promise<RegisterAnswer>;
}

/** Registers of a unit, from `address` on. */
export interface RegisterRange {
  readonly unit: number;
  readonly address: number;
  readonly count: number;
}

/** Messages to other questions that are passed over: late answers of a gateway. */
const MAX_OTHERS = 8;
const PORT = 502;

/** Connects. Throws a `PollFailure` `unreachable`, or as `signal` does. */
export async function openModbus(id: string, url: DeviceUrl, signal: AbortSignal): Promise<ModbusClient> {
  return new Client(await connectTcp(id, url, PORT, signal));
}

/** Opens a TCP connection to a device. Throws a `PollFailure` `unreachable`, or as `signal` does. */
export async function connectTcp(
  id: string,
  { hostname, port }: DeviceUrl,
  usualPort: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const connecting = Deno.connect({ hostname: hostname.replace(/^\[|\]$/g, ""), port: port ?? usualPort });
  try {
    return await orAbort(connecting, signal);
  } catch (error) {
    connecting.then((late) => late.close(), () => {});
    signal.throwIfAborted();
    throw new PollFailure("unreachable", `Cannot connect to ${id}: ${messageOf(error)}, wanted an answer`);
  }
}

class Client implements ModbusClient {
  readonly #reader = new ModbusReader();
  readonly #buffer = new Uint8Array(512);
  #transaction = 0;
  #closed = false;

  constructor(readonly connection: Deno.TcpConn) {}

  async read(range: RegisterRange, signal: AbortSignal): Promise<RegisterAnswer> {
    this.#transaction = this.#transaction % 0xffff + 1;
    const request = { transaction: this.#transaction, ...range };
    const answering = this.#exchange(encodeRequest(request), request.transaction);
    return decodeAnswer(await orAbort(answering, signal), request);
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.connection.close();
    this.#closed = true;
  }

  async #exchange(bytes: Uint8Array, transaction: number): Promise<ModbusMessage> {
    for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
    for (let others = 0; others <= MAX_OTHERS;) {
      const size = await this.connection.read(this.#buffer);
      if (size === null) throw new PollFailure("unreachable", "Cannot read a Modbus device: it hung up");
      for (const message of this.#reader.push(this.#buffer.subarray(0, size))) {
        if (message.transaction === transaction) return message;
        others++;
      }
    }
    throw new NodeError("malformed", "Cannot read a Modbus device: it answers other questions, wanted ours");
  }
}
