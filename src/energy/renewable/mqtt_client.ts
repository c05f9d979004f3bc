/**
 * One MQTT connection that listens to a few topics. The library of the field (mqtt 5.16) brings fifteen packages along for
 * what is two small files here.
 *
 * @module
 */
import { toHex } from "../../base/bytes.ts";
import { orAbort } from "../../base/deadline.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import type { DeviceUrl } from "../device_url.ts";
import type { Credentials } from "../sources/http_auth.ts";
import { PollFailure } from "../sources/polled.ts";
import { connectTcp } from "./modbus_client.ts";
import {
  encodeConnect,
  encodeDisconnect,
  encodePublish,
  encodeSubscribe,
  type MqttPacket,
  MqttReader,
} from "./mqtt.ts";

/** What is listened to. */
export interface MqttOptions {
  readonly id: string;
  readonly url: DeviceUrl;
  readonly credentials: Credentials | undefined;
  readonly topics: readonly string[];
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
}

/** A connection that listens until it is closed or breaks. */
export interface MqttClient extends AsyncDisposable {
  /** Why it broke; `undefined` while it works. */
  readonly broken: Error | undefined;
  /** Sends a message. Throws `NodeError` where the connection is broken. */
  publish(topic: string, payload: Uint8Array): Promise<void>;
}

const PORT = 1883;
const KEEP_ALIVE_SECONDS = 60;
const SUBSCRIBE_ID = 1;

/** Connects and subscribes. Throws a `PollFailure` `unreachable` or `denied`, `NodeError` `malformed`, or as `signal` does. */
export async function openMqtt(world: World, options: MqttOptions, signal: AbortSignal): Promise<MqttClient> {
  const { id, url, credentials, topics } = options;
  await using opened = new AsyncDisposableStack();
  const connection = await connectTcp(id, url, PORT, signal);
  const client = opened.use(new Client(connection, options));
  await client.ask(
    encodeConnect({
      clientId: `kwaainet-${toHex(world.random(6))}`,
      ...credentials,
      keepAliveSeconds: KEEP_ALIVE_SECONDS,
    }),
    "connack",
    signal,
  );
  await client.ask(encodeSubscribe(SUBSCRIBE_ID, topics), "suback", signal);
  opened.move();
  return client;
}

class Client implements MqttClient {
  broken: Error | undefined;
  readonly #reader = new MqttReader();
  readonly #listening: Promise<void>;
  #answer: PromiseWithResolvers<MqttPacket> | undefined;
  #closed = false;

  constructor(readonly connection: Deno.TcpConn, readonly options: MqttOptions) {
    this.#listening = this.#listen();
  }

  /** Sends what has an answer, and checks it. */
  async ask(bytes: Uint8Array, type: "connack" | "suback", signal: AbortSignal): Promise<void> {
    const { id } = this.options;
    this.#answer = Promise.withResolvers();
    // it may break before anybody waits
    this.#answer.promise.catch(() => {});
    await this.#send(bytes);
    const answer = await orAbort(this.#answer.promise, signal);
    this.#answer = undefined;
    if (answer.type !== type) {
      throw new PollFailure("malformed", `Cannot use ${id}: it answers another question`);
    }
    const refused = answer.type === "connack" ? answer.code !== 0 : answer.refused;
    if (refused) {
      throw new PollFailure(
        "denied",
        `Cannot use ${id}: it refuses, wanted a user and password that it takes (energy.secrets)`,
      );
    }
  }

  publish(topic: string, payload: Uint8Array): Promise<void> {
    return this.#send(encodePublish(topic, payload));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.broken === undefined) await this.connection.write(encodeDisconnect()).catch(() => {});
    this.connection.close();
    await this.#listening;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (this.broken !== undefined) throw this.broken;
    try {
      for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
    } catch (error) {
      throw this.#break(error);
    }
  }

  async #listen(): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      for (
        let size = await this.connection.read(buffer);
        size !== null;
        size = await this.connection.read(buffer)
      ) {
        for (const packet of this.#reader.push(buffer.subarray(0, size))) this.#take(packet);
      }
      throw new Error("it hung up");
    } catch (error) {
      this.#break(error);
    }
  }

  #take(packet: MqttPacket): void {
    if (packet.type === "publish") this.options.onMessage(packet.topic, packet.payload);
    else if (packet.type !== "other") this.#answer?.resolve(packet);
  }

  #break(error: unknown): Error {
    const { id } = this.options;
    this.broken ??= error instanceof NodeError
      ? error
      : new PollFailure("unreachable", `Cannot use ${id}: ${messageOf(error)}, wanted an answer`);
    this.#answer?.reject(this.broken);
    return this.broken;
  }
}
