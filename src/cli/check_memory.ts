/**
 * Memory for blocks.
 *
 * @module
 */
import { readMemory } from "../device/memory.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { type Check, tellOf } from "./checks.ts";

const tell = tellOf("memory");
/** What is wanted above the reserve before a block is worth its name. */
const ROOM_BYTES = 128 * 2 ** 20;

/** Whether anything is left above what is reserved for the rest of the machine. */
export const memoryCheck: Check = {
  name: "memory",
  run({ settings: { config }, node }) {
    const facts = readMemory(openSystemFiles(config));
    if (facts === undefined) {
      return [
        tell("unknown", "the kernel does not tell how much is free", "see that /proc/meminfo is readable"),
      ];
    }
    const reserve = config["compute.reserve_bytes"];
    const left = facts.availableBytes - reserve;
    const says = `${sizeOf(facts.availableBytes)} of ${sizeOf(facts.totalBytes)} are free, ${
      sizeOf(reserve)
    } stay reserved`;
    // what a node that serves has taken is not missing
    if (left >= ROOM_BYTES || (node.state === "running" && node.status.serving?.engine)) {
      return [tell("ok", says)];
    }
    const cure =
      "end other programs, serve fewer blocks (--blocks A:B), or lower compute.reserve_bytes; a container's limit " +
      "counts too";
    if (left > 0) return [tell("warn", `${says}: little for blocks`, cure)];
    return [tell(config.serve ? "fail" : "warn", `no memory for blocks: ${says}`, cure)];
  },
};

const sizeOf = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
