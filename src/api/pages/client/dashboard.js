/**
 * The page at `/`: puts what the node says where it belongs.
 *
 * @module
 */
import { openChat } from "./chat.js";
import { showMachine, showPublic, showStrip } from "./machine.js";
import { openPlot } from "./plot.js";
import { ask, byId, listen, put } from "./read.js";
import {
  carbonMethod,
  count,
  figure,
  gramsToday,
  isPausedByOwner,
  moving,
  policyWords,
  powerMethod,
  UNKNOWN,
  verdict,
  verdictFacts,
} from "./words.js";

/** Between two looks at the swarm and at what models there are. */
const SWARM_MS = 60_000;
/** A stretch over which speed is told: one round is too few steps. */
const SPEED_MS = 10_000;

const plots = {
  watts: openPlot(byId("watts-plot"), { title: "Power", unit: "W" }),
  speed: openPlot(byId("speed-plot"), { title: "Tokens a second", unit: "tokens/s" }),
};
let status;
let energy;
let others;
let now = 0;
let askedAt = -Infinity;
let counted = [];
const chat = openChat();

function showStatus() {
  const { state } = status.reachability;
  byId("verdict-box").dataset.state = state;
  put("verdict", verdict(status.reachability));
  document.title = `kwaainet: ${verdict(status.reachability)}`;
  put("version", status.version);
  showDegraded(status.degraded);
  showStrip(status, others);
  showMachine(status);
  showPublic(status);
  put("sessions", status.serving === null ? UNKNOWN : figure(status.serving.sessions));
  put("cache", status.serving === null ? UNKNOWN : figure(status.serving.cacheTokensLeft));
  const { work: { tokens, steps, failedSteps }, answers } = status;
  const asked = answers === undefined
    ? ""
    : `${count(answers.running, "answer")} being made, ${figure(answers.waiting)} waiting; `;
  put(
    "work-note",
    `${asked}${count(tokens, "token")} in ${count(steps, "step")} since the start, ${
      figure(failedSteps)
    } failed`,
  );
  showPolicy(status.policy);
}

function showDegraded(degraded) {
  const list = byId("degraded");
  const text = JSON.stringify(degraded);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.hidden = degraded.length === 0;
  list.replaceChildren(...degraded.map(({ what, why }) => {
    const item = document.createElement("li");
    item.textContent = `${what}: ${why}`;
    return item;
  }));
}

function showPolicy(policy) {
  put("policy", policyWords(policy, status.serving !== null));
  byId("resume").disabled = !isPausedByOwner(policy);
}

function showEnergy() {
  const { node, joulesPerToken, today } = energy;
  byId("power-figures").hidden = node.kind === "none";
  put("watts", moving(node.watts));
  put("joules-per-token", figure(joulesPerToken?.full));
  put("today-wh", node.kind === "none" || today === undefined ? UNKNOWN : figure(today.joules / 3600));
  put("today-grams", node.kind === "none" ? UNKNOWN : figure(gramsToday(energy)));
  put("power-method", powerMethod(energy));
  put("carbon-method", carbonMethod(energy));
}

/** Tokens a second over the last rounds; a node that was started again counts from 0. */
function speedNow() {
  const { tokens } = status.work;
  if (tokens < (counted.at(-1)?.tokens ?? 0)) counted = [];
  counted = [...counted.filter(({ at }) => at >= now - SPEED_MS), { at: now, tokens }];
  const [first] = counted;
  return counted.length < 2 ? undefined : 1000 * (tokens - first.tokens) / (now - first.at);
}

/** Blocks that others serve, out of what the swarm's route tells; absent without it. */
async function askSwarm() {
  const swarm = await ask("/api/v1/swarm");
  others = swarm?.models?.find(({ prefix }) => prefix === status?.serving?.prefix);
  if (status !== undefined) showStrip(status, others);
}

/** Comes behind the round's documents as well as before the first: everything that only time changes. */
function onTime(time) {
  now = time.now;
  if (status === undefined) return;
  status.uptimeSeconds = time.uptimeSeconds;
  put("verdict-facts", verdictFacts(status, now));
  const speed = speedNow();
  put("speed", moving(speed));
  plots.speed.add(now, speed ?? null);
  if (energy !== undefined && energy.node.kind !== "none") plots.watts.add(now, energy.node.watts);
  if (now - askedAt < SWARM_MS) return;
  askedAt = now;
  askSwarm();
  chat.then(({ look }) => look());
}

const LINKS = {
  on: "Live",
  off: "Not live while it is hidden",
  lost: "Connection lost; trying again",
  full: "Not live: the node refused, other pages of it may be open; reload to try again",
};

listen({
  link(state) {
    byId("live").dataset.state = state === "full" ? "lost" : state;
    put("live", LINKS[state]);
    if (state === "on") return;
    counted = [];
    plots.watts.gap();
    plots.speed.gap();
  },
  time: onTime,
  status(document) {
    const isFirst = status === undefined;
    status = document;
    showStatus();
    if (isFirst && now > 0) onTime({ now, uptimeSeconds: document.uptimeSeconds });
  },
  energy(document) {
    energy = document;
    showEnergy();
  },
});

for (const button of byId("pause").children) {
  button.addEventListener("click", async () => {
    try {
      const answer = await fetch("/api/v1/pause", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: button.dataset.ask,
      });
      const body = await answer.json();
      put(
        "pause-error",
        answer.ok ? "" : body.error?.message ?? `The node answered with status ${answer.status}`,
      );
      if (answer.ok) showPolicy(body.policy);
    } catch {
      put("pause-error", "The node did not answer");
    }
  });
}
