/**
 * One model's head and one server's row.
 *
 * @module
 */
import {
  blockWords,
  gapWords,
  modelWords,
  nameOf,
  plain,
  programOf,
  rangeOf,
  reachedOf,
  rttOf,
  shortPeer,
  versionOf,
} from "./map_words.js";
import { figure } from "./words.js";

/** An element with a class, words and what lies in it. */
export function make(tag, className, text, ...children) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  if (text !== "") element.textContent = text;
  element.append(...children);
  return element;
}

/** The same with a role. */
function withRole(role, element) {
  element.setAttribute("role", role);
  return element;
}

const cell = (className, text, ...children) =>
  withRole("gridcell", make("div", className, text, ...children));

/** The head of a model: its name, in words what there is, and the strip of its blocks. */
export function modelHead(model) {
  const strip = make("canvas", "strip-canvas", "");
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", `${gapWords(model)}. ${modelWords(model)}`);
  const pointed = make("span", "pointed", "");
  const last = model.coverage.length - 1;
  const axis = make("div", "axis", "", make("span", "", "0"), pointed, make("span", "", String(last)));
  axis.setAttribute("aria-hidden", "true");
  strip.addEventListener("pointermove", ({ offsetX }) => {
    const block = Math.min(last, Math.max(0, Math.floor(offsetX / strip.clientWidth * (last + 1))));
    pointed.textContent = blockWords(model, block);
  });
  strip.addEventListener("pointerleave", () => pointed.textContent = "");
  const gap = make("p", model.missing.length > 0 ? "gap lacking" : "gap", gapWords(model));
  const whole = cell(
    "head-cell",
    "",
    make("h2", "", plain(model.prefix)),
    make("p", "model-words", modelWords(model)),
    gap,
    make("div", "coverage", "", strip, axis),
  );
  whole.setAttribute("aria-colspan", "6");
  return { element: withRole("row", make("div", "model-head", "", whole)), strip };
}

/** A server as a row; `id` names it for those who move by keys. */
export function serverRow({ model, server, id, rowIndex, isActive, isChosen }) {
  const [start, end] = server.blocks.map((block) => Math.min(model.blocks, Math.max(0, block)));
  const bar = make("span", `bar ${server.self ? "own" : server.state === "joining" ? "joining" : ""}`, "");
  if (server.reachable === false) bar.classList.add("unreached");
  bar.style.left = `${100 * start / Math.max(1, model.blocks)}%`;
  bar.style.width = `${100 * Math.max(0, end - start) / Math.max(1, model.blocks)}%`;
  const badges = make("span", "badges", "");
  if (server.self) badges.append(make("span", "badge mine", "this node"));
  if (server.state === "joining") badges.append(make("span", "badge", "joining"));
  badges.append(pledgeSlot(server));
  const name = make("span", "who", nameOf(server));
  name.title = plain(server.peerId);
  const peer = plain(server.name) === "" ? "" : shortPeer(plain(server.peerId));
  const version = make("span", "version", versionOf(server));
  const reached = reachedOf(server);
  const row = withRole(
    "row",
    make(
      "div",
      "row",
      "",
      cell("server", "", name, make("span", "peer", peer), badges),
      cell("blocks", "", make("span", "range", rangeOf([start, end])), make("span", "track", "", bar)),
      cell("program", "", make("span", "", programOf(server)), " ", version),
      cell("speed", figure(server.throughput)),
      cell("cache", figure(server.cacheTokensLeft)),
      cell(`reached ${reached}`, "", make("span", "", reached), " ", make("span", "rtt", rttOf(server))),
    ),
  );
  row.id = id;
  row.setAttribute("aria-rowindex", String(rowIndex));
  row.setAttribute("aria-selected", String(isChosen));
  if (isActive) row.classList.add("active");
  if (server.self) row.classList.add("self");
  return row;
}

/** Where the badge of a checked pledge stands, once there are such. */
export function pledgeSlot({ pledge }) {
  const slot = make("span", "pledge", "");
  slot.hidden = pledge === null || pledge === undefined;
  return slot;
}
