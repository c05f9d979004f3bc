/**
 * Lines over the last minutes.
 *
 * @module
 */
import { clock, figure, span } from "./words.js";

/** Points kept, and how long that is: ten minutes of rounds. */
const KEPT = 300;
const SECONDS = 600;
const HEIGHT = 148;
const colour = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A plot of one figure in the figure element `root`, hidden until there is something to show. */
export function openPlot(root, { title, unit }) {
  const times = [];
  const values = [];
  const caption = document.createElement("figcaption");
  const said = caption.appendChild(document.createElement("span"));
  const pointed = caption.appendChild(document.createElement("span"));
  root.setAttribute("role", "figure");
  let plot;
  const axis = (more) => ({
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...more,
  });
  const make = () => {
    const box = root.appendChild(document.createElement("div"));
    box.setAttribute("role", "img");
    root.append(caption);
    plot = new globalThis.uPlot(
      {
        width: Math.max(200, root.clientWidth),
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 7 }, drag: { setScale: false } },
        scales: {
          x: { range: (_, __, newest) => [newest - SECONDS, newest] },
          y: { range: (_, __, most) => [0, Math.max(most * 1.15, 1)] },
        },
        axes: [
          axis({
            size: 26,
            incrs: [120, 300],
            values: (_, at) => at.map((seconds) => clock(1000 * seconds)),
          }),
          axis({ size: 44, space: 34, values: (_, at) => at.map(figure) }),
        ],
        series: [{}, {
          label: title,
          stroke: colour("--own"),
          fill: colour("--fill"),
          width: 1.5,
          points: { show: false },
          spanGaps: false,
        }],
        hooks: { setCursor: [({ cursor: { idx } }) => point(idx)] },
      },
      [times, values],
      box,
    );
    new ResizeObserver(() => plot.setSize({ width: Math.max(200, root.clientWidth), height: HEIGHT }))
      .observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw(false));
    return box;
  };
  const point = (at) => {
    const value = at === null || at === undefined ? undefined : values[at];
    pointed.textContent = typeof value === "number"
      ? `${figure(value)} ${unit} at ${clock(1000 * times[at], true)}`
      : "";
  };
  let box;
  return {
    /** Adds a figure, null for none; `now` is Unix ms. */
    add(now, value) {
      times.push(now / 1000);
      values.push(value);
      while (times.length > KEPT) times.shift(), values.shift();
      const known = values.filter((one) => one !== null);
      if (known.length < 2 || globalThis.uPlot === undefined) return;
      root.hidden = false;
      box ??= make();
      const [least, most] = [Math.min(...known), Math.max(...known)];
      const stretch = span(times.at(-1) - times[0]);
      const words = `${title} over the last ${stretch}: ${figure(least)} to ${figure(most)} ${unit}`;
      said.textContent = words;
      box.setAttribute("aria-label", words);
      plot.setData([times, values]);
    },
    /** A gap: what lies before and after is not joined. */
    gap() {
      if (times.length === 0) return;
      times.push(times.at(-1) + 0.001);
      values.push(null);
    },
  };
}
