/**
 * Meters on the network that the owner named: each a source that is asked in the background.
 *
 * Every meter is one channel, so that nothing counts twice. One that tells power and the energy of its life (Shelly,
 * Tasmota, Home Assistant with `?energy=`) is a counter made of both (`fused_energy.ts`); one that tells only power is a
 * gauge; one that tells only energy is a counter that moves when the meter does.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { type DeviceUrl, secretOf, userOf } from "../device_url.ts";
import type { EnergyChannel, EnergyReading, EnergySource, Finding } from "../types.ts";
import { FusedEnergy } from "./fused_energy.ts";
import { askHomeAssistant } from "./home_assistant.ts";
import { bearer, whenAsked } from "./http_auth.ts";
import { type HttpDevice, openTrustingClient, wrongAnswer } from "./http_json.ts";
import { type AskMeter, type MeterAnswer, toMicrojoules, toMicrowatts } from "./meter_answer.ts";
import { type MeterUrl, placeholderId, readMeterUrl } from "./meter_url.ts";
import { askShelly } from "./plug_shelly.ts";
import { askTasmota } from "./plug_tasmota.ts";
import { askPoe } from "./poe.ts";
import { openPolledChannel, type PolledChannel, type PolledOptions } from "./polled.ts";
import { askRedfish } from "./redfish.ts";

/** What the owner said of meters. */
export interface MeterOptions {
  /** `energy.meters`. */
  readonly meters: readonly string[];
  /** `energy.secrets`. */
  readonly secrets?: readonly string[] | undefined;
  /** `energy.ca_file`. */
  readonly caFile?: string | undefined;
  /** In place of `ubus call poe info`, for tests. */
  readonly poeCommand?: readonly string[];
}

/**
 * How a kind of meter is asked. Half width of the 95 % interval: plugs 2 %, controllers and ports 5 %. The step is that
 * of its counter, microjoules: a watt-minute or less, and a watt-hour.
 */
const KINDS = {
  shelly: { periodMs: 1_000, timeoutMs: 5_000, uncertainty: 0.02, step: 60e6 },
  tasmota: { periodMs: 1_000, timeoutMs: 5_000, uncertainty: 0.02, step: 3600e6 },
  homeassistant: { periodMs: 2_000, timeoutMs: 5_000, uncertainty: 0.05, step: undefined },
  redfish: { periodMs: 5_000, timeoutMs: 10_000, uncertainty: 0.05, step: undefined },
  poe: { periodMs: 5_000, timeoutMs: 2_000, uncertainty: 0.05, step: undefined },
} as const;
type Kind = keyof typeof KINDS;
/** A meter of energy alone moves in steps that take minutes: it is not called stale before some of them. */
const STEP_MS = 300_000;

/**
 * Opens all meters, without waiting for any: a source has no values until its meter has answered, and its channel's
 * `failure` says why. What cannot be asked at all is an `error` with what to do. Dispose the sources.
 */
export function findMeters(world: World, options: MeterOptions): Finding[] {
  return options.meters.map((text, index) => {
    let meter: MeterUrl | undefined;
    try {
      meter = readMeterUrl(text);
      return { state: "ok", source: openMeterSource(world, meter, options) };
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      const { id = placeholderId(text, index), scope = "wall" } = meter ?? {};
      return { state: "error", id, kind: "measured", scope, reason: messageOf(error) };
    }
  });
}

function openMeterSource(world: World, meter: MeterUrl, options: MeterOptions): EnergySource {
  const { id, scope, domain, url } = meter;
  const client = options.caFile === undefined || url.transport !== "https"
    ? undefined
    : openTrustingClient(options.caFile);
  const ask = askerOf(world, meter, { options, client });
  const polled = openPolledChannel(world, channelOf(world, meter, ask));
  const channel = isJustEnergy(url) ? inSteps(polled) : polled;
  return {
    id,
    kind: "measured",
    scope,
    domain,
    channels: [channel],
    async [Symbol.asyncDispose]() {
      await polled[Symbol.asyncDispose]();
      client?.close();
    },
  };
}

