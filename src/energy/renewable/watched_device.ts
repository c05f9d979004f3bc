/**
 * One inverter or site meter, asked in the background.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import type { SourceType } from "../certificates/types.ts";
import { secretOf, userOf } from "../device_url.ts";
import { bearer } from "../sources/http_auth.ts";
import { type HttpDevice, openTrustingClient } from "../sources/http_json.ts";
import { openPolledChannel } from "../sources/polled.ts";
import { askEnphase } from "./enphase.ts";
import { askFronius } from "./fronius.ts";
import { askSiteEntity } from "./home_assistant.ts";
import { ProductionHours } from "./production_hours.ts";
import { readRenewableUrl, type RenewableUrl } from "./renewable_url.ts";
import { openSunspec } from "./sunspec_device.ts";
import type { SiteDevice, SiteFailure, SiteRole, SiteValues } from "./types.ts";
import { openVictron } from "./victron.ts";
import { openVictronMqtt } from "./victron_mqtt.ts";

/** What the owner said of own generation. */
export interface DeviceOptions {
  /** `energy.secrets`. */
  readonly secrets?: readonly string[] | undefined;
  /** `energy.ca_file`. */
  readonly caFile?: string | undefined;
}

/** One device as it stands. */
export interface WatchedDevice extends AsyncDisposable {
  readonly id: string;
  /** Plain word for its production. */
  readonly name: string;
  readonly source: SourceType;
  /** What it told last, while that is not old. */
  readonly newest: { readonly atMs: number; readonly values: SiteValues } | undefined;
  /** Whether it tells what the site uses or takes from the grid; while it has told nothing, whether it may. */
  readonly isSiteMeter: boolean;
  readonly failure: SiteFailure | undefined;
  readonly hours: ProductionHours;
}

/** Between two questions. A GX device tells everything it has each time. */
const PERIOD_MS = 5_000;
const MQTT_PERIOD_MS = 15_000;
const TIMEOUT_MS = 10_000;

/** Begins to ask the device that `text` names. Throws `NodeError` `usage`. */
export function openWatchedDevice(
  world: World,
  { text, index, options, onAnswer }: {
    readonly text: string;
    readonly index: number;
    readonly options: DeviceOptions;
    readonly onAnswer: () => void;
  },
): WatchedDevice {
  const address = readRenewableUrl(text);
  return new Watched(world, { address, index, device: openDevice(world, address, options), onAnswer });
}

interface WatchedParts {
  readonly address: RenewableUrl;
  readonly index: number;
  readonly device: SiteDevice;
  readonly onAnswer: () => void;
}

class Watched implements WatchedDevice {
  readonly id: string;
  readonly name: string;
  readonly source: SourceType;
  readonly hours = new ProductionHours();
  isSiteMeter: boolean;
  #values: SiteValues | undefined;
  readonly #role: SiteRole;
  readonly #device: SiteDevice;
  readonly #channel;

  constructor(world: World, { address, index, device, onAnswer }: WatchedParts) {
    const { id, url, role, source } = address;
    this.id = id;
    this.name = url.options.get("name") ?? `${url.kind}-${index + 1}`;
    this.source = source;
    this.isSiteMeter = role !== "inverter" && role !== "battery";
    this.#role = role;
    this.#device = device;
    this.#channel = openPolledChannel(world, {
      id,
      type: "gauge",
      minPeriodMs: url.transport === "mqtt" ? MQTT_PERIOD_MS : PERIOD_MS,
      timeoutMs: TIMEOUT_MS,
      relativeUncertainty: 0,
      read: async (signal) => {
        this.#take(world, ofRole(await device.ask(signal), role));
        onAnswer();
        return 0n;
      },
    });
  }

  get newest(): WatchedDevice["newest"] {
    const atMs = this.#channel.read()?.atMs;
    return atMs === undefined || this.#values === undefined ? undefined : { atMs, values: this.#values };
  }

  get failure(): SiteFailure | undefined {
    if (this.newest !== undefined) return undefined;
    const { id } = this;
    return {
      id,
      word: this.#channel.failure ?? "stale",
      reason: this.#channel.trouble ?? `Cannot read ${id}: no answer yet, wanted one`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
    await this.#device[Symbol.asyncDispose]();
  }

  #take({ clock }: World, values: SiteValues): void {
    const isMeter = values.siteWatts !== undefined || values.gridWatts !== undefined;
    // once it was one it stays one: what it measured is not replaced by an assumption when it falls silent
    if (this.#values === undefined) {
      this.isSiteMeter = isMeter || this.#role === "grid" || this.#role === "load";
    } else this.isSiteMeter ||= isMeter;
    this.#values = values;
    const { producedWattHours } = values;
    if (producedWattHours !== undefined) {
      this.hours.add(clock.now(), BigInt(Math.floor(producedWattHours * 1000)));
    }
  }
}

/** What is taken of a device. */
function ofRole(values: SiteValues, role: SiteRole): SiteValues {
  const { pvWatts, producedWattHours, gridWatts, siteWatts, batteryWatts } = values;
  switch (role) {
    case "all":
      return values;
    case "inverter":
      return {
        ...(pvWatts === undefined ? {} : { pvWatts }),
        ...(producedWattHours === undefined ? {} : { producedWattHours }),
      };
    case "grid":
      return gridWatts === undefined ? {} : { gridWatts };
    case "load":
      return siteWatts === undefined ? {} : { siteWatts };
    case "battery":
      return batteryWatts === undefined ? {} : { batteryWatts };
  }
}

function openDevice(
  world: World,
  address: RenewableUrl,
  { secrets = [], caFile }: DeviceOptions,
): SiteDevice {
  const { id, url, role } = address;
  const secret = secretOf(secrets, url);
  if (url.kind === "sunspec") return openSunspec({ id, url, role });
  if (url.kind === "victron") {
    if (url.transport === "tcp") return openVictron(id, url);
    return openVictronMqtt(world, {
      id,
      url,
      credentials: secret === undefined ? undefined : userOf(secret),
    });
  }
  const client = caFile === undefined || url.transport !== "https" ? undefined : openTrustingClient(caFile);
  const auth = secret === undefined ? undefined : bearer(secret);
  return {
    ask: askerOf(world, address, { id, auth, client, timeoutMs: TIMEOUT_MS }),
    [Symbol.asyncDispose]: () => Promise.resolve(client?.close()),
  };
}

function askerOf(world: World, { url, role }: RenewableUrl, device: HttpDevice): SiteDevice["ask"] {
  switch (url.kind) {
    case "fronius":
      return askFronius(world, { ...device, auth: undefined }, url);
    case "enphase":
      return askEnphase(world, device, url);
    default:
      return askSiteEntity(world, device, { url, role });
  }
}

/** Why a text of `energy.renewables` names no device. */
export function unusable(error: unknown, index: number): SiteFailure {
  if (!(error instanceof NodeError)) throw error;
  return { id: `renewable:${index}`, word: error.code, reason: messageOf(error) };
}
