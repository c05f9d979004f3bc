/**
 * The lists of the page: the machine, what others see, the blocks.
 *
 * @module
 */
import { blockKinds, bytes, figure, stripNote, UNKNOWN } from "./words.js";
import { byId, put } from "./read.js";

/** Most blocks drawn. */
const MAX_CELLS = 512;
/** Who serves a block. */
const KINDS = {
  own: "served here",
  peers: "served by others",
  silent: "announced, no answer",
  none: "served by nobody",
};

/** Fills a list of terms with rows of `[term, texts, {code, warn}]`; what is already there is kept, and so is the focus. */
function fill(list, rows) {
  const text = JSON.stringify(rows);
  if (list.dataset.rows === text) return;
  list.dataset.rows = text;
  list.replaceChildren(...rows.map(([term, texts, { code = false, warn = false } = {}]) => {
    const row = document.createElement("div");
    row.appendChild(document.createElement("dt")).textContent = term;
    for (const text of texts) {
      const value = row.appendChild(document.createElement("dd"));
      value.textContent = text;
      value.classList.toggle("code", code);
      value.classList.toggle("warn", warn);
    }
    return row;
  }));
}

/** Of `used` and what is allowed, 0 for no limit. */
const budget = (used, allowed) => `${bytes(used)}${allowed > 0 ? ` of ${bytes(allowed)}` : ""}`;
const yesNo = (value, yes, no) => value === null ? "no sensor tells" : value ? yes : no;

/** What sensors tell; one row where none does. */
function healthRows({ celsius, hottest, throttled, undervolted }) {
  if ([celsius, throttled, undervolted].every((told) => told === null)) {
    return [["Sensors", ["none tells heat, throttling or voltage"]]];
  }
  return [
    ["Temperature", [
      celsius === null ? "no sensor" : `${Math.round(celsius)} °C (${hottest ?? "processor"})`,
    ]],
    ["Processor", [yesNo(throttled, "slowed down by the firmware", "at full speed")], {
      warn: throttled === true,
    }],
    ["Supply", [yesNo(undervolted, "voltage too low: a stronger supply is needed", "voltage fine")], {
      warn: undervolted === true,
    }],
  ];
}

/** Temperature, supply, memory and disk of a status. */
export function showMachine({ device }) {
  if (device === undefined) {
    return fill(byId("machine"), [["Not read", ["the policy is off: policy.enabled says so"]]]);
  }
  fill(byId("machine"), [
    ...healthRows(device),
    ["Memory", [
      `${bytes(device.memoryAvailableBytes)} of ${bytes(device.memoryTotalBytes)} free`,
      `${bytes(device.ownMemoryBytes)} taken by the node itself`,
    ]],
    ["Disk", [
      `${bytes(device.diskFreeBytes)} free`,
      `${budget(device.dayWriteBytes, device.dayWriteBudgetBytes)} written today`,
    ]],
    ["Served", [
      `${budget(device.monthBytes, device.monthBudgetBytes)} this month${
        device.monthBudgetBytes > 0 ? "" : ", no limit set"
      }`,
    ]],
  ]);
}

/** What records and connections tell others. */
export function showPublic({ serving, peerId, addresses, version, dht }) {
  const announced = serving?.announced;
  put(
    "public-note",
    serving === null
      ? "Nothing is announced: this node serves no blocks. Peers that connect see the peer id and the addresses."
      : announced === undefined || dht.lastAnnounceAt === null || dht.peers === 0
      ? "Nothing is announced yet. This is what will be:"
      : "Word for word what this node announces:",
  );
  fill(byId("public"), [
    ["Name", [serving === null ? UNKNOWN : announced?.name ?? "none given"]],
    ["Peer id", [peerId], { code: true }],
    ["Addresses", addresses.length === 0 ? ["none"] : addresses, { code: true }],
    ["Model", [serving === null ? UNKNOWN : `${serving.model} (as ${serving.prefix || "…"})`]],
    ["Blocks", [serving === null ? UNKNOWN : `${serving.blocks[0]} to ${serving.blocks[1] - 1}`]],
    ["Version", [announced?.version || version]],
    ...(announced === undefined ? [] : [
      ["Speed", [`${figure(announced.throughput)} tokens/s through these blocks`]],
      ["Weights as", [announced.dtype ?? "not known"]],
      ["Cache left", [
        announced.cacheTokensLeft === null
          ? UNKNOWN
          : `${figure(announced.cacheTokensLeft)}, where each token counts twice in each block`,
      ]],
    ]),
  ]);
}

/** The blocks of the model as a strip. `others` is the model as the swarm has it; absent where that was not asked. */
export function showStrip({ serving }, others) {
  const strip = byId("strip");
  if (serving === null) {
    put("model-name", "No blocks are served here");
    put("strip-note", "To serve: kwaainet start --model SOURCE, such as smollm2-135m");
    strip.replaceChildren();
    return;
  }
  const [start, end] = serving.blocks;
  const total = serving.modelBlocks ?? others?.blocks ?? end;
  const kinds = blockKinds([start, end], others, total);
  put("model-name", serving.model);
  put("strip-note", stripNote(serving, kinds, others !== undefined));
  strip.setAttribute("aria-label", byId("strip-note").textContent);
  byId("strip-key").hidden = others === undefined;
  if (strip.dataset.kinds === kinds.join()) return;
  strip.dataset.kinds = kinds.join();
  strip.style.setProperty("--blocks", String(Math.min(kinds.length, MAX_CELLS)));
  strip.replaceChildren(
    ...kinds.slice(0, MAX_CELLS).map((kind, block) => {
      const cell = document.createElement("span");
      cell.className = `cell ${kind}`;
      cell.title = `block ${block}: ${KINDS[kind]}`;
      return cell;
    }),
  );
}