function askerOf(
  world: World,
  { id, url }: MeterUrl,
  { options, client }: { readonly options: MeterOptions; readonly client: Deno.HttpClient | undefined },
): AskMeter {
  const kind = url.kind as Kind;
  const secret = secretOf(options.secrets ?? [], url);
  const device: HttpDevice = { id, auth: undefined, client, timeoutMs: KINDS[kind].timeoutMs };
  const credentials = () => secret === undefined ? undefined : userOf(secret);
  const withUser = (): HttpDevice => {
    const user = credentials();
    return user === undefined ? device : { ...device, auth: whenAsked(world, user) };
  };
  switch (kind) {
    case "shelly":
      return askShelly(world, withUser(), url);
    case "tasmota":
      return askTasmota(world, device, { url, credentials: credentials() });
    case "homeassistant":
      return askHomeAssistant(
        world,
        secret === undefined ? device : { ...device, auth: bearer(secret) },
        url,
      );
    case "redfish":
      return askRedfish(world, withUser(), url);
    case "poe":
      return askPoe({
        id,
        port: url.path,
        ...(options.poeCommand === undefined ? {} : { command: options.poeCommand }),
      });
  }
}

/** Which of a meter's figures the channel is. */
function channelOf(world: World, { id, url }: MeterUrl, ask: AskMeter): PolledOptions {
  const { periodMs, timeoutMs, uncertainty, step } = KINDS[url.kind as Kind];
  const common = { id, minPeriodMs: periodMs, timeoutMs, relativeUncertainty: uncertainty };
  if (isJustEnergy(url)) return { ...common, type: "counter", read: justEnergy(id, ask) };
  if (url.kind === "shelly" || url.kind === "tasmota" || url.options.has("energy")) {
    return { ...common, type: "counter", read: fused(world, { id, ask, step }) };
  }
  return { ...common, type: "gauge", read: justPower(id, ask) };
}

const isJustEnergy = ({ path, options }: DeviceUrl): boolean => path === "" && options.has("energy");

/**
 * Shows a reading only when it is another one: a counter that stands still between two steps must not be taken for a
 * machine that takes nothing.
 */
function inSteps(polled: PolledChannel): EnergyChannel {
  let step: EnergyReading | undefined;
  return {
    id: polled.id,
    type: polled.type,
    relativeUncertainty: polled.relativeUncertainty,
    minPeriodMs: STEP_MS,
    get failure() {
      return polled.failure;
    },
    get trouble() {
      return polled.trouble;
    },
    read() {
      const newest = polled.read();
      if (newest !== undefined && newest.value !== step?.value) step = newest;
      return newest === undefined ? undefined : step;
    },
  };
}

const justPower = (id: string, ask: AskMeter) => async (signal: AbortSignal): Promise<bigint | undefined> => {
  const { watts } = await ask(signal);
  return watts === undefined ? undefined : toMicrowatts(id, watts);
};

const justEnergy = (id: string, ask: AskMeter) => async (signal: AbortSignal): Promise<bigint> =>
  energyOf(id, await ask(signal));

function fused(
  world: World,
  { id, ask, step }: { readonly id: string; readonly ask: AskMeter; readonly step: number | undefined },
): (signal: AbortSignal) => Promise<bigint> {
  const energy = new FusedEnergy(step);
  return async (signal) => {
    const startMs = world.clock.monotonic();
    const answer = await ask(signal);
    if (answer.watts === undefined) throw wrongAnswer(id, "it has no power", "watts", "no_value");
    return energy.add({
      atMs: (startMs + world.clock.monotonic()) / 2,
      microwatts: toMicrowatts(id, answer.watts),
      microjoules: energyOf(id, answer),
    });
  };
}

function energyOf(id: string, { wattHours }: MeterAnswer): bigint {
  if (wattHours === undefined) throw wrongAnswer(id, "it has no energy", "watt-hours", "no_value");
  return toMicrojoules(id, wattHours);
}
