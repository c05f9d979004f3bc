/**
 * Failures in HTTP's words.
 *
 * @module
 */
import { codeOf, type ErrorCode, messageOf } from "../base/errors.ts";

/** HTTP status of every failure. */
const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  aborted: 503,
  timeout: 504,
  unreachable: 503,
  refused: 502,
  remote: 502,
  malformed: 400,
  unsupported: 400,
  too_large: 413,
  not_found: 404,
  busy: 429,
  no_memory: 503,
  no_backend: 503,
  denied: 403,
  corrupt: 500,
  clock_wrong: 503,
  usage: 400,
  not_running: 503,
};

/** Body of every failure, the shape of OpenAI's. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** A JSON answer that tells a failure. */
export function errorResponse(status: number, code: string, message: string): Response {
  const type = status >= 500 ? "server_error" : "invalid_request_error";
  return Response.json({ error: { message, type, param: null, code } } satisfies ErrorBody, { status });
}

/** The answer to whatever a route threw; what is not ours keeps its words to itself. */
export function responseOf(error: unknown): Response {
  const code = codeOf(error, "corrupt");
  const isOurs = error instanceof Error && error.name === "NodeError";
  return errorResponse(
    HTTP_STATUS[code],
    isOurs ? code : "internal",
    isOurs ? messageOf(error) : "Cannot answer: the node failed, wanted an answer (its log says more)",
  );
}
