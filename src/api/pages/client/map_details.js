/**
 * All that is known of one server.
 *
 * @module
 */
import { make, pledgeSlot } from "./map_row.js";
import { nameOf, plain, programOf, reachedOf, rttOf, versionOf } from "./map_words.js";
import { byId, put } from "./read.js";
import { figure, span, UNKNOWN } from "./words.js";

const REACHED = {
  yes: "yes, by this node",
  no: "no: it did not answer this node",
  unknown: "unknown: this node did not ask it",
};
const RELAYS = { true: "over a relay", false: "directly" };

/** Shows a server, or that it has left where `server` is `undefined`. `now` is the node's clock. */
export function showDetails({ model, server }, now) {
  byId("details").hidden = false;
  put("details-gone", server === undefined ? "This server is no longer announced." : "");
  if (server === undefined) return;
  const [start, end] = server.blocks;
  put("details-title", nameOf(server));
  const link = byId("details-link");
  link.href = `/map?peer=${encodeURIComponent(server.peerId)}`;
  const { blocks } = model;
  byId("details-pledge").replaceChildren(pledgeSlot(server));
  byId("details-rows").replaceChildren(...[
    ["Peer id", plain(server.peerId, 120), "code"],
    ["Model", plain(model.repository ?? model.prefix)],
    ["Blocks", end <= start ? UNKNOWN : `${start} to ${end - 1} of ${blocks}`],
    ["State", server.self ? `${server.state}; it is this node` : server.state],
    ["Program", `${programOf(server)}${server.version === null ? "" : ` ${versionOf(server)}`}`],
    ["Speed", `${figure(server.throughput)} tokens/s, as it says`],
    [
      "Steps",
      server.inferenceRps === null ? UNKNOWN : `${figure(server.inferenceRps)} a second through one block`,
    ],
    ["Cache left", server.cacheTokensLeft === null ? UNKNOWN : `${figure(server.cacheTokensLeft)} tokens`],
    ["Weights as", [server.quantisation, server.dtype].map((word) => plain(word)).filter(Boolean).join(", ")],
    ["Reached", REACHED[reachedOf(server)]],
    ["Round trip", rttOf(server)],
    ["Connected", RELAYS[server.usingRelay] ?? "it does not say"],
    ["Announced", `for another ${span((server.expiresAt - now) / 1000)}`],
  ].map(([name, value, className = ""]) =>
    make("div", "", "", make("dt", "", name), make("dd", className, value || UNKNOWN))
  ));
}
