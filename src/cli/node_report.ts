/**
 * Events of a node, as people and as other programs read them.
 *
 * @module
 */
import { lengthOf } from "../base/tensor.ts";
import type { Clock } from "../base/world.ts";
import { blocksOf } from "../api/status.ts";
import type { NodeEvent, ServedModel, Tell } from "../node/events.ts";
import type { Output } from "./output.ts";
import { transferOn } from "./progress.ts";

/** One JSON object a line for each event that other programs may wait for. */
export function reportJson(output: Output, clock: Clock): Tell {
  return (event) => {
    switch (event.kind) {
      case "listening":
        return output.event(clock, event.kind, { peerId: event.peerId, addresses: event.addresses });
      case "loaded":
        return output.event(clock, event.kind, {
          ...servedFields(event),
          weightBytes: event.weightBytes,
          loadMs: Math.round(event.loadMs),
        });
      case "announced":
        return output.event(clock, event.kind, {
          blocks: blocksOf(event.blocks),
          acceptedBy: event.acceptedBy,
          expiresAt: Math.round(event.expiresAtMs),
        });
      case "ready":
        return output.event(clock, event.kind, {
          peerId: event.peerId,
          addresses: event.addresses,
          api: event.api,
          ...(event.served === undefined ? NOTHING_SERVED : servedFields(event.served)),
          version: event.version,
        });
      case "degraded":
        return output.event(clock, event.kind, { what: event.what, why: event.why });
      case "recovered":
        return output.event(clock, event.kind, { what: event.what });
      case "progress":
      case "answering":
        return;
    }
  };
}

const NOTHING_SERVED = { model: null, prefix: null, blocks: null, engine: null };
const servedFields = ({ model, prefix, blocks, engine }: ServedModel) => ({
  model,
  prefix,
  blocks: blocksOf(blocks),
  engine,
});

/**
 * One line an event. What other programs look for in the output of a serving node comes first and in this order:
 * blocks, model info, storage, running. Progress goes to stderr. The address of the API comes last; a node that cannot get so
 * far tells it with what is wrong.
 */
export function reportLines(output: Output): Tell {
  let announced: (NodeEvent & { kind: "announced" }) | undefined;
  let saidModelInfo = false;
  let untold: string | undefined;
  const transfer = transferOn(output);
  return (event) => {
    switch (event.kind) {
      case "listening":
        for (const address of event.addresses) output.line(`Listening on ${address}`);
        return;
      case "progress":
        return event.share === undefined ? output.error(event.text) : transfer(event.text, event.share);
      case "answering":
        untold = event.api;
        return;
      case "loaded":
        return output.line(
          `Loaded blocks ${event.blocks.start}:${event.blocks.end} of ${event.model} with ${event.engine} (${
            megabytes(event.weightBytes)
          }, ${seconds(event.loadMs)})`,
        );
      case "announced": {
        const first = announced === undefined;
        announced = event;
        if (first) {
          output.line(
            `Announced ${lengthOf(event.blocks)} blocks to ${event.acceptedBy.length} bootstrap peers`,
          );
        }
        if (event.modelInfo && !saidModelInfo) output.line("Announced model info to _petals.models");
        saidModelInfo ||= event.modelInfo;
        if (first) output.line(`DHT storage: ${event.entries} entries, ${event.valid} valid`);
        return;
      }
      case "ready":
        untold = undefined;
        output.line("[STATUS] Node is running!");
        return output.line(`Local API at ${event.api}`);
      case "degraded":
        output.line(`Degraded: ${event.what}: ${event.why}`);
        if (untold !== undefined) output.line(`Local API at ${untold} (it answers meanwhile)`);
        untold = undefined;
        return;
      case "recovered":
        return output.line(`Recovered: ${event.what}`);
    }
  };
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
