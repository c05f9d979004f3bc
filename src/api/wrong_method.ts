/**
 * Methods that a route does not have.
 *
 * @module
 */
import type { Hono } from "hono";
import { type FailedRequest, failureResponse } from "./http_error.ts";
import type { RouteEnvironment } from "./route_parts.ts";

const METHODS: readonly string[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** Methods by which a path of `app` is answered itself, beside what is asked before every route. */
export const methodsOf = ({ router }: Hono<RouteEnvironment>, path: string): readonly string[] =>
  METHODS.filter((method) => router.match(method, path)[0].some(([[, route]]) => route.method === method));

/** The answer, 405, for a path that is known by other methods; `undefined` where it is not known at all, or known by this one. */
export function wrongMethod(
  app: Hono<RouteEnvironment>,
  { method, path }: { readonly method: string; readonly path: string },
  failed: FailedRequest,
): Response | undefined {
  const methods = methodsOf(app, path).flatMap((one) => one === "GET" ? [one, "HEAD"] : [one]);
  if (methods.length === 0 || methods.includes(method)) return undefined;
  const response = failureResponse({
    status: 405,
    code: "method_not_allowed",
    message: `Cannot answer ${method} ${path}: the route has no such method, wanted ${methods.join(" or ")}`,
  }, failed);
  response.headers.set("allow", methods.join(", "));
  return response;
}
