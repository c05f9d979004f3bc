/**
 * Which servers are shown, in which order, and which of them are in view. Pure, so that tests run them.
 *
 * @module
 */
import { nameOf } from "./map_words.js";

/** Rows kept above and below those in view, so that a quick hand finds them drawn. */
const SPARE_ROWS = 8;

/**
 * The half-open range of rows in view, and some around them. `top` is where the first row begins below the top of the window,
 * negative once it has left it.
 */
export function visibleRows({ top, viewHeight, rowHeight, count }) {
  const first = Math.floor(-top / rowHeight) - SPARE_ROWS;
  const last = Math.ceil((viewHeight - top) / rowHeight) + SPARE_ROWS;
  const within = (row) => Math.min(count, Math.max(0, row));
  return [within(first), Math.max(within(first), within(last))];
}

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** What a server is sorted by; what is not known comes last either way. */
const VALUES = {
  blocks: ({ blocks: [start, end] }) => start + end / 1e6,
  name: (server) => nameOf(server).replace(/^…/, "").toLowerCase(),
  program: ({ profile, version }) => `${profile} ${version ?? ""}`,
  speed: ({ throughput }) => throughput,
  cache: ({ cacheTokensLeft }) => cacheTokensLeft,
  reached: ({ reachable, rttMs }) =>
    known(rttMs) ? rttMs : reachable === true ? 1e6 : reachable === false ? 1e7 : undefined,
};

/** What servers can be sorted by, and whether the first press on it shows the greatest first. */
export const SORTS = { name: false, blocks: false, program: false, speed: true, cache: true, reached: false };

/** Whether a server is meant by what was typed: a part of its name or peer id. */
export function isMeant({ name, peerId }, text) {
  const wanted = text.trim().toLowerCase();
  return wanted === "" || peerId.toLowerCase().includes(wanted) ||
    (name ?? "").toLowerCase().includes(wanted);
}

/** The servers to show, in order. */
export function pickServers(servers, { text = "", profile = "", sort = "blocks", descending = false }) {
  const sign = descending ? -1 : 1;
  return servers
    .filter((server) => (profile === "" || server.profile === profile) && isMeant(server, text))
    .map((server) => ({ server, value: VALUES[sort](server) }))
    .sort((a, b) => compare(a.value, b.value, sign) || compare(a.server.peerId, b.server.peerId, 1))
    .map(({ server }) => server);
}

function compare(a, b, sign) {
  if (typeof a === "string" || typeof b === "string") return sign * (a < b ? -1 : a > b ? 1 : 0);
  if (!known(a) || !known(b)) return Number(known(b)) - Number(known(a));
  return sign * (a - b);
}

/** What names a server in a model: a peer may serve several. */
export const keyOf = (model, server) => `${model.prefix}\n${server.peerId}`;
