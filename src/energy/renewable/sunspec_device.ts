/**
 * An inverter, meter or battery with SunSpec over Modbus TCP.
 *
 * @module
 */
import type { DeviceUrl } from "../device_url.ts";
import type { ModbusClient } from "./modbus_client.ts";
import { ModbusLine, readRegisters } from "./modbus_line.ts";
import { decodeModels, SunspecMap, type SunspecModel, usefulModels } from "./sunspec.ts";
import type { SiteDevice, SiteRole, SiteValues } from "./types.ts";

const DEFAULT_UNIT = 1;

/** What is known of a device. */
interface Options {
  readonly id: string;
  readonly url: DeviceUrl;
  readonly role: SiteRole;
}

/** An inverter, meter or battery with SunSpec. */
export function openSunspec({ id, url, role }: Options): SiteDevice {
  const unit = url.path === "" ? DEFAULT_UNIT : Number(url.path);
  const sign = url.options.get("sign") as "import" | "export" | undefined;
  const line = new ModbusLine(id, url);
  let models: readonly SunspecModel[] | undefined;
  return {
    ask: (signal) =>
      line.use(async (client) => {
        models ??= await findModels(client, unit, signal);
        const blocks = new Map<number, Uint16Array>();
        for (const { id: model, address, count } of models) {
          blocks.set(model, await readRegisters(client, id, { unit, address, count }, signal));
        }
        return asMeter(decodeModels(blocks, sign), role);
      }, signal).catch((error) => {
        // it may have been restarted with another map
        models = undefined;
        throw error;
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(line[Symbol.dispose]()),
  };
}

async function findModels(
  client: ModbusClient,
  unit: number,
  signal: AbortSignal,
): Promise<readonly SunspecModel[]> {
  const map = new SunspecMap();
  for (let range = map.ask; range !== undefined; range = map.ask) {
    map.take(await client.read({ unit, ...range }, signal));
  }
  return usefulModels(map.models);
}

/** A meter of what the site uses tells that in the place of a meter at the grid. */
function asMeter(values: SiteValues, role: SiteRole): SiteValues {
  const { gridWatts, ...others } = values;
  return role === "load" && gridWatts !== undefined ? { ...others, siteWatts: gridWatts } : values;
}
