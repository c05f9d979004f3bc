/**
 * The servers of each block as a strip: darker and higher where there are more, a hatched box where there is none, a dotted
 * one where it is announced and nobody answers.
 *
 * @module
 */

const HEIGHT = 34;
/** Height of a block that one server holds. */
const LEAST = 10;
/** A block nobody serves is at least as wide, however many there are. */
const MIN_GAP_WIDTH = 5;

/** Draws the blocks of a model on a canvas as wide as it is laid out. */
export function drawStrip(canvas, { coverage, silent }) {
  const width = canvas.clientWidth;
  if (width === 0 || coverage.length === 0) return;
  const scale = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = HEIGHT * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [bad, unsure, none] = [colour("--bad"), colour("--unsure"), colour("--none")];
  const isSilent = (block) => silent.some(([start, end]) => block >= start && block < end);
  const heat = ["--heat-1", "--heat-2", "--heat-3", "--heat-4", "--heat-5"].map(colour);
  const most = Math.max(1, ...coverage);
  const step = width / coverage.length;
  const seam = step >= 5 ? 1 : 0;
  const gaps = [];
  const silences = [];
  coverage.forEach((servers, block) => {
    const x = block * step;
    if (servers === 0) return (isSilent(block) ? silences : gaps).push([x, step]);
    const share = most === 1 ? 1 : Math.log(servers) / Math.log(most);
    const height = LEAST + (HEIGHT - LEAST) * share;
    pen.fillStyle = heat[Math.round(share * (heat.length - 1))];
    pen.fillRect(x, HEIGHT - height, step - seam, height);
  });
  const widthOf = (wide) => Math.max(MIN_GAP_WIDTH, wide - seam);
  for (const [x, wide] of joined(silences)) drawBox(pen, x, widthOf(wide), { ink: unsure, none, fill: dots });
  for (const [x, wide] of joined(gaps)) drawBox(pen, x, widthOf(wide), { ink: bad, none, fill: hatches });
}

/** Gaps that touch, as one. */
function joined(gaps) {
  const runs = [];
  for (const [x, wide] of gaps) {
    const last = runs.at(-1);
    if (last !== undefined && Math.abs(last[0] + last[1] - x) < 0.01) last[1] += wide;
    else runs.push([x, wide]);
  }
  return runs;
}

function drawBox(pen, x, width, { ink, none, fill }) {
  pen.save();
  pen.beginPath();
  pen.rect(x, 0, width, HEIGHT);
  pen.clip();
  pen.fillStyle = none;
  pen.fillRect(x, 0, width, HEIGHT);
  pen.strokeStyle = pen.fillStyle = ink;
  fill(pen, x, width);
  pen.lineWidth = 2;
  pen.strokeRect(x + 1, 1, width - 2, HEIGHT - 2);
  pen.restore();
}

function hatches(pen, x, width) {
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (let at = x - HEIGHT; at < x + width; at += 6) {
    pen.moveTo(at, HEIGHT);
    pen.lineTo(at + HEIGHT, 0);
  }
  pen.stroke();
}

function dots(pen, x, width) {
  for (let at = x + 4; at < x + width; at += 6) {
    for (let y = 5; y < HEIGHT; y += 6) pen.fillRect(at, y, 2, 2);
  }
}
