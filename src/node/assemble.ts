/**
 * The real parts of a node.
 *
 * @module
 */
import { apiHandler } from "../api/handler.ts";
import { openApiServer, splitHostPort } from "../api/server.ts";
import { openDataLock } from "./lock.ts";
import { openNetwork } from "./open_network.ts";
import type { NodeParts } from "./parts.ts";

/** Lock, network, API and serving as they are on a machine. */
export const realParts = (): NodeParts => ({
  openLock: (world, plan) => openDataLock(world.clock, plan.paths),
  openNetwork,
  openApi: (world, { config }, status) =>
    openApiServer(
      world,
      config.api,
      apiHandler({
        status,
        // who binds an address means to call it by that
        allowedHosts: [...config["http.allowed_hosts"], splitHostPort(config.api).hostname],
        maxBodyBytes: config["http.max_body_bytes"],
        log: world.log.child("api"),
      }),
    ),
  openServing: () => {
    throw new Error("not yet");
  },
});
