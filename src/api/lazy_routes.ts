/**
 * Routes that are loaded when somebody asks for them: a node at rest is to stay small.
 *
 * @module
 */
import type { Context, Hono } from "hono";
import { NodeError } from "../base/errors.ts";
import type { RouteEnvironment } from "./route_parts.ts";
import { wrongMethod } from "./wrong_method.ts";

/** A handler whose routes, with their whole paths, are opened by its first request. Their failures are thrown. */
export function lazyRoutes(
  open: () => Promise<Hono<RouteEnvironment>>,
): (context: Context<RouteEnvironment>) => Promise<Response> {
  let opened: Promise<Hono<RouteEnvironment>> | undefined;
  return async (context) => {
    const routes = await (opened ??= open().then(failingUpwards));
    return await routes.fetch(context.req.raw, context.env);
  };
}

function failingUpwards(routes: Hono<RouteEnvironment>): Hono<RouteEnvironment> {
  routes.onError((error) => {
    throw error;
  });
  routes.notFound((context) => {
    const { method, path } = context.req;
    const wrong = wrongMethod(routes, context.req, context.env);
    if (wrong !== undefined) return wrong;
    throw new NodeError(
      "not_found",
      `Cannot find ${method} ${path}: there is no such route, wanted a known one`,
    );
  });
  return routes;
}
