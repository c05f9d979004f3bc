/** A machine whose temperature the test sets, under the real policy. */
import { memoryTable, type Table } from "../../src/base/database.ts";
import type { World } from "../../src/base/world.ts";
import type { Config } from "../../src/config/schema.ts";
import type { SystemFiles } from "../../src/device/sysfs.ts";
import { type Contribution, openContribution } from "../../src/node/contribute.ts";
import type { Health } from "../../src/node/health.ts";

export interface PolicyMachine {
  celsius: number | undefined;
  /** Of /proc/self/io, which cannot be read where absent. */
  writeBytes: number | undefined;
  throttled: { undervolted: boolean; throttled: boolean } | undefined;
  servedBytes: number;
  /** As NetworkManager knows it. */
  metered: boolean | undefined;
  readonly table: Table;
  open(world: World, config: Config, health: Health): Contribution;
}

export function policyMachine(): PolicyMachine {
  const machine: PolicyMachine = {
    celsius: undefined,
    writeBytes: 0,
    throttled: undefined,
    servedBytes: 0,
    metered: undefined,
    table: memoryTable(),
    open(world, config, health) {
      const zone = "/sys/class/thermal/thermal_zone0";
      const files = {
        list: (path: string) =>
          path === "/sys/class/thermal" && machine.celsius !== undefined ? ["thermal_zone0"] : [],
        readText(path: string) {
          if (path === "/proc/self/io" && machine.writeBytes === undefined) return undefined;
          if (path === "/proc/self/io") return `rchar: 1\nwrite_bytes: ${machine.writeBytes}\ncancelled: 0`;
          if (path === `${zone}/type`) return "cpu-thermal";
          return path === `${zone}/temp` ? `${machine.celsius! * 1000}` : undefined;
        },
      } as unknown as SystemFiles;
      return openContribution(world, {
        config,
        files,
        health,
        table: machine.table,
        servedBytes: () => machine.servedBytes,
        gramsPerKwh: () => undefined,
        diskFreeBytes: () => undefined,
        otherLoad: { read: () => undefined, [Symbol.dispose]: () => {} },
        metered: {
          get now() {
            return machine.metered;
          },
          [Symbol.asyncDispose]: () => Promise.resolve(),
        },
        supply: {
          get now() {
            return machine.throttled;
          },
          [Symbol.asyncDispose]: () => Promise.resolve(),
        },
      });
    },
  };
  return machine;
}
