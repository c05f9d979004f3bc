/**
 * The local API: a request in, a response out.
 *
 * @module
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Log } from "../base/world.ts";
import { carbonAwareRoutes, type CarbonAwareSource } from "./carbon_aware.ts";
import type { EnergyDocument } from "./energy.ts";
import { isAllowedHost } from "./host_check.ts";
import { errorResponse, responseOf } from "./http_error.ts";
import type { MetricsInput } from "./metrics_input.ts";
import type { StatusDocument } from "./status.ts";

/** What the API shows. */
export interface ApiOptions {
  readonly status: () => StatusDocument;
  readonly energy: () => EnergyDocument;
  readonly metrics: () => MetricsInput;
  /** Host names, besides localhost, by which it may be called. */
  readonly allowedHosts: readonly string[];
  readonly maxBodyBytes: number;
  readonly log: Log;
  /** For the routes of the Carbon Aware SDK below `/emissions`; they are absent without it. */
  readonly carbonAware?: CarbonAwareSource;
}

/** Answers a request; never rejects. */
export type ApiHandler = (request: Request) => Promise<Response>;

/** Routes: `/healthz` it lives, `/readyz` it does what was asked, `/api/v1/status` all figures. */
export function apiHandler(options: ApiOptions): ApiHandler {
  const app = new Hono();
  app.use(async (context, next) => {
    if (!isAllowedHost(context.req.header("host"), options.allowedHosts)) {
      return errorResponse(
        403,
        "denied",
        "Cannot answer: the Host header names another site, wanted localhost or a name of http.allowed_hosts",
      );
    }
    await next();
    context.header("x-content-type-options", "nosniff");
    context.header("cache-control", "no-store");
    return undefined;
  });
  app.use(bodyLimit({
    maxSize: options.maxBodyBytes,
    onError: () =>
      errorResponse(
        413,
        "too_large",
        `Cannot read the request: its body is too long, wanted at most ${options.maxBodyBytes} bytes`,
      ),
  }));
  app.get("/healthz", (context) => context.json({ schema: 1, ok: true }));
  app.get("/readyz", (context) => {
    const { readiness } = options.status();
    return context.json({ schema: 1, ...readiness }, readiness.ready ? 200 : 503);
  });
  app.get("/api/v1/status", (context) => context.json(options.status()));
  app.get("/metrics", async (context) => {
    // the library is loaded when somebody asks: a node at rest is to stay small
    const { exposition, wantsOpenMetrics } = await import("./metrics.ts");
    const openMetrics = wantsOpenMetrics(context.req.header("accept"));
    const { text, contentType } = await exposition(options.metrics(), openMetrics);
    return context.body(text, 200, { "content-type": contentType });
  });
  app.get("/api/v1/energy", (context) => context.json(options.energy()));
  if (options.carbonAware !== undefined) app.route("/emissions", carbonAwareRoutes(options.carbonAware));
  app.notFound((context) =>
    errorResponse(
      404,
      "not_found",
      `Cannot find ${context.req.path}: there is no such route, wanted a known one`,
    )
  );
  app.onError((error) => {
    options.log.warn("API request failed", { error });
    return responseOf(error);
  });
  return async (request) => await app.fetch(request);
}
