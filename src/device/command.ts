/**
 * Small programs of the system, asked with limits.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

/** Longest output that is read. */
const MAX_BYTES = 64 << 10;

/**
 * What a program prints. It is killed when `signal` aborts or when it prints too much. Throws `NodeError` `not_found`
 * where there is no such program, `denied`, `remote` for an exit code other than 0, `too_large`, or the signal's reason.
 */
export async function runCommand(
  name: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const child = spawn(name, args);
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // it has ended
    }
  };
  signal.addEventListener("abort", kill, { once: true });
  try {
    const text = await readAll(name, child, kill);
    const { success, code } = await child.status;
    signal.throwIfAborted();
    if (success) return text;
    throw new NodeError("remote", `Cannot ask ${name}: it ended with code ${code}, wanted 0`);
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function spawn(name: string, args: readonly string[]): Deno.ChildProcess {
  try {
    return new Deno.Command(name, { args: [...args], stdin: "null", stdout: "piped", stderr: "null" })
      .spawn();
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new NodeError("denied", `Cannot run ${name}: permission denied, wanted a program`, {
        cause: error,
      });
    }
    throw new NodeError("not_found", `Cannot run ${name}: there is no such program`, { cause: error });
  }
}

async function readAll(name: string, child: Deno.ChildProcess, kill: () => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of child.stdout) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) {
      kill();
      await child.status;
      throw new NodeError("too_large", `Cannot ask ${name}: it prints more than ${MAX_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}
