/**
 * The local API: a request in, a response out.
 *
 * @module
 */
import { type Handler, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Log, World } from "../base/world.ts";
import { carbonAwareRoutes, type CarbonAwareSource } from "./carbon_aware.ts";
import type { EnergyDocument } from "./energy.ts";
import { EventFeed } from "./events.ts";
import { isAllowedHost } from "./host_check.ts";
import { errorResponse, responseOf } from "./http_error.ts";
import type { MetricsInput } from "./metrics_input.ts";
import { pauseRoutes } from "./pause.ts";
import type { StatusDocument } from "./status.ts";

/** What the API shows. */
export interface ApiOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly status: () => StatusDocument;
  readonly energy: () => EnergyDocument;
  readonly metrics: () => MetricsInput;
  /** Host names, besides localhost, by which it may be called. */
  readonly allowedHosts: readonly string[];
  readonly maxBodyBytes: number;
  readonly log: Log;
  /** For the routes of the Carbon Aware SDK below `/emissions`; they are absent without it. */
  readonly carbonAware?: CarbonAwareSource;
  /** For `/api/v1/pause`, which is absent without it: the owner asks for quiet until then, Unix ms. */
  readonly pause?: (untilMs: number) => void;
}

/** Answers a request; never rejects. Disposing it ends answers that would go on for ever. */
export interface ApiHandler extends Disposable {
  (request: Request): Promise<Response>;
}

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
    if (!context.res.headers.has("cache-control")) context.header("cache-control", "no-store");
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
  const feed = new EventFeed({ clock: options.world.clock, log: options.log }, options);
  app.get("/api/v1/events", () => feed.open());
  if (options.pause !== undefined) {
    const { world: { clock }, pause, status } = options;
    app.route("/api/v1/pause", pauseRoutes({ clock, pause, policy: () => status().policy }));
  }
  const page: Handler = async (context) => {
    const { answerDashboard } = await import("./pages/dashboard.ts");
    return await answerDashboard(context.req.raw, options.status) ?? context.notFound();
  };
  for (const path of ["/", "/assets/*"]) app.get(path, page);
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
  return Object.assign(async (request: Request) => await app.fetch(request), {
    [Symbol.dispose]: () => feed[Symbol.dispose](),
  });
}
