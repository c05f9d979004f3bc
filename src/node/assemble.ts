/**
 * The real parts of a node.
 *
 * @module
 */
import { apiHandler } from "../api/handler.ts";
import { openApiServer, splitHostPort } from "../api/server.ts";
import { toHex } from "../base/bytes.ts";
import { openCpuLoad } from "../device/cpu_load.ts";
import { diskFreeBytes } from "../device/disk.ts";
import { openOtherLoad } from "../device/other_load.ts";
import { openPortsTo } from "../device/sockets.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { energyFamilies } from "./energy_families.ts";
import { watchMetered } from "../device/metered.ts";
import { watchThrottled } from "../device/throttled.ts";
import { findModel, resolveContext } from "./find_model.ts";
import { availableBytes, openEngine } from "./open_compute.ts";
import { openServing } from "./open_serving.ts";
import { openDataLock } from "./lock.ts";
import { draftSource } from "./open_draft.ts";
import { openContribution } from "./contribute.ts";
import { openCarbon } from "./open_carbon.ts";
import { openEnergy } from "./open_energy.ts";
import { openOwnPower } from "./open_own_power.ts";
import { openNetwork } from "./open_network.ts";
import { openAsking } from "./open_asking.ts";
import { mostTextRequests } from "./open_text.ts";
import type { NodeParts, ServingContext } from "./parts.ts";
import type { ServingParts } from "./serving_parts.ts";

/** Length of the key by which verbs ask their own node. */
const OWN_KEY_BYTES = 24;

/** Lock, network, API and serving as they are on a machine. */
export const realParts = (environment: Readonly<Record<string, string>>): NodeParts => ({
  openLock: (world, plan) => openDataLock(world.clock, plan.paths),
  openNetwork,
  openContribution: (world, { config, paths }, needs) => {
    const files = openSystemFiles(config);
    return openContribution(world, {
      ...needs,
      config,
      files,
      diskFreeBytes: () => diskFreeBytes(paths.root),
      otherLoad: openOtherLoad(files),
      supply: watchThrottled(world, files),
      metered: watchMetered(world),
    });
  },
  openCarbon: (world, { config, paths }, table) => {
    const productionSold = config["certificates.production_certified"];
    return openCarbon(world, { config, folder: paths.ledger, table, productionSold });
  },
  openOwnPower: (world, { config, paths }, nodeWatts) =>
    openOwnPower(world, { config, folder: paths.ledger, nodeWatts }),
  openEnergy: (world, { config }) => {
    const files = openSystemFiles(config);
    return openEnergy(world, { families: energyFamilies(world, files, config), cpu: openCpuLoad(files) });
  },
  openApi: (world, { config }, shown) => {
    const files = openSystemFiles(config);
    const keys = config["http.api_keys"] ?? [];
    // verbs on this machine ask with a key of their own, which only the data folder's owner can read
    const ownKey = keys.length === 0 ? undefined : toHex(world.random(OWN_KEY_BYTES));
    const server = openApiServer(
      world,
      config.api,
      apiHandler({
        ...shown,
        world,
        // who binds an address means to call it by that
        allowedHosts: [...config["http.allowed_hosts"], splitHostPort(config.api).hostname],
        apiKeys: ownKey === undefined ? [] : [...keys, ownKey],
        corsOrigins: config["http.cors_origins"],
        maxTextRequests: mostTextRequests(config),
        maxBodyBytes: config["http.max_body_bytes"],
        log: world.log.child("api"),
      }),
      (port) => openPortsTo(files, port),
    );
    return { ...server, ownKey };
  },
  openServing: (context) => openServing(context, servingParts(context, environment)),
  openAsking: (context) => openAsking(context, servingParts(context, environment)),
});

const servingParts = (
  { world, plan: { config, paths } }: ServingContext,
  environment: Readonly<Record<string, string>>,
): ServingParts => ({
  openModel: ({ model, asks, paths }, tell, signal) =>
    findModel(resolveContext(world, { paths, environment }, tell), (model ?? asks)!, signal),
  openEngine: ({ world, plan: { config, paths }, health }, _model, signal) =>
    openEngine(world, { config, paths, onSilence: (isSilent) => health.silence(isSilent) }, signal),
  draft: draftSource(world, { config, paths, environment }),
  availableBytes: () => availableBytes(config),
});
