/**
 * The machine's own clock, generator and log: the only file that reads the time, sets a timer or writes a log line.
 *
 * @module
 */
import { configureSync, getLogger, jsonLinesFormatter, type LogRecord } from "@logtape/logtape";
import type { Clock, Log, LogFields, World } from "./world.ts";

/** Log levels as the command line names them. */
export type LogLevel = "error" | "warn" | "info" | "debug" | "trace";

/** What the operator chose for logs. */
export interface SystemWorldOptions {
  readonly level: LogLevel;
  /** One JSON object a line instead of readable text. Always on stderr. */
  readonly json: boolean;
}

const LOGTAPE_LEVEL = {
  error: "error",
  warn: "warning",
  info: "info",
  debug: "debug",
  trace: "trace",
} as const;
/** Journald reads these prefixes (sd-daemon(3)). */
const JOURNAL_PREFIX: Readonly<Record<string, string>> = {
  fatal: "<2>",
  error: "<3>",
  warning: "<4>",
  info: "<6>",
  debug: "<7>",
  trace: "<7>",
};

const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now() - drift(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      // setTimeout's longest delay is 2^31 - 1 ms: longer sleeps are cut and go on
      const end = performance.now() + ms;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const wait = () => {
        const left = end - performance.now();
        if (left <= 0) {
          signal?.removeEventListener("abort", onAbort);
          return resolve();
        }
        // fractions are cut off: a timer that is early by one would have to be set again
        timer = setTimeout(wait, Math.min(Math.ceil(left), 0x7fffffff));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      wait();
    });
  },
};

/** How far `performance`'s idea of the wall clock is ahead of the real one: it does not follow a clock that is set. */
function drift(): number {
  const off = performance.timeOrigin + performance.now() - Date.now();
  return Math.abs(off) < 2 ? 0 : off;
}

/** The machine as it is. Call once a process: it sets up logging for all libraries too. */
export function openSystemWorld(options: SystemWorldOptions): World {
  configureLogs(options);
  return {
    clock: systemClock,
    log: logOf(["kwaainet"], {}),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  };
}

function configureLogs(options: SystemWorldOptions): void {
  const encoder = new TextEncoder();
  const underJournald = Deno.env.get("JOURNAL_STREAM") !== undefined;
  configureSync({
    reset: true,
    sinks: {
      stderr: (record: LogRecord) => {
        const line = options.json ? jsonLinesFormatter(record) : textLine(record, underJournald);
        Deno.stderr.writeSync(encoder.encode(line));
      },
    },
    loggers: [
      { category: "kwaainet", sinks: ["stderr"], lowestLevel: LOGTAPE_LEVEL[options.level] },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
}

function textLine(record: LogRecord, journald: boolean): string {
  const fields = Object.entries(record.properties)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${fieldText(value)}`);
  const room = record.category.slice(1).join(".");
  const head = journald
    ? JOURNAL_PREFIX[record.level] ?? "<6>"
    : `${new Date(record.timestamp).toISOString()} ${record.level.padEnd(7)} `;
  return `${head}${room === "" ? "" : room + ": "}${record.rawMessage}${fields.length ? " " : ""}${
    fields.join(" ")
  }\n`;
}

function fieldText(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  return typeof value === "string" && /^[\w./:@+-]+$/.test(value)
    ? value
    : JSON.stringify(value) ?? String(value);
}

function logOf(category: readonly string[], fixed: LogFields): Log {
  const logger = getLogger(category);
  const plain = (fields?: LogFields) => ({ ...fixed, ...fields });
  return {
    debug: (message, fields) => logger.debug(message, plain(fields)),
    info: (message, fields) => logger.info(message, plain(fields)),
    warn: (message, fields) => logger.warn(message, plain(fields)),
    error: (message, fields) => logger.error(message, plain(fields)),
    child: (room, fields) => logOf([...category, room], { ...fixed, ...fields }),
  };
}
