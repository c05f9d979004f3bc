/**
 * Figures in words. Pure, so that tests run them.
 *
 * @module
 */

/** What stands where nothing is known. */
export const UNKNOWN = "–";

/** A number with three digits that matter: `0.0123`, `4.56`, `12,300`. */
export function figure(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  if (size > 0 && size < 0.001) return "<0.001";
  return String(Number(value.toPrecision(3)));
}

/** `1 server`, `1,000 servers`. */
export const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

/** The same for what moves all the time: always three digits, so that nothing jumps. */
export function moving(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return UNKNOWN;
  return value === 0
    ? "0"
    : Math.abs(value) < 100 && Math.abs(value) >= 0.1
    ? value.toPrecision(3)
    : figure(value);
}

/** Bytes as people read them: `512 MB`. */
export function bytes(value) {
  if (typeof value !== "number" || !(value >= 0)) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${figure(value / 1000 ** step)} ${units[step]}`;
}

/** A stretch of time: `37 s`, `5 min`, `3 h 20 min`. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

/** A time of the local clock: `14:03`, or with seconds. */
export const clock = (ms, seconds = false) =>
  new Date(ms).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
  });

/** Whether others reach the node, as the server writes it. */
export function verdict({ state, reason }) {
  if (state === "reachable") return "Reachable";
  return `${state === "unreachable" ? "Not reachable" : "Reachability unknown"}: ${reason}`;
}

/** What the verdict rests on, and how old that is; the reason of a bad one stands in the verdict itself. */
function proof({ state, reason, checkedAt }, now) {
  const age = checkedAt === undefined ? "" : `${span((now - checkedAt) / 1000)} ago`;
  if (state === "reachable") return age === "" ? reason : `${reason} (${age})`;
  return age === "" ? "" : `tried ${age}`;
}

/** What stands below the verdict. `now` is the node's clock. */
export function verdictFacts({ dht, serving, uptimeSeconds, network, readiness, reachability }, now) {
  // what nobody was there to take is not announced, whenever it was tried
  const announced = dht.lastAnnounceAt === null || dht.peers === 0
    ? (serving === null ? "" : "not announced yet")
    : `announced ${span((now - dht.lastAnnounceAt) / 1000)} ago`;
  return [
    proof(reachability, now),
    announced,
    `${count(dht.peers, "peer")} on the ${network} network`,
    readiness.ready ? `up for ${span(uptimeSeconds)}` : `starting: ${readiness.reason}`,
  ].filter((part) => part !== "").join(" · ");
}

const SCOPES = {
  wall: "the whole device at the wall",
  board: "the board",
  package: "the processor, not the whole machine",
  accelerator: "the card, not the whole machine",
  part: "the rails that are measured, not the whole machine",
};

/** How power is known, or what to do where it is not. */
export function powerMethod({ node, sources }) {
  if (node.kind === "none") {
    return sources.some(({ state }) => state === "denied")
      ? "No sensor: some may not be read; kwaainet doctor tells what to do"
      : "No sensor: name a metering plug in energy.meters, or the board's power in energy.model_idle_watts and energy.model_load_watts";
  }
  const error = node.uncertainty === null ? "" : `, ±${Math.round(100 * node.uncertainty)} %`;
  return `${
    node.kind === "measured" ? "Measured" : node.kind === "modelled" ? "Modelled" : "Partly measured"
  }${error}: ${SCOPES[node.scope]} (${node.source})`;
}

/** Grams of the day, or of no method at all. Methods are never added up. */
export const gramsToday = ({ today }) => today?.location.length === 1 ? today.location[0].grams : undefined;

/** How grams are known, or why they are not. */
export function carbonMethod({ carbon, today, node }) {
  if (carbon === undefined || node.kind === "none") return "";
  if (carbon.intensity === null) return `Carbon not known: ${carbon.reason}`;
  const error = carbon.uncertainty === null ? "" : `, ±${Math.round(100 * carbon.uncertainty)} %`;
  const mixed = (today?.location.length ?? 0) > 1 ? "; today by several methods, which do not add up" : "";
  return `Grid ${
    figure(carbon.intensity)
  } g/kWh in ${carbon.zone}, ${carbon.method}, ${carbon.quality}${error}${mixed}`;
}

/** The policy in a line. `serves`: whether there are blocks to contribute. */
export function policyWords({ action, because, until }, serves) {
  if (action === "contribute") {
    return serves ? "Contributing" : "Nothing to pause: this node serves no blocks";
  }
  const says = because.filter((one) => one.action === action).map((one) => one.says).join("; ");
  const ends = until === null ? "" : ` (looks again at ${clock(until)})`;
  const name = action === "slow" ? "Slowed down" : "Paused";
  return says.startsWith("paused ") ? `Paused${says.slice(6)}${ends}` : `${name}: ${says}${ends}`;
}

/** Whether the owner's own pause holds. */
export const isPausedByOwner = ({ because }) => because.some(({ rule }) => rule === "pause");

const isIn = ([start, end], block) => block >= start && block < end;

/** Who serves each of `total` blocks: `own`, `peers`, `silent` where who announces it gave no answer, or `none`. */
export const blockKinds = (own, others, total) =>
  Array.from({ length: total }, (_, block) => {
    if (isIn(own, block)) return "own";
    if ((others?.coverage[block] ?? 0) > 0) return "peers";
    return others?.silent.some((run) => isIn(run, block)) ? "silent" : "none";
  });

/** What stands below the strip of blocks. `kinds` are those of `blockKinds`; without the swarm only own blocks count. */
export function stripNote({ blocks: [start, end], engine, modelBlocks }, kinds, knowsSwarm) {
  const total = kinds.length;
  const own = end === start
    ? "Blocks are being chosen"
    : `Blocks ${start} to ${end - 1}${modelBlocks === undefined ? "" : ` of ${total}`} here, ${
      engine === "" ? "still loading" : `with ${engine}`
    }`;
  if (!knowsSwarm) return own;
  const [silent, none] = ["silent", "none"].map((wanted) => kinds.filter((kind) => kind === wanted).length);
  const lacks = [
    silent === 0 ? "" : `${silent} of ${total} are announced by servers that gave no answer`,
    none === 0 ? "" : `${none} of ${total} are served by nobody`,
  ].filter((part) => part !== "");
  return `${own}; ${lacks.length === 0 ? "the swarm has all of them" : lacks.join(", ")}`;
}
