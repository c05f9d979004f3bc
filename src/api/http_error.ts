/**
 * Failures in HTTP's words, in the shape that each family of clients reads.
 *
 * @module
 */
import { codeOf, type ErrorCode, messageOf, NodeError } from "../base/errors.ts";
import { fieldOf } from "./wrong_field.ts";

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

/** When to try again, by status. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, number>> = { 429: 1, 503: 5 };

/** Names that Anthropic gives to failures, by status. */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
};

/** A request that is not answered as asked. */
export interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The field that is wrong, where one is. */
  readonly param?: string;
  /** The protocol's own name for what is wrong, where it has one. */
  readonly reason?: string;
}

/** What a failure is an answer to. */
export interface FailedRequest {
  /** Path of the request: it tells which clients call. */
  readonly path: string;
  readonly requestId: string;
}

/** Body of a failure in the shape of OpenAI's. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** Who reads the failures of a route. */
export type ErrorShape = "openai" | "ollama" | "anthropic";

/**
 * The shape of failures below a path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const paths = ["/v1/messages/count_tokens", "/api/chat", "/api/v1/status"];
 * assertEquals(paths.map(errorShapeOf), ["anthropic", "ollama", "openai"]);
 * ```
 */
export function errorShapeOf(path: string): ErrorShape {
  if (/^\/v1\/messages(?:\/|$)/.test(path)) return "anthropic";
  return /^\/api\/(?!v1(?:\/|$))/.test(path) ? "ollama" : "openai";
}

/** The failure behind whatever was thrown; what is not ours keeps its words to itself. */
export function failureOf(error: unknown): Failure {
  const code = codeOf(error, "corrupt");
  if (error instanceof NodeError) {
    const { param, reason } = fieldOf(error) ?? {};
    return {
      status: HTTP_STATUS[code],
      code,
      message: messageOf(error),
      ...(param === undefined ? {} : { param }),
      ...(reason === undefined ? {} : { reason }),
    };
  }
  return {
    status: HTTP_STATUS[code],
    code: "internal",
    message: "Cannot answer: the node failed, wanted an answer (its log says more)",
  };
}

/** The body of a failure, as the callers of `path` read it. */
export function failureBody(failure: Failure, { path, requestId }: FailedRequest): object {
  const { status, message, param = null, reason } = failure;
  switch (errorShapeOf(path)) {
    case "ollama":
      return { error: message };
    case "anthropic":
      return {
        type: "error",
        error: {
          type: ANTHROPIC_TYPES[status] ?? "api_error",
          message,
          ...(reason === undefined ? {} : { details: { error_code: reason } }),
        },
        request_id: requestId,
      };
    case "openai":
      return {
        error: { message, type: openAiType(status), param, code: reason ?? failure.code },
      } satisfies ErrorBody;
  }
}

/** A JSON answer that tells a failure. */
export function failureResponse(failure: Failure, request: FailedRequest): Response {
  const retryAfter = RETRY_AFTER_SECONDS[failure.status];
  return Response.json(failureBody(failure, request), {
    status: failure.status,
    headers: retryAfter === undefined ? {} : { "retry-after": `${retryAfter}` },
  });
}

function openAiType(status: number): string {
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}
