/**
 * Entities of Home Assistant: `GET /api/states/<entity_id>` with a long-lived token
 * (developers.home-assistant.io/docs/api/rest).
 *
 * `state` is a text, `unavailable` or `unknown` where there is none; `attributes.unit_of_measurement` says what it is
 * in. `last_updated` moves when the value does, `last_reported` (since 2024.4) whenever it was told.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../base/world.ts";
import { type DeviceUrl, httpUrlOf } from "../device_url.ts";
import { askJson, type HttpDevice, wrongAnswer } from "./http_json.ts";
import type { AskMeter } from "./meter_answer.ts";

/** One entity as the API tells it. */
export const STATE = v.object({
  state: v.string(),
  attributes: v.object({
    unit_of_measurement: v.nullish(v.string()),
    state_class: v.nullish(v.string()),
  }),
  last_updated: v.nullish(v.string()),
  last_reported: v.nullish(v.string()),
});

/** The name of an entity that shows a number. */
export const ENTITY = /^(?:sensor|input_number|number)\.[a-z0-9_]{1,200}$/;

/** What an entity shows. */
export type EntityValue =
  | { readonly quantity: "power"; readonly watts: number }
  | { readonly quantity: "energy"; readonly wattHours: number };

/** How old what an entity shows may be: some tell it only when it changes. */
const MAX_AGE_MS = 600_000;
/** A clock over there may be this much ahead. */
const MAX_AHEAD_MS = 600_000;

const WATTS: Readonly<Record<string, number>> = { "mW": 1e-3, "W": 1, "kW": 1e3, "MW": 1e6, "GW": 1e9 };
const WATT_HOURS: Readonly<Record<string, number>> = {
  "mWh": 1e-3,
  "Wh": 1,
  "kWh": 1e3,
  "MWh": 1e6,
  "GWh": 1e9,
  "J": 1 / 3600,
  "kJ": 1 / 3.6,
  "MJ": 1000 / 3.6,
  "GJ": 1e6 / 3.6,
};

/** Asks for one entity. `nowMs` for its age is the wall clock. */
export async function askEntity(
  world: World,
  device: HttpDevice,
  { url, entity }: { readonly url: DeviceUrl; readonly entity: string },
  signal: AbortSignal,
): Promise<EntityValue> {
  const answer = await askJson(world, device, httpUrlOf(url, `/api/states/${entity}`), STATE, signal);
  const seconds = url.options.get("max_age");
  return decodeState(device.id, answer, {
    nowMs: world.clock.now(),
    maxAgeMs: seconds === undefined ? MAX_AGE_MS : Number(seconds) * 1000,
  });
}

/** What an entity shows. Throws `NodeError` `malformed` for no value, an old one, or a unit that is none of power or energy. */
export function decodeState(
  id: string,
  { state, attributes, last_updated, last_reported }: v.InferOutput<typeof STATE>,
  { nowMs, maxAgeMs }: { readonly nowMs: number; readonly maxAgeMs: number },
): EntityValue {
  if (!/^-?\d{1,15}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?$/.test(state)) {
    throw wrongAnswer(id, "it shows no number", "a number", "unavailable");
  }
  const toldMs = Date.parse(last_reported ?? last_updated ?? "");
  if (toldMs < nowMs - maxAgeMs || toldMs > nowMs + MAX_AHEAD_MS) {
    throw wrongAnswer(id, "what it shows is of another time", `at most ${maxAgeMs / 1000} s old`, "stale");
  }
  const unit = attributes.unit_of_measurement ?? "";
  if (Object.hasOwn(WATTS, unit)) return { quantity: "power", watts: Number(state) * WATTS[unit]! };
  if (!Object.hasOwn(WATT_HOURS, unit)) {
    throw wrongAnswer(id, "its unit is none of power or energy", "W, kW, Wh, kWh, MJ, …", "wrong_unit");
  }
  if (attributes.state_class?.startsWith("total") === false) {
    throw wrongAnswer(id, "its energy is no running total", "state_class total_increasing", "wrong_unit");
  }
  return { quantity: "energy", wattHours: Number(state) * WATT_HOURS[unit]! };
}

/** Asks for the entity of power in the path, that of energy in the option `energy`, or both. */
export function askHomeAssistant(world: World, device: HttpDevice, url: DeviceUrl): AskMeter {
  const power = url.path === "" ? undefined : url.path, energy = url.options.get("energy");
  const wanted = (quantity: string, wants: string) =>
    wrongAnswer(device.id, `the entity shows ${quantity}`, wants, "wrong_unit");
  return async (signal) => {
    const [first, second] = await Promise.all(
      [power, energy].map((entity) =>
        entity === undefined ? undefined : askEntity(world, device, { url, entity }, signal)
      ),
    );
    if (first?.quantity === "energy") throw wanted("energy", "one of power, or ?energy= before it");
    if (second?.quantity === "power") throw wanted("power", "one of energy after ?energy=");
    return {
      ...(first === undefined ? {} : { watts: first.watts }),
      ...(second === undefined ? {} : { wattHours: second.wattHours }),
    };
  };
}
