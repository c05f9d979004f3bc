/**
 * Questions to the running node.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { DataPaths } from "../config/paths.ts";
import { readHolder } from "../node/lock.ts";

/** Longest wait for an answer of this machine. */
const TIMEOUT_MS = 5000;

/**
 * The node's answer to GET `route`. Throws `NodeError` `not_running` when none runs on the data folder, `timeout`,
 * `malformed`.
 */
export async function askNode<T>(paths: DataPaths, route: string): Promise<T> {
  const api = readHolder(paths)?.api;
  if (api === undefined) throw notRunning(paths);
  const answer = await fetchOr(api + route, () => notRunning(paths));
  const body: unknown = await answer.json().catch(() => undefined);
  // another program may have taken the port since
  if (typeof body !== "object" || body === null || (body as { schema?: unknown }).schema !== 1) {
    throw notRunning(paths);
  }
  return body as T;
}

async function fetchOr(url: string, gone: () => NodeError): Promise<Response> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") {
      throw new NodeError(
        "timeout",
        `Cannot ask the node: ${url} gave no answer within ${TIMEOUT_MS} ms, wanted one`,
        {
          cause: error,
        },
      );
    }
    throw gone();
  }
}

const notRunning = (paths: DataPaths) =>
  new NodeError(
    "not_running",
    `Cannot ask the node: none is running on ${paths.root}, wanted one (kwaainet start, or --data-dir)`,
  );
