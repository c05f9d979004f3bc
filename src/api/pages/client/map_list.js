/**
 * The models and their servers as one grid. Only rows in view are elements; keys move an active row, and the focus stays on
 * the grid.
 *
 * @module
 */
import { make, modelHead, serverRow } from "./map_row.js";
import { keyOf, visibleRows } from "./map_rows.js";
import { drawStrip } from "./map_strip.js";

/** Rows that a page key moves by. */
const PAGE_ROWS = 10;

/** Opens the grid. `choose(key)` is called for the row that was pressed. */
export function openList(grid, choose) {
  const place = grid.querySelector("#models");
  let sections = [];
  let rowHeight = 40;
  let active;
  let chosen;
  /** Where the window stood before models were put in place. */
  let stoodAt;

  const measure = () => {
    const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
    rowHeight = parseFloat(getComputedStyle(place).getPropertyValue("--row")) * root || 40;
    for (const section of sections) size(section);
  };
  const size = ({ body, rows }) => body.style.height = `${rows.length * rowHeight}px`;
  const draw = () => {
    for (const { strip, model } of sections) drawStrip(strip, model);
  };
  const render = () => {
    for (const section of sections) renderRows(section);
    const row = grid.querySelector(".row.active");
    if (row === null) grid.removeAttribute("aria-activedescendant");
    else grid.setAttribute("aria-activedescendant", row.id);
  };
  const renderRows = (section) => {
    const { body, rows, shown, model, element } = section;
    if (element.hidden) return;
    const top = body.getBoundingClientRect().top;
    const [first, last] = visibleRows({ top, viewHeight: innerHeight, rowHeight, count: rows.length });
    const wanted = new Set();
    for (let row = first; row < last; row++) wanted.add(row);
    const activeRow = rows.findIndex((server) => keyOf(model, server) === active);
    if (activeRow >= 0) wanted.add(activeRow);
    for (const [row, old] of shown) {
      if (wanted.has(row)) continue;
      old.remove();
      shown.delete(row);
    }
    for (const row of wanted) if (!shown.has(row)) shown.set(row, body.appendChild(rowElement(section, row)));
  };
  const rowElement = (section, row) => {
    const { model, rows, firstRow, number } = section;
    const server = rows[row];
    const key = keyOf(model, server);
    const element = serverRow({
      model,
      server,
      id: `row-${number}-${row}`,
      rowIndex: firstRow + row,
      isActive: key === active,
      isChosen: key === chosen,
    });
    element.dataset.key = key;
    element.style.transform = `translateY(${row * rowHeight}px)`;
    return element;
  };
  /** Draws all rows anew: they, or what is marked, changed. */
  const again = () => {
    for (const { body, shown } of sections) {
      body.replaceChildren();
      shown.clear();
    }
    render();
  };
  const flat = () =>
    sections.filter(({ element }) => !element.hidden).flatMap((section) =>
      section.rows.map((server, row) => ({ section, row, key: keyOf(section.model, server) }))
    );
  const reveal = (key, { calm = false } = {}) => {
    const found = flat().find((one) => one.key === key);
    if (found === undefined) return false;
    const { section: { body, head }, row } = found;
    const top = body.getBoundingClientRect().top + row * rowHeight;
    const covered = head.getBoundingClientRect().height + stickyTop();
    const isSeen = top >= covered && top + rowHeight <= innerHeight;
    if (!isSeen) {
      const nearest = top < covered ? top - covered : top + rowHeight - innerHeight + rowHeight;
      scrollBy(0, calm ? nearest : top - Math.max(covered, innerHeight / 3));
    }
    return true;
  };
  const stickyTop = () => parseFloat(getComputedStyle(sections[0].head).top) || 0;
  const move = (to, options) => {
    active = to;
    reveal(to, options);
    again();
  };

  grid.addEventListener("click", ({ target }) => {
    const key = target.closest?.(".row")?.dataset.key;
    if (key === undefined) return;
    active = key;
    choose(key, { byKey: false });
  });
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid) return;
    const all = flat();
    if (all.length === 0) return;
    const at = all.findIndex(({ key }) => key === active);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? 0 : at - 1,
      PageDown: at + PAGE_ROWS,
      PageUp: at - PAGE_ROWS,
      Home: 0,
      End: all.length - 1,
    }[event.key];
    if (to !== undefined) move(all[Math.min(all.length - 1, Math.max(0, to))].key, { calm: true });
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) choose(active, { byKey: true });
    else return;
    event.preventDefault();
  });
  addEventListener("scroll", render, { passive: true });
  new ResizeObserver(() => {
    measure();
    draw();
    again();
  }).observe(grid);
  addEventListener("resize", render);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  return {
    /** Puts other models in place. */
    setModels(models) {
      sections = models.map((model, number) => {
        const { element: head, strip } = modelHead(model);
        const body = make("div", "rows-body", "");
        body.setAttribute("role", "none");
        const element = make("div", "model", "", head, body);
        element.setAttribute("role", "rowgroup");
        element.setAttribute("aria-label", model.prefix);
        return { model, number, element, head, strip, body, rows: [], shown: new Map(), firstRow: 0 };
      });
      // rows come a moment later; until then the page must not become short, or the window would jump
      stoodAt = scrollY;
      place.style.minHeight = `${place.offsetHeight}px`;
      place.replaceChildren(...sections.map(({ element }) => element));
      measure();
    },
    /** Shows the servers that `pick` gives for each model; `undefined` leaves the model out. */
    setRows(pick) {
      let next = 2;
      for (const section of sections) {
        const rows = pick(section.model);
        section.element.hidden = rows === undefined;
        section.rows = rows ?? [];
        section.head.setAttribute("aria-rowindex", String(next));
        section.firstRow = next + 1;
        if (rows !== undefined) next += 1 + rows.length;
        size(section);
      }
      grid.setAttribute("aria-rowcount", String(next - 1));
      place.style.minHeight = "";
      if (stoodAt !== undefined) scrollTo(0, stoodAt);
      stoodAt = undefined;
      draw();
      again();
    },
    /** Marks the row as the one whose details are shown. */
    mark(key) {
      chosen = key;
      again();
    },
    /** Brings the row into view and makes it the active one. Whether there is such a row. */
    go(key) {
      active = key;
      const isThere = reveal(key);
      again();
      return isThere;
    },
    /** The key of the first row that is shown. */
    first: () => flat()[0]?.key,
  };
}
