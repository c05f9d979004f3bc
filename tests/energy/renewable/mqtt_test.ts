import { assertEquals, assertThrows } from "@std/assert";
import { decodeUtf8, encodeUtf8, fromHex, toHex } from "../../../src/base/bytes.ts";
import { NodeError } from "../../../src/base/errors.ts";
import {
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  MqttReader,
} from "../../../src/energy/renewable/mqtt.ts";
import { assertBounded } from "../../support/decoders.ts";

/** CONNACK 0, SUBACK of two, PINGRESP, and `{"value": 936}` on a topic. */
const STREAM = fromHex(
  "20020000" + "9004000100" + "00" + "d000" + "3020" + "0010" + toHex(encodeUtf8("N/c0/system/0/Dc")) +
    toHex(encodeUtf8('{"value": 936}')),
);

Deno.test("Packets are those of MQTT 3.1.1", () => {
  const connect = encodeConnect({ clientId: "id", user: "u", password: "pw", keepAliveSeconds: 60 });
  assertEquals(toHex(connect), "1015" + "00044d5154540" + "4c2003c" + "00026964" + "000175" + "00027077");
  assertEquals(
    toHex(encodeConnect({ clientId: "id", keepAliveSeconds: 60 })),
    "100e00044d5154540402003c00026964",
  );
  assertEquals(toHex(encodeSubscribe(1, ["a/b", "c"])), "820c" + "0001" + "0003612f6200" + "00016300");
  assertEquals(
    toHex(encodePublish("R/c0/keepalive", new Uint8Array(0))),
    "3010000e522f63302f6b656570616c697665",
  );
  // a length of two bytes
  assertEquals(toHex(encodePublish("t", new Uint8Array(200)).slice(0, 6)), "30cb01000174");
});

Deno.test("A stream is cut into packets, in whatever pieces it comes", () => {
  const whole = new MqttReader().push(STREAM);
  assertEquals(whole.map(({ type }) => type), ["connack", "suback", "other", "publish"]);
  const message = whole[3]!;
  assertEquals(message.type === "publish" && [message.topic, decodeUtf8(message.payload)], [
    "N/c0/system/0/Dc",
    '{"value": 936}',
  ]);
  const reader = new MqttReader();
  assertEquals([...STREAM].flatMap((byte) => reader.push(Uint8Array.of(byte))), whole);
});

Deno.test("Refusals are seen, and what is not MQTT or too long is refused", () => {
  assertEquals(new MqttReader().push(fromHex("20020005")), [{ type: "connack", code: 5 }]);
  assertEquals(new MqttReader().push(fromHex("900400010080")), [{ type: "suback", refused: true }]);
  for (
    const hex of ["30ffffffff01", "30ffffff7f", "3081800400", "2001", "300400100041", "3206000141000100"]
  ) {
    const act = () => {
      const packets = new MqttReader().push(fromHex(hex));
      if (packets.length === 0) throw new NodeError("malformed", "not complete");
    };
    assertEquals(assertThrows(act, NodeError).code, "malformed", hex);
  }
  assertBounded((bytes) => new MqttReader().push(bytes), STREAM);
});
