/**
 * Modbus TCP as far as reading registers needs it (Modbus Messaging on TCP/IP 1.0b; Application Protocol 1.1b3). Bytes
 * in, bytes out; `modbus_client.ts` owns the stream.
 *
 * @module
 */
import { type Bytes, concatBytes, viewOf } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";

// what the protocol fixes
/** Registers that one request may ask for. */
export const MAX_REGISTERS = 125;
const READ_HOLDING_REGISTERS = 0x03;
const EXCEPTION = 0x80;
/** Transaction, protocol and length. The length counts what follows: unit, function and data. */
const HEADER_BYTES = 6;
const MAX_LENGTH = 254;

/** What is asked. */
export interface RegisterRequest {
  readonly transaction: number;
  readonly unit: number;
  readonly address: number;
  readonly count: number;
}

/** One message from a device. */
export interface ModbusMessage {
  readonly transaction: number;
  readonly unit: number;
  /** Function code and data. */
  readonly body: Bytes;
}

/** An answer: registers, or the number of an exception. */
export type RegisterAnswer = { readonly registers: Uint16Array } | { readonly exception: number };

/**
 * The bytes of a request for holding registers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { toHex } from "../../base/bytes.ts";
 *
 * const request = encodeRequest({ transaction: 1, unit: 100, address: 850, count: 1 });
 * assertEquals(toHex(request), "000100000006640303520001");
 * ```
 */
export function encodeRequest({ transaction, unit, address, count }: RegisterRequest): Bytes {
  if (!(count >= 1 && count <= MAX_REGISTERS && address >= 0 && address + count <= 0x10000)) {
    throw new RangeError(`Registers ${address} to ${address + count - 1} cannot be asked for at once`);
  }
  const bytes = new Uint8Array(12);
  const view = viewOf(bytes);
  view.setUint16(0, transaction);
  view.setUint16(4, 6);
  view.setUint8(6, unit);
  view.setUint8(7, READ_HOLDING_REGISTERS);
  view.setUint16(8, address);
  view.setUint16(10, count);
  return bytes;
}

/** Cuts a stream into messages. Holds at most one that is not complete. */
export class ModbusReader {
  #rest: Bytes = new Uint8Array(0);

  /** Takes what arrived; the messages that are complete. Throws `NodeError` `malformed`, and then is of no more use. */
  push(bytes: Uint8Array): ModbusMessage[] {
    const messages: ModbusMessage[] = [];
    this.#rest = concatBytes(this.#rest, bytes);
    while (this.#rest.length >= HEADER_BYTES) {
      const view = viewOf(this.#rest);
      const length = view.getUint16(4);
      if (view.getUint16(2) !== 0) throw malformed("it is not Modbus");
      // a function and an exception's number at least
      if (length < 3 || length > MAX_LENGTH) throw malformed(`a message claims ${length} bytes`);
      const end = HEADER_BYTES + length;
      if (this.#rest.length < end) break;
      messages.push({
        transaction: view.getUint16(0),
        unit: view.getUint8(6),
        body: this.#rest.slice(HEADER_BYTES + 1, end),
      });
      this.#rest = this.#rest.slice(end);
    }
    return messages;
  }
}

/** The answer in a message, which must be one to `request`. Throws `NodeError` `malformed`. */
export function decodeAnswer({ unit, body }: ModbusMessage, request: RegisterRequest): RegisterAnswer {
  if (unit !== request.unit) throw malformed(`unit ${unit} answers for unit ${request.unit}`);
  const [code, size] = body;
  if (code === (READ_HOLDING_REGISTERS | EXCEPTION)) {
    if (body.length !== 2) throw malformed("an exception has another length");
    return { exception: size! };
  }
  if (code !== READ_HOLDING_REGISTERS) throw malformed(`it answers with function ${code}`);
  if (size !== 2 * request.count || body.length !== 2 + size) {
    throw malformed(`it answers ${body.length - 2} bytes and says ${size}, of ${2 * request.count}`);
  }
  const view = viewOf(body);
  return {
    registers: Uint16Array.from({ length: request.count }, (_, index) => view.getUint16(2 + 2 * index)),
  };
}

const malformed = (what: string): NodeError =>
  new NodeError("malformed", `Cannot read a Modbus device: ${what}, wanted an answer to the question`);
