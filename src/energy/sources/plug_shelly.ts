/**
 * Plugs, relays and meters of Shelly.
 *
 * Second generation and later (shelly-api-docs.shelly.cloud, gen2: Switch, PM1, EM1, EM1Data, EM, EMData): `apower` or
 * `act_power` in watts; totals in watt-hours with fractions, refreshed about once a second. What a switch gives back is
 * also in its `aenergy` and is taken off. First generation (`GET /status`): `meters[].total` counts watt-minutes,
 * `emeters[].total` watt-hours. A relay without a meter has no power field, or in the first generation a constant power
 * of 0 without a total or with `is_valid` false: that is no data.
 *
 * @module
 */
import * as v from "valibot";
import type { World } from "../../base/world.ts";
import { type DeviceUrl, httpUrlOf } from "../device_url.ts";
import { askJson, type HttpDevice, reasonOf, wrongAnswer } from "./http_json.ts";
import type { AskMeter, MeterAnswer } from "./meter_answer.ts";

const number = v.pipe(v.number(), v.finite());
const maybe = v.nullish(number);
const total = v.nullish(v.object({ total: maybe }));
const errors = v.nullish(v.array(v.string()));

const SWITCH = v.object({ apower: maybe, aenergy: total, ret_aenergy: total, errors });
const EM1 = v.object({ act_power: maybe, errors });
const EM1_DATA = v.object({ total_act_energy: maybe });
const EM = v.object({ total_act_power: maybe, errors });
const EM_DATA = v.object({ total_act: maybe });
const METER = v.object({ power: maybe, total: maybe, is_valid: v.nullish(v.boolean()) });
const STATUS = v.object({
  meters: v.nullish(v.pipe(v.array(METER), v.maxLength(16))),
  emeters: v.nullish(v.pipe(v.array(METER), v.maxLength(16))),
});
const MINUTES = 60;

/** `undefined` for a relay without a meter. Takes the answers of {@linkcode SHELLY_PARTS}' paths, in their order. */
type Decode = (answers: readonly unknown[], index: number) => MeterAnswer | undefined;

interface Part {
  /** What is asked for the part of that number. */
  readonly paths: (index: number) => readonly string[];
  readonly schemas: readonly v.GenericSchema[];
  readonly decode: Decode;
}

const answerOf = (watts: number | null | undefined, wattHours: number | null | undefined) =>
  typeof watts === "number" && typeof wattHours === "number" ? { watts, wattHours } : undefined;

const rpc = (...names: readonly string[]) => (index: number) =>
  names.map((name) => `/rpc/${name}.GetStatus?id=${index}`);

const switchLike = (name: string): Part => ({
  paths: rpc(name),
  schemas: [SWITCH],
  decode([answer]) {
    const { apower, aenergy, ret_aenergy } = answer as v.InferOutput<typeof SWITCH>;
    const all = aenergy?.total, back = ret_aenergy?.total ?? 0;
    return answerOf(apower, typeof all === "number" ? Math.max(0, all - back) : undefined);
  },
});

const firstGeneration = (list: "meters" | "emeters", scale: number): Part => ({
  paths: () => ["/status"],
  schemas: [STATUS],
  decode([answer], index) {
    const meter = (answer as v.InferOutput<typeof STATUS>)[list]?.[index];
    if (meter === undefined || meter.is_valid === false) return undefined;
    return answerOf(meter.power, typeof meter.total === "number" ? meter.total * scale : undefined);
  },
});

/** What may hold a meter, in the order in which it is looked for. */
export const SHELLY_PARTS = {
  switch: switchLike("Switch"),
  pm1: switchLike("PM1"),
  em1: {
    paths: rpc("EM1", "EM1Data"),
    schemas: [EM1, EM1_DATA],
    decode: ([status, data]) =>
      answerOf(
        (status as v.InferOutput<typeof EM1>).act_power,
        (data as v.InferOutput<typeof EM1_DATA>).total_act_energy,
      ),
  },
  em: {
    paths: rpc("EM", "EMData"),
    schemas: [EM, EM_DATA],
    decode: ([status, data]) =>
      answerOf(
        (status as v.InferOutput<typeof EM>).total_act_power,
        (data as v.InferOutput<typeof EM_DATA>).total_act,
      ),
  },
  light: switchLike("Light"),
  cover: switchLike("Cover"),
  emeter: firstGeneration("emeters", 1),
  meter: firstGeneration("meters", 1 / MINUTES),
} as const satisfies Record<string, Part>;

/** Name of a part. */
export type ShellyPart = keyof typeof SHELLY_PARTS;

/** What comes after the host: `switch:0`, or nothing for whichever part has a meter. */
export const SHELLY_PATH = new RegExp(`^(?:(${Object.keys(SHELLY_PARTS).join("|")}):(\\d{1,2}))?$`);

/** Asks a Shelly device. Without a part in its address, the first one that has a meter is found and kept to. */
export function askShelly(world: World, device: HttpDevice, url: DeviceUrl): AskMeter {
  const [, named, index = "0"] = SHELLY_PATH.exec(url.path) ?? [];
  let known = named as ShellyPart | undefined;
  const ask = (part: ShellyPart, signal: AbortSignal) =>
    askPart(world, { device, url, part, index: Number(index) }, signal);
  return async (signal) => {
    if (known !== undefined) {
      const answer = await ask(known, signal);
      if (answer === undefined) throw unmetered(device.id);
      return answer;
    }
    for (const part of Object.keys(SHELLY_PARTS) as ShellyPart[]) {
      const answer = await ask(part, signal).catch(unlessUnknown);
      if (answer === undefined) continue;
      known = part;
      return answer;
    }
    throw unmetered(device.id);
  };
}

const unmetered = (id: string) => wrongAnswer(id, "it has no meter", "a plug that measures", "unmetered");

/** Devices say 404 for a kind of part, and 500 for a number of one, that they do not have. */
function unlessUnknown(error: unknown): undefined {
  if (!["http_404", "http_500"].includes(reasonOf(error))) throw error;
}

interface Question {
  readonly device: HttpDevice;
  readonly url: DeviceUrl;
  readonly part: ShellyPart;
  readonly index: number;
}

async function askPart(
  world: World,
  { device, url, part, index }: Question,
  signal: AbortSignal,
): Promise<MeterAnswer | undefined> {
  const { paths, schemas, decode }: Part = SHELLY_PARTS[part];
  const answers: unknown[] = [];
  for (const [at, path] of paths(index).entries()) {
    answers.push(await askJson(world, device, httpUrlOf(url, path), schemas[at]!, signal));
  }
  const [{ errors: said }] = answers as [{ errors?: string[] | null }];
  const broken = said?.find((error) => /^(?:power_meter_failure|out_of_range:.*power)/.test(error));
  if (broken !== undefined) throw wrongAnswer(device.id, "its meter has failed", "one that works", "sensor");
  return decode(answers, index);
}
