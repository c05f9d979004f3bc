/**
 * The page at `/map`: the swarm as this node sees it.
 *
 * @module
 */
import { showDetails } from "./map_details.js";
import { openList } from "./map_list.js";
import { keyOf, pickServers, SORTS } from "./map_rows.js";
import { headline, plain, programOf, reachedOf } from "./map_words.js";
import { byId, listen, put } from "./read.js";
import { span } from "./words.js";

/** Between two looks at the swarm. */
const REFRESH_MS = 30_000;

const wish = { text: "", model: "", profile: "", sort: "blocks", descending: false };
let swarm;
let now = 0;
/** By the node's clock; absent until it has told the time after a look. */
let dueAt;
let looking = false;
/** The key of the server whose details are open. */
let chosen;
/** A peer that is to be shown as soon as it is known. */
let wanted = new URL(location.href).searchParams.get("peer")?.trim() || undefined;
const list = openList(byId("grid"), (key, { byKey }) => choose(key, byKey));

async function look() {
  if (looking) return;
  looking = true;
  dueAt = undefined;
  try {
    const answer = await fetch("/api/v1/swarm", { headers: { accept: "application/json" } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error?.message ?? `The node answered with status ${answer.status}`);
    swarm = body;
    put("problem", "");
    showSwarm();
  } catch (error) {
    put("problem", error instanceof TypeError ? "The node did not answer" : plain(error.message, 300));
    if (swarm === undefined) put("headline", "The swarm is not known");
  } finally {
    looking = false;
  }
}

function showSwarm() {
  const words = headline(swarm.models);
  put("headline", words);
  document.title = `kwaainet map: ${words}`;
  byId("headline-box").dataset.state = swarm.models.length === 0
    ? "none"
    : swarm.models.some(({ missing }) => missing.length > 0)
    ? "lacking"
    : "whole";
  showFacts();
  offerModels();
  byId("map").hidden = swarm.models.length === 0;
  list.setModels(swarm.models);
  showRows();
  if (wanted !== undefined) find(wanted);
  else if (chosen !== undefined) showChosen();
}

function showFacts() {
  if (swarm === undefined) return;
  const servers = swarm.models.flatMap((model) => model.servers);
  const parts = (nameIt, names) =>
    names.map((name) => [servers.filter((server) => nameIt(server) === name).length, name])
      .filter(([number]) => number > 0)
      .map(([number, name]) => `${number.toLocaleString("en")} ${name}`).join(", ");
  const reached = parts(reachedOf, ["yes", "no", "unknown"])
    .replace(" yes", " reached").replace(" no", " not reached").replace(" unknown", " not asked");
  put(
    "facts",
    [
      `${swarm.network} network`,
      parts(programOf, ["kwaainet", "Petals", "other"]),
      reached,
      now === 0 ? "" : `read ${span((now - swarm.readAt) / 1000)} ago`,
    ].filter((part) => part !== "").join(" · "),
  );
}

function offerModels() {
  const select = byId("model");
  const prefixes = swarm.models.map(({ prefix }) => prefix);
  if (select.dataset.prefixes === prefixes.join("\n")) return;
  select.dataset.prefixes = prefixes.join("\n");
  const option = (value, words) =>
    Object.assign(document.createElement("option"), { value, textContent: words });
  select.replaceChildren(option("", "all"), ...prefixes.map((prefix) => option(prefix, plain(prefix))));
  if (!prefixes.includes(wish.model)) wish.model = "";
  select.value = wish.model;
}

function showRows() {
  if (swarm === undefined) return;
  const isNarrow = wish.text.trim() !== "" || wish.profile !== "";
  let shown = 0;
  let all = 0;
  list.setRows((model) => {
    all += model.servers.length;
    if (wish.model !== "" && model.prefix !== wish.model) return undefined;
    const rows = pickServers(model.servers, wish);
    shown += rows.length;
    return rows.length === 0 && isNarrow ? undefined : rows;
  });
  put(
    "shown",
    shown === all
      ? `All ${all.toLocaleString("en")} shown`
      : shown === 0
      ? "No server matches"
      : `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} shown`,
  );
}

/** The model and the server of a key; `undefined` where it has left. */
function entryOf(key) {
  for (const model of swarm.models) {
    const server = model.servers.find((one) => keyOf(model, one) === key);
    if (server !== undefined) return { model, server };
  }
  return { model: undefined, server: undefined };
}

function showChosen() {
  const entry = entryOf(chosen);
  showDetails(entry, now || swarm.readAt);
  byId("layout").dataset.open = "yes";
}

function choose(key, byKey) {
  chosen = key;
  wanted = undefined;
  put("find-note", "");
  showChosen();
  list.mark(key);
  const { server } = entryOf(key);
  if (server !== undefined) {
    history.replaceState(null, "", `/map?peer=${encodeURIComponent(server.peerId)}`);
  }
  if (byKey) byId("details").focus();
}

function close() {
  chosen = undefined;
  byId("details").hidden = true;
  delete byId("layout").dataset.open;
  list.mark(undefined);
  history.replaceState(null, "", "/map");
  byId("grid").focus({ preventScroll: true });
}

/** Shows a peer by its whole id, whatever is filtered. */
function find(peerId, absent) {
  const model = swarm.models.find(({ servers }) => servers.some((server) => server.peerId === peerId));
  if (model === undefined) {
    put(
      "find-note",
      absent ??
        `${plain(peerId, 120)} is not here: it serves nothing now, or its record has not come to this node`,
    );
    return;
  }
  const key = keyOf(model, model.servers.find((server) => server.peerId === peerId));
  Object.assign(wish, { text: "", model: "", profile: "" });
  for (const id of ["text", "model", "profile"]) byId(id).value = "";
  showRows();
  choose(key, false);
  list.go(key);
}

function sortBy(name) {
  const isAgain = wish.sort === name;
  wish.descending = isAgain ? !wish.descending : SORTS[name];
  wish.sort = name;
  for (const head of byId("heads").children) {
    const isIt = head.dataset.sort === name;
    head.setAttribute("aria-sort", isIt ? (wish.descending ? "descending" : "ascending") : "none");
  }
  showRows();
}

for (const id of ["text", "model", "profile"]) {
  byId(id).addEventListener("input", ({ target }) => {
    wish[id] = target.value;
    wanted = undefined;
    showRows();
  });
}
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = list.first();
  if (key === undefined) return;
  list.go(key);
  choose(key, false);
});
byId("find-own").addEventListener("click", () => {
  if (swarm !== undefined) find(swarm.self, "This node serves no blocks, so it is not on the map");
});
byId("heads").addEventListener("click", ({ target }) => {
  const name = target.closest("[data-sort]")?.dataset.sort;
  if (name !== undefined) sortBy(name);
});
byId("details-close").addEventListener("click", close);
addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && chosen !== undefined) close();
});

const LINKS = {
  on: "Live",
  off: "Not live while it is hidden",
  lost: "Connection lost; trying again",
  full: "Not live: the node refused, other pages of it may be open; reload to try again",
};
if (document.hidden) dueAt = 0;
else look();
listen({
  link(state) {
    byId("live").dataset.state = state === "full" ? "lost" : state;
    put("live", LINKS[state]);
  },
  time(time) {
    now = time.now;
    showFacts();
    dueAt ??= now + REFRESH_MS;
    if (now >= dueAt) look();
  },
  status() {},
  energy() {},
});
