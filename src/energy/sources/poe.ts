/**
 * Power that this machine gives to others over its network ports: `ubus call poe info` of OpenWrt (realtek-poe and its
 * kin). It is never this machine's own; boards that are fed over their port have no reading of it.
 *
 * `consumption` of a port is absent while it feeds nobody. Not tried on a switch: shapes as realtek-poe's source has
 * them.
 *
 * @module
 */
import * as v from "valibot";
import { runCommand } from "../../device/command.ts";
import { parseAnswer, wrongAnswer } from "./http_json.ts";
import type { AskMeter } from "./meter_answer.ts";

const maybe = v.nullish(v.pipe(v.number(), v.finite()));

/** The answer of `ubus call poe info`. */
export const POE_INFO = v.object({
  consumption: maybe,
  ports: v.record(v.string(), v.object({ consumption: maybe, status: v.nullish(v.string()) })),
});

/** A port, or `all` of them. */
export const POE_PATH = /^[\w.-]{1,32}$/;

const COMMAND: readonly string[] = ["ubus", "call", "poe", "info"];

/** Asks for a port's power, or that of all. A port that feeds nobody has no figure. */
export function askPoe(
  { id, port, command = COMMAND }: {
    readonly id: string;
    readonly port: string;
    readonly command?: readonly string[];
  },
): AskMeter {
  const [program, ...args] = command as [string, ...string[]];
  return async (signal) => {
    const info = parseAnswer(id, POE_INFO, await runCommand(program, args, signal));
    const watts = decodePoe(id, info, port);
    return watts === undefined ? {} : { watts };
  };
}

/** Watts that a port gives, or all with `all`; `undefined` while there is no figure. Throws `NodeError` for no such port. */
export function decodePoe(
  id: string,
  { consumption, ports }: v.InferOutput<typeof POE_INFO>,
  port: string,
): number | undefined {
  if (port === "all") return consumption ?? undefined;
  const found = Object.hasOwn(ports, port) ? ports[port] : undefined;
  if (found === undefined) throw wrongAnswer(id, "it has no such port", "the name of one", "no_port");
  return found.consumption ?? undefined;
}
