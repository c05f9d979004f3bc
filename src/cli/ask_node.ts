/**
 * Questions to the running node.
 *
 * @module
 */
import type { ErrorBody } from "../api/http_error.ts";
import { openFirstOf } from "../base/deadline.ts";
import { NodeError } from "../base/errors.ts";
import { readTextWithin } from "../base/http_answer.ts";
import type { DataPaths } from "../config/paths.ts";
import { readHolder } from "../node/lock.ts";

/** Longest wait for an answer of this machine. */
const TIMEOUT_MS = 5000;
/** Longest answer: whatever has the port now need not be a node. */
const MAX_BYTES = 4 << 20;

/**
 * The node's answer to GET `route`. Throws `NodeError` `not_running` when none runs on the data folder, `timeout`, `remote`,
 * or the reason of `signal`.
 */
export const askNode = <T>(paths: DataPaths, route: string, signal: AbortSignal): Promise<T> =>
  request<T>(paths, route, {}, signal);

/** Posts `body` to `route`. The answer, and what is thrown, as of `askNode`. */
export const tellNode = <T>(paths: DataPaths, route: string, body: object, signal: AbortSignal): Promise<T> =>
  request<T>(paths, route, { method: "POST", body: JSON.stringify(body) }, signal);

async function request<T>(
  paths: DataPaths,
  route: string,
  sent: Pick<RequestInit, "method" | "body">,
  signal: AbortSignal,
): Promise<T> {
  const { api, key } = readHolder(paths) ?? {};
  if (api === undefined) throw notRunning(paths);
  const late = AbortSignal.timeout(TIMEOUT_MS);
  using either = openFirstOf(signal, late);
  try {
    const answer = await fetch(api + route, {
      ...sent,
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      signal: either.signal,
    });
    return checked(answer, await readTextWithin(answer, MAX_BYTES));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError) throw error;
    if (!late.aborted) throw notRunning(paths, error);
    throw new NodeError(
      "timeout",
      `Cannot ask the node: ${api}${route} gave no answer within ${TIMEOUT_MS} ms, wanted one`,
      { cause: error },
    );
  }
}

/** Another program may have taken the port since: then `SyntaxError`. */
function checked<T>({ ok, status, url }: Response, text: string | undefined): T {
  const body = JSON.parse(text ?? "") as
    | { readonly schema?: unknown; readonly error?: ErrorBody["error"] }
    | null;
  if (ok && body?.schema === 1) return body as T;
  const words = body?.error?.message;
  if (ok || typeof words !== "string") throw new SyntaxError("no answer of a node");
  throw new NodeError("remote", `Cannot ask the node: ${url} answers ${status}, ${words}`);
}

const notRunning = (paths: DataPaths, cause?: unknown) =>
  new NodeError(
    "not_running",
    `Cannot ask the node: none is running on ${paths.root}, wanted one (kwaainet start, or --data-dir)`,
    { cause },
  );
