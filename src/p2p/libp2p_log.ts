/**
 * libp2p's log lines in ours, at the level of debugging.
 *
 * @module
 */
import type { ComponentLogger, Logger } from "@libp2p/interface";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/world.ts";

/** A logger for libp2p. Only its errors are kept: its own traces cost more than the work they tell of. */
export function loggerOf(log: Log): ComponentLogger {
  const room = log.child("libp2p");
  return { forComponent: (name) => componentLogger(room, name) };
}

function componentLogger(log: Log, component: string): Logger {
  const silent = () => {};
  return Object.assign(silent, {
    enabled: false,
    trace: silent,
    error: (format: unknown, ...args: unknown[]) => {
      const reason = args.find((arg) => arg instanceof Error);
      log.debug(String(format), { component, ...(reason === undefined ? {} : { error: messageOf(reason) }) });
    },
    newScope: (scope: string) => componentLogger(log, `${component}:${scope}`),
  });
}
