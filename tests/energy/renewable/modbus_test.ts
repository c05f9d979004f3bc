import { assertEquals, assertThrows } from "@std/assert";
import { fromHex, toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import { decodeAnswer, encodeRequest, ModbusReader } from "../../../src/energy/renewable/modbus.ts";
import { assertBounded } from "../../support/decoders.ts";

const REQUEST = { transaction: 0x1501, unit: 1, address: 0x6b, count: 3 };
/** Values of the example of function 3 in the Modbus Application Protocol 1.1b3: 022B 0000 0064. */
const ANSWER = fromHex("150100000009010306022b00000064");

Deno.test("A request and an answer are those of the protocol's own example", () => {
  assertEquals(toHex(encodeRequest(REQUEST)), "1501000000060103006b0003");
  const [message] = new ModbusReader().push(ANSWER);
  assertEquals(message!.transaction, 0x1501);
  assertEquals(decodeAnswer(message!, REQUEST), { registers: Uint16Array.of(0x22b, 0, 0x64) });
});

Deno.test("Answers may come in pieces, and several at once", () => {
  const reader = new ModbusReader();
  const twice = fromHex(toHex(ANSWER) + "15020000000301830b" + toHex(ANSWER));
  const messages = [...twice].flatMap((byte) => reader.push(Uint8Array.of(byte)));
  assertEquals(messages, new ModbusReader().push(twice));
  assertEquals(messages.map(({ transaction }) => transaction), [0x1501, 0x1502, 0x1501]);
  assertEquals(decodeAnswer(messages[1]!, REQUEST), { exception: 0x0b });
});

Deno.test("Other units, functions, lengths and protocols are refused", () => {
  const refused = (hex: string) =>
    assertThrows(() => {
      const [message] = new ModbusReader().push(fromHex(hex));
      return decodeAnswer(message!, REQUEST);
    }, NodeError).code;
  for (
    const hex of [
      "150100000009020306022b00000064", // unit 2
      "150100000009010406022b00000064", // function 4
      "150100000009010308022b00000064", // says 8 bytes
      "150100000007010304022b0000", // two registers
      "15010000000401838302", // an exception with more
      "150100010009010306022b00000064", // protocol 1
      "15010000ffff010306022b00000064", // 65535 bytes
      "150100000002010306022b00000064", // 2 bytes
    ]
  ) assertEquals(refused(hex), "malformed", hex);
});

Deno.test("Whatever arrives is messages, no message yet, or a NodeError, and what is kept stays small", () => {
  assertBounded((bytes) => {
    for (const message of new ModbusReader().push(bytes)) decodeAnswer(message, REQUEST);
  }, ANSWER);
  for (const range of [{ address: 0, count: 0 }, { address: 0, count: 126 }, { address: 0xffff, count: 2 }]) {
    assertThrows(() => encodeRequest({ transaction: 1, unit: 1, ...range }), RangeError);
  }
});
