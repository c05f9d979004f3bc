/**
 * What the map says in words. Pure, so that tests run them.
 *
 * @module
 */
import { count, UNKNOWN } from "./words.js";

/** Longest name of a server or model that is shown. */
const MAX_NAME = 80;
/** Runs of blocks that are named one by one. */
const MAX_RUNS = 4;
/** Models whose gaps the heading names. */
const MAX_MODELS_NAMED = 2;
// deno-lint-ignore no-control-regex -- those are what is taken out
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;

/** Words of strangers on one line: no control signs, none that turn the direction of writing, and an end. */
export function plain(text, most = MAX_NAME) {
  const letters = [...String(text ?? "").slice(0, 4 * most).replace(UNSEEN, " ").trim()];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : letters.join("");
}

/** The end of a peer id: all of one kind begin alike. */
export const shortPeer = (peerId) => peerId.length > 12 ? `…${peerId.slice(-8)}` : peerId;

/** What a server is called: the name it gave itself, or else the end of its peer id. */
export const nameOf = ({ name, peerId }) => plain(name) || shortPeer(plain(peerId));

const one = ([start, end]) => end - start === 1 ? `${start}` : `${start} to ${end - 1}`;

/** Half-open runs of blocks: `block 3`, `blocks 3, 7 and 12 to 15`. */
export function blocksInWords(runs) {
  const named = runs.slice(0, MAX_RUNS).map(one);
  if (runs.length > MAX_RUNS) named.push(`${runs.length - MAX_RUNS} more stretches`);
  const isOne = runs.length === 1 && runs[0][1] - runs[0][0] === 1;
  const last = named.pop();
  return `${isOne ? "block" : "blocks"} ${named.length === 0 ? last : `${named.join(", ")} and ${last}`}`;
}

/** Whether a server can be counted on: it is online, and was not asked in vain. */
const isOnline = ({ state, reachable }) => state === "online" && reachable !== false;

/** How many servers of `models` are online; one that serves several models counts once. */
export const onlineOf = (models) =>
  new Set(models.flatMap(({ servers }) => servers.filter(isOnline)).map(({ peerId }) => peerId)).size;

/** The heading: how much there is, and which blocks nobody serves. */
export function headline(models) {
  if (models.length === 0) return "No model is served in this swarm, as far as this node sees";
  const start = `${count(models.length, "model")}, ${count(onlineOf(models), "server")} online`;
  const lacking = models.filter(({ missing }) => missing.length > 0);
  if (lacking.length === 0) return `${start}; every block is served`;
  const named = lacking.slice(0, MAX_MODELS_NAMED).map((model) =>
    `${gapsOf(model)} of ${plain(model.prefix)}${silentNote(model)}`
  );
  const more = lacking.length - named.length;
  return `${start}; nobody serves ${named.join(", or ")}${
    more === 0 ? "" : `, and ${count(more, "more model")} ${more === 1 ? "has" : "have"} gaps`
  }`;
}

const isWhole = (missing, blocks) => missing.length === 1 && missing[0][1] - missing[0][0] === blocks;
const gapsOf = ({ missing, blocks }) => isWhole(missing, blocks) ? "any block" : blocksInWords(missing);
const isAllSilent = ({ missing, silent }) => JSON.stringify(missing) === JSON.stringify(silent);
const silentNote = (model) =>
  model.silent.length === 0 ? "" : ` (${isAllSilent(model) ? "" : "some "}announced, but without an answer)`;

/** A model in a line: servers and what is thin. */
export function modelWords({ blocks, servers, coverage }) {
  const online = servers.filter(isOnline).length;
  const joining = servers.filter(({ state }) => state === "joining").length;
  const away = servers.length - online - joining;
  const [least, most] = [Math.min(...coverage), Math.max(...coverage)];
  return [
    count(blocks, "block"),
    `${count(online, "server")} online`,
    away === 0 ? "" : `${away} without an answer`,
    joining === 0 ? "" : `${joining} joining`,
    coverage.length === 0
      ? ""
      : least === most
      ? `${count(least, "server")} for each block`
      : `${least} to ${count(most, "server")} for each block`,
  ].filter((part) => part !== "").join(" · ");
}

/** What nobody serves of a model. */
export function gapWords(model) {
  if (model.missing.length === 0) return "Every block is served";
  const gap = `Nobody serves ${gapsOf(model)}`;
  if (model.silent.length === 0) return gap;
  return `${gap}; who announces ${isAllSilent(model) ? "them" : blocksInWords(model.silent)} gave no answer`;
}

/** Who serves a block, beside its number. */
export function blockWords({ coverage, silent }, block) {
  if (coverage[block] > 0) return `block ${block}: ${coverage[block]}`;
  const isSilent = silent.some(([start, end]) => block >= start && block < end);
  return `block ${block}: ${isSilent ? "no answer" : "nobody"}`;
}

/** Blocks of a server as a range that is shown: `8–15`. */
export const rangeOf = ([start, end]) =>
  end <= start ? UNKNOWN : end - start === 1 ? `${start}` : `${start}–${end - 1}`;

const PROGRAMS = { kwaainet: "kwaainet", petals: "Petals", other: "other" };

/** What kind of program a server is. */
export const programOf = ({ profile }) => PROGRAMS[profile] ?? "other";

/** The version of a server, without the mark that says which program it is of. */
export const versionOf = ({ version }) => plain(version, 40).replace(/\+kwaainet$/, "");

/** Whether this node reached a server. */
export const reachedOf = ({ reachable }) =>
  reachable === true ? "yes" : reachable === false ? "no" : "unknown";

/** Milliseconds there and back. */
export const rttOf = ({ rttMs }) =>
  rttMs === null || rttMs === undefined ? "" : `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`;
