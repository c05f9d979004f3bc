/**
 * Victron GX devices over Modbus TCP: the registers of `com.victronenergy.system`, unit 100 (register list in
 * victronenergy/dbus_modbustcp, attributes.csv).
 *
 * 808 to 816 generation behind inverters (on output, grid and generator, three phases each), 850 generation of solar
 * chargers, 817 to 819 what is used, 820 to 822 from the grid (signed), 826 what feeds the input, 842 into the battery
 * (signed). What a system does not have reads as 0, not as a mark: a grid of 0 counts only where 826 says that there is
 * one or that it is cut off, and use of 0 is none. Not tried on a device.
 *
 * @module
 */
import type { DeviceUrl } from "../device_url.ts";
import { ModbusLine, readRegisters } from "./modbus_line.ts";
import { plausibleValues } from "./plausible.ts";
import type { SiteDevice, SiteValues } from "./types.ts";

const UNIT = 100;
const AC = { address: 808, count: 19 } as const;
const BATTERY = { address: 842, count: 1 } as const;
const PV = { address: 850, count: 1 } as const;
const GRID = 1, SHORE = 3, CUT_OFF = 240;

/** A GX device. */
export function openVictron(id: string, url: DeviceUrl): SiteDevice {
  const unit = url.path === "" ? UNIT : Number(url.path);
  const line = new ModbusLine(id, url);
  return {
    ask: (signal) =>
      line.use(async (client) => {
        const read = (range: { readonly address: number; readonly count: number }) =>
          readRegisters(client, id, { unit, ...range }, signal);
        return decodeVictron(id, { ac: await read(AC), battery: await read(BATTERY), pv: await read(PV) });
      }, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(line[Symbol.dispose]()),
  };
}

/** What the registers say: 808 to 826, 842 and 850. */
export function decodeVictron(
  id: string,
  { ac, battery, pv }: { readonly ac: Uint16Array; readonly battery: Uint16Array; readonly pv: Uint16Array },
): SiteValues {
  const sum = (from: number, to: number, read = (value: number) => value) =>
    ac.slice(from - AC.address, to - AC.address + 1).reduce((all, value) => all + read(value), 0);
  const source = ac[826 - AC.address];
  const hasGrid = source === GRID || source === SHORE || source === CUT_OFF;
  return plausibleValues(id, {
    pvWatts: sum(808, 816) + (pv[0] ?? 0),
    siteWatts: sum(817, 819),
    gridWatts: hasGrid ? sum(820, 822, signed) : undefined,
    batteryWatts: 0 - signed(battery[0] ?? 0),
  });
}

const signed = (value: number): number => value << 16 >> 16;
