/**
 * The power supply of small boards: one that is too weak slows them down, and they fall over when they work.
 *
 * @module
 */
import { readConditions } from "../device/conditions.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { readThrottled } from "../device/throttled.ts";
import { type Check, tellOf } from "./checks.ts";

const tell = tellOf("supply");

/** What the kernel or the firmware says of the supply's voltage; nothing on machines that do not tell. */
export const supplyCheck: Check = {
  name: "supply",
  async run({ world, settings: { config } }, signal) {
    const files = openSystemFiles(config);
    const { undervolted } = { ...await readThrottled(world.clock, files, signal), ...readConditions(files) };
    if (undervolted === undefined) return [];
    if (!undervolted) return [tell("ok", "the voltage is what it should be")];
    return [tell(
      "fail",
      "the voltage is too low: the firmware slows the processor down, and the node takes no work meanwhile (policy.undervoltage)",
      "use the supply that the board's maker names (Raspberry Pi 5: 5.1 V, 5 A; Pi 4: 5.1 V, 3 A) with a short, thick " +
        "cable, and plug disks into a hub with a supply of its own",
    )];
  },
};
