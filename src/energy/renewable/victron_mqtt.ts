/**
 * Victron GX devices over MQTT: `N/<portal id>/system/0/…`, made to tell everything by `R/<portal id>/keepalive`
 * (victronenergy/dbus-flashmq). A value is `{"value": 936}`, null for what is not there, and an empty message says that
 * a device has gone. Not tried on a device.
 *
 * @module
 */
import * as v from "valibot";
import { decodeUtf8, encodeUtf8 } from "../../base/bytes.ts";
import type { World } from "../../base/world.ts";
import type { DeviceUrl } from "../device_url.ts";
import type { Credentials } from "../sources/http_auth.ts";
import { PollFailure } from "../sources/polled.ts";
import { type MqttClient, openMqtt } from "./mqtt_client.ts";
import { plausibleValues } from "./plausible.ts";
import type { SiteDevice, SiteValues } from "./types.ts";

const VALUE = v.object({ value: v.nullable(v.pipe(v.number(), v.finite())) });
/** Below `N/<portal id>/system/0/`: what belongs to which figure. */
const FIGURES = [
  ["pv", /^Dc\/Pv\/Power$|^Ac\/PvOn(?:Grid|Output|Genset)\/L[123]\/Power$/],
  ["load", /^Ac\/Consumption\/L[123]\/Power$/],
  ["grid", /^Ac\/Grid\/L[123]\/Power$/],
  ["battery", /^Dc\/Battery\/Power$/],
] as const;
/** What was not told for so long is not true any more. */
const MAX_AGE_MS = 60_000;
/** Longest wait for the device to have told everything; older ones do not say that they have. */
const TELL_MS = 3_000;

/** Values by topic, as they come. */
export class VictronValues {
  readonly #values = new Map<string, { readonly atMs: number; readonly watts: number }>();

  constructor(readonly portalId: string) {}

  /** Topics to listen to. */
  get topics(): readonly string[] {
    const system = `N/${this.portalId}/system/0`;
    return [
      `${system}/Dc/Pv/Power`,
      `${system}/Dc/Battery/Power`,
      ...["PvOnGrid", "PvOnOutput", "PvOnGenset", "Consumption", "Grid"].map((name) =>
        `${system}/Ac/${name}/+/Power`
      ),
      this.lastTopic,
    ];
  }

  /** Told when everything has been told. */
  get lastTopic(): string {
    return `N/${this.portalId}/full_publish_completed`;
  }

  /** Takes a message. One that is broken, empty or null takes the value away. */
  take(topic: string, payload: Uint8Array, atMs: number): void {
    const prefix = `N/${this.portalId}/system/0/`;
    const name = topic.startsWith(prefix) ? topic.slice(prefix.length) : "";
    if (!FIGURES.some(([, form]) => form.test(name))) return;
    const watts = readValue(payload);
    if (watts === undefined) this.#values.delete(name);
    else this.#values.set(name, { atMs, watts });
  }

  /** What the site says at `nowMs`; `undefined` where it has said nothing. */
  at(id: string, nowMs: number): SiteValues | undefined {
    const sums: Partial<Record<(typeof FIGURES)[number][0], number>> = {};
    for (const [name, { atMs, watts }] of this.#values) {
      const figure = FIGURES.find(([, form]) => form.test(name))![0];
      if (nowMs - atMs <= MAX_AGE_MS) sums[figure] = (sums[figure] ?? 0) + watts;
    }
    if (Object.keys(sums).length === 0) return undefined;
    return plausibleValues(id, {
      pvWatts: sums.pv,
      siteWatts: sums.load,
      gridWatts: sums.grid,
      // the device counts what goes in
      batteryWatts: sums.battery === undefined ? undefined : 0 - sums.battery,
    });
  }
}

function readValue(payload: Uint8Array): number | undefined {
  try {
    return v.parse(VALUE, JSON.parse(decodeUtf8(payload))).value ?? undefined;
  } catch {
    return undefined;
  }
}

/** A GX device that tells its values when asked to. */
export function openVictronMqtt(
  world: World,
  { id, url, credentials }: {
    readonly id: string;
    readonly url: DeviceUrl;
    readonly credentials: Credentials | undefined;
  },
): SiteDevice {
  const { clock } = world;
  const values = new VictronValues(url.path);
  let client: MqttClient | undefined;
  let told = Promise.withResolvers<void>();
  const onMessage = (topic: string, payload: Uint8Array) => {
    values.take(topic, payload, clock.monotonic());
    if (topic === values.lastTopic) told.resolve();
  };
  const close = async () => {
    await client?.[Symbol.asyncDispose]();
    client = undefined;
  };
  return {
    async ask(signal) {
      if (client?.broken !== undefined) await close();
      client ??= await openMqtt(world, { id, url, credentials, topics: values.topics, onMessage }, signal);
      told = Promise.withResolvers();
      await client.publish(`R/${url.path}/keepalive`, encodeUtf8(""));
      const late = new AbortController();
      await Promise.race([told.promise, clock.sleep(TELL_MS, late.signal).catch(() => {})]);
      late.abort(new DOMException("Told", "AbortError"));
      signal.throwIfAborted();
      const answer = values.at(id, clock.monotonic());
      if (answer !== undefined) return answer;
      throw new PollFailure(
        "no_value",
        `Cannot read ${id}: it tells no power, wanted its VRM portal id after the host`,
      );
    },
    [Symbol.asyncDispose]: close,
  };
}
