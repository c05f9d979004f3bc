/** Foreign Modbus, SunSpec and MQTT peers as processes (install.sh); tests are skipped without them. */
import { openSystemWorld } from "../../../src/base/system_world.ts";
import type { World } from "../../../src/base/world.ts";

const venv = `${Deno.env.get("KWAAI_CACHE")}/meters-venv`;
const python = `${venv}/bin/python`;

/** Whether the peers are installed. */
export const INSTALLED = await Deno.stat(`${venv}/complete`).then(() => true, () => false);
/** Ends the name of a test that cannot run here. */
export const WHY = INSTALLED
  ? ""
  : " (skipped: no meters-venv in KWAAI_CACHE with pymodbus, pysunspec2 and amqtt)";

/** The real clock, and a log that says only what is wrong. */
export const world: World = openSystemWorld({ level: "error", json: false });

const here = (script: string) => new URL(script, import.meta.url).pathname;

/** A server that runs until it is disposed. */
export interface ForeignServer extends AsyncDisposable {
  readonly port: number;
}

/** Starts a script that prints `{"port": N}` and ends when its stdin does. */
export async function startServer(script: string, args: readonly string[]): Promise<ForeignServer> {
  const child = new Deno.Command(python, {
    args: [here(script), ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const end = async () => {
    await child.stdin.close().catch(() => {});
    const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await child.status;
    clearTimeout(late);
    await child.stdout.cancel().catch(() => {});
  };
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await lines.read();
  lines.releaseLock();
  if (value === undefined) {
    await end();
    throw new Error(`${script} did not start`);
  }
  return { port: JSON.parse(value).port, [Symbol.asyncDispose]: end };
}

/** Runs a script to its end; the JSON that it printed. */
// deno-lint-ignore no-explicit-any -- each script has fields of its own
export async function runScript(script: string, args: readonly string[]): Promise<any> {
  const signal = AbortSignal.timeout(60_000);
  const { success, stdout, stderr } = await new Deno.Command(python, {
    args: [here(script), ...args],
    signal,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${script} failed: ${text(stderr).slice(-2000)}`);
  return JSON.parse(text(stdout));
}

/** Waits in real time until `done`, at most half a minute. */
export async function until(done: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    if (done()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited in vain: ${what}`);
}
