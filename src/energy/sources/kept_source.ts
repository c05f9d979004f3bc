/**
 * A source over channels of open files, found only if it can be read.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { Clock } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import type { EnergySource, Finding } from "../types.ts";
import { type KeptChannelOptions, openKeptChannel } from "./kept_channel.ts";

/** A source that is looked for. */
export interface KeptSourceOptions extends Pick<EnergySource, "id" | "kind" | "scope" | "domain"> {
  readonly channels: readonly KeptChannelOptions[];
  /** What to do where files may not be read. */
  readonly cure?: string;
}

/** Opens all channels and reads each once: a source that gave nothing is an `error`, one that may not be read `denied`. */
export function findKeptSource(clock: Clock, files: SystemFiles, options: KeptSourceOptions): Finding {
  const { id, kind, scope, domain, channels: wanted, cure } = options;
  using opened = new DisposableStack();
  try {
    const channels = wanted.map((channel) => opened.use(openKeptChannel(clock, files, channel)));
    const silent = channels.find((channel) => channel.read() === undefined);
    if (silent !== undefined) {
      const reason = `${silent.id} gives no value: ${silent.failure ?? "none now"}`;
      return { state: "error", id, kind, scope, reason };
    }
    const owned = opened.move();
    const close = () => Promise.resolve(owned.dispose());
    return { state: "ok", source: { id, kind, scope, domain, channels, [Symbol.asyncDispose]: close } };
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    const state = error.code === "denied" ? "denied" : "error";
    const words = state === "denied" && cure !== undefined ? `: ${cure}` : "";
    return { state, id, kind, scope, reason: `${messageOf(error)}${words}` };
  }
}
