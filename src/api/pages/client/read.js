/**
 * What the node says, as it says it: server-sent events while the page is seen, and nothing while it is hidden.
 *
 * @module
 */

/**
 * Calls `on.time`, `on.status` and `on.energy` with what comes, `on.link` with `on`, `lost` or `full`. The node sends the time
 * with each round, so the page has no timer of its own.
 */
export function listen(on) {
  let source;
  const open = () => {
    if (source !== undefined || document.hidden) return;
    source = new EventSource("/api/v1/events");
    source.onopen = () => on.link("on");
    source.onerror = () => on.link(source?.readyState === EventSource.CLOSED ? "full" : "lost");
    for (const name of ["time", "status", "energy"]) {
      source.addEventListener(name, ({ data }) => on[name](JSON.parse(data)));
    }
  };
  const close = () => {
    source?.close();
    source = undefined;
    on.link("off");
  };
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  // a page that is kept in memory for the way back must not hold a connection
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

/** The JSON of a route; `undefined` where there is none, or no node. */
export async function ask(path) {
  try {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

/** The element with that id. */
export const byId = (id) => document.getElementById(id);

/** Sets a text, where it is another: screen readers tell changes. */
export function put(id, text) {
  const element = typeof id === "string" ? byId(id) : id;
  if (element.textContent !== text) element.textContent = text;
}
