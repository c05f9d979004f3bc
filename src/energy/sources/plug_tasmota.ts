/**
 * Plugs with Tasmota: `GET /cm?cmnd=Status 8` (tasmota.github.io/docs: Commands, JSON-Status-Responses).
 *
 * The answer holds `StatusSNS.ENERGY` with `Power` in watts and `Total` in kilowatt-hours, of three decimals unless
 * `EnergyRes` says otherwise; with several channels both are lists. Newer firmware names `Status 10` for the same.
 * User and password go in the address, as the firmware wants it: anybody on the way can read them.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../base/world.ts";
import { type DeviceUrl, httpUrlOf } from "../device_url.ts";
import type { Credentials } from "./http_auth.ts";
import { askJson, type HttpDevice, wrongAnswer } from "./http_json.ts";
import type { AskMeter, MeterAnswer } from "./meter_answer.ts";

const number = v.pipe(v.number(), v.finite());
const perChannel = v.nullish(v.union([number, v.pipe(v.array(number), v.maxLength(16))]));

/** The answer to `Status 8` and `Status 10`. */
export const TASMOTA_STATUS = v.object({
  StatusSNS: v.nullish(v.object({ ENERGY: v.nullish(v.object({ Power: perChannel, Total: perChannel })) })),
  WARNING: v.nullish(v.string()),
});

/** What comes after the host: the channel, from 1; or nothing where there is one. */
export const TASMOTA_PATH = /^(?:[1-9]|1[0-6])?$/;

/** Asks a Tasmota device. */
export function askTasmota(
  world: World,
  device: HttpDevice,
  { url, credentials }: { readonly url: DeviceUrl; readonly credentials: Credentials | undefined },
): AskMeter {
  const channel = url.path === "" ? undefined : Number(url.path);
  let command = "Status 8";
  const ask = (signal: AbortSignal) =>
    askJson(world, device, commandUrl(url, command, credentials), TASMOTA_STATUS, signal);
  return async (signal) => {
    let answer = await ask(signal);
    if (!answer.StatusSNS && typeof answer.WARNING !== "string") {
      command = command === "Status 8" ? "Status 10" : "Status 8";
      answer = await ask(signal);
    }
    return decodeTasmota(device.id, answer, channel);
  };
}

function commandUrl(url: DeviceUrl, command: string, credentials: Credentials | undefined): URL {
  const login = credentials === undefined
    ? ""
    : `user=${encodeURIComponent(credentials.user)}&password=${encodeURIComponent(credentials.password)}&`;
  return httpUrlOf(url, `/cm?${login}cmnd=${encodeURIComponent(command)}`);
}

/** Power and energy of `channel`, from 1, or of the only one. Throws `NodeError` `malformed`. */
export function decodeTasmota(
  id: string,
  { StatusSNS, WARNING }: v.InferOutput<typeof TASMOTA_STATUS>,
  channel?: number,
): MeterAnswer {
  // older firmware asks for the password in an answer of 200
  if (typeof WARNING === "string") {
    throw wrongAnswer(id, "it wants a user and a password", "them in energy.secrets", "denied");
  }
  const energy = StatusSNS?.ENERGY;
  if (!energy) throw wrongAnswer(id, "it has no meter", "a plug that measures", "unmetered");
  const watts = ofChannel(id, energy.Power, channel), kilowattHours = ofChannel(id, energy.Total, channel);
  if (watts === undefined || kilowattHours === undefined) {
    throw wrongAnswer(id, "it has no power or no total", "both", "no_value");
  }
  return { watts, wattHours: kilowattHours * 1000 };
}

function ofChannel(
  id: string,
  values: v.InferOutput<typeof perChannel>,
  channel: number | undefined,
): number | undefined {
  if (!Array.isArray(values)) return channel === undefined || channel === 1 ? values ?? undefined : undefined;
  if (channel === undefined && values.length > 1) {
    throw wrongAnswer(id, `it has ${values.length} channels`, "the number of one after the host", "several");
  }
  return values[(channel ?? 1) - 1];
}
