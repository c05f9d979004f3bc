/**
 * The local API: a request in, a response out.
 *
 * @module
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { NodeError } from "../base/errors.ts";
import type { Log, World } from "../base/world.ts";
import type { TextModels } from "../text/types.ts";
import { accessDoor, type AccessOptions, type CallerSignal, type RequestFacts } from "./access.ts";
import { carbonAwareRoutes, type CarbonAwareSource } from "./carbon_aware.ts";
import type { EnergyDocument } from "./energy.ts";
import { EventFeed } from "./events.ts";
import { type Failure, failureOf, failureResponse } from "./http_error.ts";
import type { MetricsInput } from "./metrics_input.ts";
import { lazyRoutes } from "./lazy_routes.ts";
import type { RouteEnvironment, TextRouteParts } from "./route_parts.ts";
import { ownPeerRoutes } from "./own_peers.ts";
import { pauseRoutes } from "./pause.ts";
import type { StatusDocument } from "./status.ts";
import { swarmRoutes, type SwarmSource } from "./swarm.ts";
import { wrongMethod } from "./wrong_method.ts";

/** What the API shows. */
export interface ApiOptions extends AccessOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly status: () => StatusDocument;
  readonly energy: () => EnergyDocument;
  readonly metrics: () => MetricsInput;
  readonly maxBodyBytes: number;
  readonly log: Log;
  /** For the routes of the Carbon Aware SDK below `/emissions`; they are absent without it. */
  readonly carbonAware?: CarbonAwareSource;
  /** For the routes that make text; they are absent without it. */
  readonly text?: TextModels;
  /** For `/api/v1/swarm` and `/api/v1/peers`, which are absent without it. */
  readonly swarm?: SwarmSource;
  /** For `/api/v1/pause`, which is absent without it: the owner asks for quiet until then, Unix ms. */
  readonly pause?: (untilMs: number) => void;
  /** For `/api/v1/own-peers`, which is absent without it: this peer asks for the owner. */
  readonly own?: (peerId: string) => void;
}

/** Routes of Ollama. */
const OLLAMA_PATH =
  "/api/:route{version|tags|show|ps|chat|generate|embed|embeddings|pull|push|create|copy|delete}";

/** Answers a request; never rejects. Disposing it ends answers that would go on for ever. */
export interface ApiHandler extends Disposable {
  (request: Request, caller?: CallerSignal): Promise<Response>;
  /** What is answered, beside text. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

/** Routes: `/healthz` (and `/health`, as servers of models have it) it lives, `/readyz` it does what was asked, `/api/v1/status` all figures. */
export function apiHandler(options: ApiOptions): ApiHandler {
  const app = new Hono<RouteEnvironment>({ strict: false });
  const fail = (failure: Failure, { env }: { readonly env: RequestFacts }) => failureResponse(failure, env);
  app.use(bodyLimit({
    maxSize: options.maxBodyBytes,
    onError: (context) => fail(tooLong(options.maxBodyBytes), context),
  }));
  for (const path of ["/healthz", "/health"]) {
    app.get(path, (context) => context.json({ schema: 1, ok: true }));
  }
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
  if (options.text !== undefined) {
    const { text: models, world, log } = options;
    const parts: TextRouteParts = {
      models,
      world: { ...world, log },
      version: () => options.status().version,
    };
    app.all(OLLAMA_PATH, lazyRoutes(async () => (await import("./ollama/routes.ts")).ollamaRoutes(parts)));
    const messages = lazyRoutes(async () => (await import("./anthropic/routes.ts")).anthropicRoutes(parts));
    for (const path of ["/v1/messages", "/v1/messages/count_tokens"]) app.all(path, messages);
    app.all("/v1/*", lazyRoutes(async () => (await import("./openai/routes.ts")).openaiRoutes(parts)));
  }
  if (options.swarm !== undefined) app.route("/api/v1", swarmRoutes(options.swarm));
  const feed = new EventFeed({ clock: options.world.clock, log: options.log }, options);
  app.get("/api/v1/events", () => feed.open());
  if (options.pause !== undefined) {
    const { world: { clock }, pause, status } = options;
    app.route("/api/v1/pause", pauseRoutes({ clock, pause, policy: () => status().policy }));
  }
  if (options.own !== undefined) app.route("/api/v1/own-peers", ownPeerRoutes(options.own));
  const page = lazyRoutes(async () => (await import("./pages/dashboard.ts")).dashboardRoutes(options.status));
  for (const path of ["/", "/assets/*"]) app.get(path, page);
  const map = lazyRoutes(async () => (await import("./pages/map.ts")).mapRoutes());
  for (const path of ["/map", "/map/assets/*"]) app.get(path, map);
  app.get("/openapi.json", async (context) => {
    const { openApiDocument } = await import("./openapi/document.ts");
    return context.json(openApiDocument({
      version: options.status().version,
      wantsKey: (options.apiKeys ?? []).length > 0,
      // what is asked before every route is found on every path
      has: (path) => ["GET", "POST"].some((method) => app.router.match(method, path)[0].length > 1),
    }));
  });
  app.notFound((context) =>
    wrongMethod(app, context.req, context.env) ?? fail(noRoute(context.req.path), context)
  );
  app.onError((error, context) => {
    if (!(error instanceof NodeError)) options.log.warn("API request failed", { error });
    return fail(failureOf(error), context);
  });
  const door = accessDoor(options.world.random, options);
  const answer: ApiHandler = Object.assign(
    (request: Request, caller?: CallerSignal) =>
      door(request, async (admitted, facts) => await app.fetch(admitted, facts), caller),
    {
      routes: app.routes.filter(({ method }) => method !== "ALL"),
      [Symbol.dispose]: () => feed[Symbol.dispose](),
    },
  );
  return answer;
}

const tooLong = (most: number): Failure => ({
  status: 413,
  code: "too_large",
  message: `Cannot read the request: its body is too long, wanted at most ${most} bytes`,
});
const noRoute = (path: string): Failure => ({
  status: 404,
  code: "not_found",
  message: `Cannot find ${path}: there is no such route, wanted a known one`,
});
