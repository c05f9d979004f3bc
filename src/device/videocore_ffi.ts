/**
 * The firmware of Raspberry Pis, by its mailbox: what `vcgencmd` does, without a process for each question.
 *
 * The property call of `/dev/vcio`: an ioctl with a buffer of 32-bit words, answered in place (the words of a message, 0,
 * then tag, size of its values, 0, values; a 0 ends it). Tag 0x00030080 takes a command as text and gives its answer as
 * text from the second value on. Written after public readers of it; it was not tried on a board.
 *
 * @module
 */
import { encodeUtf8 } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";

const PATH = "/dev/vcio";
/** `_IOWR(100, 0, char *)`: on 64 bits. */
const REQUEST = 0xc0086400n;
const TAG = 0x00030080;
/** Bytes of the tag's values: a result code and text. */
const VALUE_BYTES = 1024;
const TEXT_AT = 24;
const MESSAGE_BYTES = 28 + VALUE_BYTES;
const O_RDWR = 2;

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32", nonblocking: true },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** An open mailbox. */
export interface Videocore extends Disposable {
  /** Answer of the firmware to a command such as `pmic_read_adc`. Throws `NodeError` `remote`. */
  ask(command: string): Promise<string>;
}

/**
 * The message that asks `command`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const words = new Uint32Array(encodeCommand("pmic_read_adc").buffer);
 * assertEquals([...words.subarray(0, 5)], [1052, 0, 0x00030080, 1024, 0]);
 * assertEquals(words.length, 263);
 * ```
 */
export function encodeCommand(command: string): Uint8Array<ArrayBuffer> {
  const text = encodeUtf8(command);
  if (text.length >= VALUE_BYTES - 4) {
    throw new RangeError("Cannot ask the firmware: the command is too long");
  }
  const message = new Uint8Array(MESSAGE_BYTES);
  const view = new DataView(message.buffer);
  view.setUint32(0, MESSAGE_BYTES, true);
  view.setUint32(8, TAG, true);
  view.setUint32(12, VALUE_BYTES, true);
  message.set(text, TEXT_AT);
  return message;
}

/** The text of an answered message. Throws `NodeError` `remote` where the firmware says that it failed. */
export function decodeAnswer(message: Uint8Array<ArrayBuffer>): string {
  const view = new DataView(message.buffer);
  const error = view.getInt32(20, true);
  if (error !== 0) {
    throw new NodeError("remote", `Cannot ask the firmware: it answers error ${error}, wanted 0`);
  }
  const end = message.indexOf(0, TEXT_AT);
  return new TextDecoder().decode(message.subarray(TEXT_AT, end === -1 ? message.length : end));
}

/** Opens the mailbox. Throws `NodeError` `not_found` where there is none, `denied` where it may not be opened. */
export function openVideocore(): Videocore {
  const state = deviceState();
  if (state !== "readable") throw absent(state);
  const libc = Deno.dlopen("libc.so.6", SYMBOLS);
  const file = libc.symbols.open(encodeUtf8(`${PATH}\0`), O_RDWR);
  if (file < 0) {
    libc.close();
    throw absent("denied");
  }
  return {
    async ask(command) {
      const message = encodeCommand(command);
      if (await libc.symbols.ioctl(file, REQUEST, message) < 0) {
        throw new NodeError("remote", `Cannot ask the firmware: ${PATH} refuses the call`);
      }
      return decodeAnswer(message);
    },
    [Symbol.dispose]() {
      libc.symbols.close(file);
      libc.close();
    },
  };
}

function deviceState(): "readable" | "absent" | "denied" {
  try {
    Deno.openSync(PATH, { read: true, write: true }).close();
    return "readable";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "absent" : "denied";
  }
}

const absent = (state: "absent" | "denied") =>
  state === "absent"
    ? new NodeError("not_found", `Cannot ask the firmware: there is no ${PATH}`)
    : new NodeError(
      "denied",
      `Cannot ask the firmware: ${PATH} may not be opened, wanted a member of group video`,
    );
