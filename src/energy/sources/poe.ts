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
import { openDeadline } from "../../base/deadline.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { parseAnswer, wrongAnswer } from "./http_json.ts";
import type { AskMeter } from "./meter_answer.ts";
import { PollFailure } from "./polled.ts";

const maybe = v.nullish(v.pipe(v.number(), v.finite()));

/** The answer of `ubus call poe info`. */
export const POE_INFO = v.object({
  consumption: maybe,
  ports: v.record(v.string(), v.object({ consumption: maybe, status: v.nullish(v.string()) })),
});

/** A port, or `all` of them. */
export const POE_PATH = /^[\w.-]{1,32}$/;

const COMMAND: readonly string[] = ["ubus", "call", "poe", "info"];
const TIMEOUT_MS = 2_000;
/** 48 ports have 5 kB. */
const MAX_BYTES = 64 << 10;

/** Asks for a port's power, or that of all. A port that feeds nobody has no figure. */
export function askPoe(
  world: World,
  { id, port, command = COMMAND }: {
    readonly id: string;
    readonly port: string;
    readonly command?: readonly string[];
  },
): AskMeter {
  return async (signal) => {
    const text = await run(world, { id, command }, signal);
    const watts = decodePoe(id, parseAnswer(id, POE_INFO, text), port);
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

async function run(
  world: World,
  { id, command }: { readonly id: string; readonly command: readonly string[] },
  signal: AbortSignal,
): Promise<string> {
  using deadline = openDeadline(world.clock, TIMEOUT_MS, `read ${id}`, signal);
  const [program, ...args] = command as [string, ...string[]];
  try {
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      stderr: "null",
      stdout: "piped",
      signal: deadline.signal,
    })
      .spawn();
    const text = await readAll(child.stdout, id).catch((error) => {
      child.kill();
      throw error;
    }).finally(() => child.status);
    const { success, code } = await child.status;
    deadline.signal.throwIfAborted();
    if (!success) {
      throw new PollFailure("failed", `Cannot read ${id}: ${program} ended with ${code}, wanted 0`);
    }
    return text;
  } catch (error) {
    deadline.signal.throwIfAborted();
    if (error instanceof NodeError) throw error;
    throw new PollFailure("no_command", `Cannot read ${id}: ${messageOf(error)}, wanted ${program} to run`);
  }
}

async function readAll(stream: ReadableStream<Uint8Array>, id: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of stream) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_BYTES) {
      throw wrongAnswer(id, "it is too long", `at most ${MAX_BYTES} bytes`, "too_large");
    }
  }
  return text + decoder.decode();
}
