/**
 * MQTT 3.1.1 as far as listening to a few topics needs it: quality of service 0, no retained state (OASIS MQTT 3.1.1).
 * Bytes in, bytes out; `mqtt_client.ts` owns the stream.
 *
 * @module
 */
import { type Bytes, concatBytes, decodeUtf8, encodeUtf8, viewOf } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";

// what the protocol fixes
const TYPES = { connect: 1, connack: 2, publish: 3, subscribe: 8, suback: 9, disconnect: 14 } as const;
const PROTOCOL_LEVEL = 4;
const CLEAN_SESSION = 0x02, HAS_PASSWORD = 0x40, HAS_USER = 0x80;
/** Bytes of a length. */
const MAX_LENGTH_BYTES = 4;
/** A subscription that the server refuses. */
const REFUSED = 0x80;
// what we chose
/** Longest packet that is taken: values are some tens of bytes. */
const MAX_PACKET_BYTES = 64 << 10;

/** Who connects. */
export interface MqttConnect {
  readonly clientId: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** The server may end a connection on which nothing was sent for one and a half times this. */
  readonly keepAliveSeconds: number;
}

/** A packet of a server that means something here. */
export type MqttPacket =
  | { readonly type: "connack"; readonly code: number }
  | { readonly type: "suback"; readonly refused: boolean }
  | { readonly type: "publish"; readonly topic: string; readonly payload: Bytes }
  | { readonly type: "other" };

const text = (value: string): Bytes => {
  const bytes = encodeUtf8(value);
  if (bytes.length > 0xffff) throw new RangeError("A text of MQTT has at most 65535 bytes");
  return concatBytes([bytes.length >> 8, bytes.length & 0xff], bytes);
};

function packet(type: number, flags: number, body: Uint8Array): Bytes {
  const length: number[] = [];
  let rest = body.length;
  do {
    const more = rest > 0x7f;
    length.push(rest & 0x7f | (more ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return concatBytes([type << 4 | flags, ...length], body);
}

/** CONNECT, with a session that is forgotten at its end. */
export function encodeConnect({ clientId, user, password, keepAliveSeconds }: MqttConnect): Bytes {
  const flags = CLEAN_SESSION | (user === undefined ? 0 : HAS_USER) |
    (password === undefined ? 0 : HAS_PASSWORD);
  return packet(
    TYPES.connect,
    0,
    concatBytes(
      text("MQTT"),
      [PROTOCOL_LEVEL, flags, keepAliveSeconds >> 8, keepAliveSeconds & 0xff],
      text(clientId),
      ...[user, password].filter((value) => value !== undefined).map(text),
    ),
  );
}

/** SUBSCRIBE, everything at most once. */
export const encodeSubscribe = (packetId: number, topics: readonly string[]): Bytes =>
  packet(
    TYPES.subscribe,
    0x02,
    concatBytes([packetId >> 8, packetId & 0xff], ...topics.flatMap((topic) => [text(topic), [0]])),
  );

/** PUBLISH, at most once. */
export const encodePublish = (topic: string, payload: Uint8Array): Bytes =>
  packet(TYPES.publish, 0, concatBytes(text(topic), payload));

/** DISCONNECT. */
export const encodeDisconnect = (): Bytes => packet(TYPES.disconnect, 0, new Uint8Array(0));

/** Cuts a stream into packets. Holds at most one that is not complete. */
export class MqttReader {
  #rest: Bytes = new Uint8Array(0);

  /** Takes what arrived; the packets that are complete. Throws `NodeError` `malformed`, and then is of no more use. */
  push(bytes: Uint8Array): MqttPacket[] {
    const packets: MqttPacket[] = [];
    this.#rest = concatBytes(this.#rest, bytes);
    for (let head = readHead(this.#rest); head !== undefined; head = readHead(this.#rest)) {
      const end = head.start + head.length;
      if (this.#rest.length < end) break;
      packets.push(decodePacket(this.#rest[0]!, this.#rest.slice(head.start, end)));
      this.#rest = this.#rest.slice(end);
    }
    return packets;
  }
}

function readHead(bytes: Uint8Array): { readonly start: number; readonly length: number } | undefined {
  let length = 0;
  for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
    const byte = bytes[1 + index];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << 7 * index;
    if (byte & 0x80) continue;
    if (length > MAX_PACKET_BYTES) throw malformed(`a packet claims ${length} bytes`);
    return { start: 2 + index, length };
  }
  throw malformed("a length does not end");
}

function decodePacket(first: number, body: Bytes): MqttPacket {
  switch (first >> 4) {
    case TYPES.connack:
      if (body.length !== 2) throw malformed("a CONNACK has another length");
      return { type: "connack", code: body[1]! };
    case TYPES.suback:
      if (body.length < 3) throw malformed("a SUBACK is too short");
      return { type: "suback", refused: body.subarray(2).some((code) => code === REFUSED) };
    case TYPES.publish:
      return decodePublish(first, body);
    default:
      return { type: "other" };
  }
}

function decodePublish(first: number, body: Bytes): MqttPacket {
  // nothing else was subscribed to, so no packet number stands before the payload
  if ((first & 0x06) !== 0) throw malformed("a message wants an answer");
  const length = body.length < 2 ? 0 : viewOf(body).getUint16(0);
  if (length === 0 || body.length < 2 + length) throw malformed("a message has no topic");
  return {
    type: "publish",
    topic: decodeUtf8(body.subarray(2, 2 + length)),
    payload: body.slice(2 + length),
  };
}

const malformed = (what: string): NodeError =>
  new NodeError("malformed", `Cannot read an MQTT server: ${what}, wanted MQTT 3.1.1`);
