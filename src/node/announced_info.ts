/**
 * What a record in the DHT says of this node.
 *
 * @module
 */
import { lengthOf } from "../base/tensor.ts";
import type { ModelSource } from "../model/source.ts";
import type { AnnouncedInfo } from "../petals/server/announce.ts";
import { throughputOf } from "../petals/server/throughput.ts";
import { announcedVersion } from "../petals/version.ts";
import type { ServingContext } from "./parts.ts";
import type { ServingState } from "./serving_state.ts";

/** Announced before anything was measured: below every server that was. */
const UNMEASURED = 1;

/** Rates as measured, room as it is now. */
export function announcedInfo(
  { plan: { config, version }, contribution }: ServingContext,
  { served, loaded, server, rates, nextPings }: ServingState,
  { architecture }: ModelSource,
): AnnouncedInfo {
  // petals 2.2 `throughput.py`: a request carries one hidden state of two-byte values
  const networkRps = config["announce.bandwidth_mbit"] * 1e6 / (architecture.hiddenSize * 16);
  const blocks = served === undefined ? 1 : lengthOf(served.blocks);
  return {
    throughput: rates === undefined ? UNMEASURED : contribution.decision.share *
      throughputOf(blocks, { forwardRps: rates.forwardRps, networkRps, usingRelay: false }),
    publicName: config.name,
    version: announcedVersion(version),
    networkRps,
    forwardRps: rates?.forwardRps,
    inferenceRps: rates?.inferenceRps,
    adapters: [],
    torchDtype: loaded?.dtype,
    quantType: "none",
    usingRelay: false,
    cacheTokensLeft: server?.cacheTokensLeft,
    nextPings: nextPings?.seconds,
  };
}
