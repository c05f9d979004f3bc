/** A node that chats, and clients in Python that talk to it. */
import { alone, Program } from "../../e2e/program.ts";

/** The demo model; tests need it. */
export const MODEL_FILE = Deno.env.get("KWAAI_SMOLLM2");
/** Why tests are skipped, where they are. */
export const noModel = MODEL_FILE === undefined ? " (skipped: KWAAI_SMOLLM2 names no model)" : "";

const venv = `${Deno.env.get("KWAAI_CACHE")}/clients-venv`;
const hasVenv = await Deno.stat(`${venv}/complete`).then(() => true, () => false);
/** Why tests with clients of Python are skipped, where they are. */
export const noPython = hasVenv ? noModel : " (skipped: clients/install.sh was not run)";

/** A node that has the whole model. */
export interface ChatNode extends AsyncDisposable {
  readonly url: string;
  readonly model: string;
}

/** Starts one of the demo model, with settings of its own. */
export const startNode = (folder: string, ...sets: string[]): Promise<ChatNode> =>
  startNodeOf(MODEL_FILE!, folder, ...sets);

/** The same of another model. */
export async function startNodeOf(file: string, folder: string, ...sets: string[]): Promise<ChatNode> {
  const program = Program.start([
    ...alone(folder),
    ...["--model", file],
    ...sets.flatMap((set) => ["--set", set]),
  ]);
  const { api, model } = await program.event("ready");
  return { url: api, model, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** Runs a client of this folder; what it printed. */
export async function runPython(script: string, ...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await runCommand("python", [new URL(script, import.meta.url).pathname, ...args]));
}

/** Runs a program of Python's clients; what it printed. */
export async function runCommand(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = ".",
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(`${venv}/bin/${name}`, {
    args: [...args],
    cwd,
    env: { NO_PROXY: "127.0.0.1,localhost", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // a client that waits for what never comes
    signal: AbortSignal.timeout(240_000),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) {
    throw new Error(`${name} ${args[0]} failed: ${text(stderr).slice(-3000)}${text(stdout).slice(-6000)}`);
  }
  return text(stdout);
}
