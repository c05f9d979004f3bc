/**
 * Sources over channels of open files, found only if they can be read.
 *
 * @module
 */
import { messageOf, NodeError } from "../../base/errors.ts";
import type { Clock } from "../../base/world.ts";
import type { SystemFiles } from "../../device/sysfs.ts";
import type { EnergyScope, EnergySource, Finding } from "../types.ts";
import { type KeptChannel, type KeptChannelOptions, openKeptChannel } from "./kept_channel.ts";

/** How often a sensor is asked that has nothing new just now (EAGAIN). */
const TRIES = 3;

/** Where something lies, and how much it covers. */
export interface Place {
  readonly scope: EnergyScope;
  readonly domain: string;
}

/** A source that is looked for. */
export interface KeptSourceOptions extends Place, Pick<EnergySource, "id" | "kind"> {
  readonly channels: readonly KeptChannelOptions[];
  /** What to do where files may not be read. */
  readonly cure?: string;
}

/**
 * Opens all channels and reads each once: a source that gave nothing is an `error`, one that may not be read `denied`. Only
 * a device that sleeps need not answer.
 */
export function findKeptSource(clock: Clock, files: SystemFiles, options: KeptSourceOptions): Finding {
  const { id, kind, scope, domain, channels: wanted, cure } = options;
  using opened = new DisposableStack();
  try {
    const channels = wanted.map((channel) => opened.use(openKeptChannel(clock, files, channel)));
    const silent = channels.find((channel) => !answers(channel));
    if (silent !== undefined) return { state: "error", id, kind, scope, reason: reasonOf(silent) };
    const owned = opened.move();
    const close = () => Promise.resolve(owned.dispose());
    return { state: "ok", source: { id, kind, scope, domain, channels, [Symbol.asyncDispose]: close } };
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    const state = error.code === "denied" ? "denied" : "error";
    const words = state === "denied" && cure !== undefined ? `; ${cure}` : "";
    return { state, id, kind, scope, reason: `${messageOf(error)}${words}` };
  }
}

/** The same source, known to lie elsewhere. */
export const placed = (source: EnergySource, { scope, domain }: Place): EnergySource => ({
  ...source,
  scope,
  domain,
});

/** Several sources as one, which measures what all of them do. The parts are owned by it from now on. */
export function joined(id: string, place: Place, sources: readonly EnergySource[]): EnergySource {
  return {
    id,
    kind: "measured",
    ...place,
    channels: sources.flatMap(({ channels }) => channels),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()));
    },
  };
}

/** Who may read what only root may: `kwaainet doctor` tells how to make it, targets/systemd/sensors.conf names it. */
const GROUP = "kwaainet-sensors";

/**
 * What to do where only root may read files: a udev rule that lets a group. The rule ends the text, ready to be copied.
 * `match` says of which devices.
 */
export function udevCure(match: string, names: readonly string[]): string {
  const runs = names.flatMap((name) => [
    `RUN+="/usr/bin/chgrp ${GROUP} /sys%p/${name}"`,
    `RUN+="/usr/bin/chmod g+r /sys%p/${name}"`,
  ]);
  return `let group ${GROUP} read it by a udev rule (kwaainet doctor tells how): ${
    [match, ...runs].join(", ")
  }`;
}

function answers(channel: KeptChannel): boolean {
  for (let i = 0; i < TRIES; i++) {
    if (channel.read() !== undefined || channel.isAsleep) return true;
    if (channel.failure !== "busy") return false;
  }
  return false;
}

function reasonOf({ id, type, failure, refused }: KeptChannel): string {
  if (refused === undefined) return `${id} gives no value: ${failure ?? "none now"}`;
  const unit = type === "gauge" ? "W" : "J";
  return `${id} shows ${Number(refused) / 1e6} ${unit}, which is not believed`;
}
