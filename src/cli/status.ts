/**
 * `kwaainet status`.
 *
 * @module
 */
import type { StatusDocument } from "../api/status.ts";
import { counted, spanWords } from "../base/words.ts";
import { words } from "../policy/decide.ts";
import { CONFIG_FLAGS, JSON_FLAG } from "./flags.ts";
import { showAnswer } from "./show_answer.ts";
import type { Verb } from "./verb.ts";

/** Tells what the running node does. */
export const statusVerb: Verb = {
  name: "status",
  summary: "Tell what the running node does",
  words: "",
  wordCount: [0, 0],
  flags: [...CONFIG_FLAGS, JSON_FLAG],
  more: "Exit code 3 when no node runs on the data folder.",
  run(invocation) {
    return showAnswer<StatusDocument>(invocation, this.flags, "/api/v1/status", statusLines);
  },
};

/** The same for people; `api` is the address of the local API, where it is known. */
export function statusLines(status: StatusDocument, nowMs: number, api = ""): string[] {
  const { serving, dht, work, readiness, policy, energy, answers } = status;
  const served = serving === null
    ? "Serves     nothing: a node of the DHT only"
    : `Serves     blocks ${serving.blocks[0]}:${
      serving.blocks[1]
    } of ${serving.model} (${serving.prefix}) with ${serving.engine || "no engine yet"}, ${
      counted(serving.sessions, "session")
    }, room for ${counted(serving.cacheTokensLeft, "token")}`;
  return [
    `State      ${readiness.ready ? "running" : `starting: ${readiness.reason}`}`,
    `Version    ${status.version}, up for ${Math.round(status.uptimeSeconds)} s`,
    ...(api === "" ? [] : [`Page       ${api}/`]),
    `Peer       ${status.peerId}`,
    ...status.addresses.map((address) => `Address    ${address}`),
    `Network    ${status.network}, ${counted(dht.peers, "peer")}, ${dht.valid} of ${
      counted(dht.entries, "entry", "entries")
    } valid`,
    `Reachable  ${reachableLine(status.reachability, nowMs)}`,
    served,
    ...(answers === undefined
      ? []
      : [`Answers    ${answers.running} being made, ${answers.waiting} waiting`]),
    `Work       ${counted(work.steps, "step")}, ${counted(work.tokens, "token")}, ${work.failedSteps} failed`,
    `Energy     ${energyLine(energy)}`,
    ...(policy.action === "contribute" ? [] : [`Policy     ${words(policy)}`]),
    ...status.degraded.map(({ what, why }) => `Degraded   ${what}: ${why}`),
  ];
}

/** The verdict with the age of what it rests on. */
function reachableLine(
  { state, reason, checkedAt }: StatusDocument["reachability"],
  nowMs: number,
): string {
  if (checkedAt === undefined) return `${state}: ${reason}`;
  return `${state}: ${reason} (${state === "reachable" ? "proven" : "tried"} ${
    spanWords((nowMs - checkedAt) / 1000)
  } ago)`;
}

function energyLine({ watts, kind, scope, joules, joulesPerToken }: StatusDocument["energy"]): string {
  if (kind === "none" || joules === null) return "no sensor (kwaainet doctor tells what can be done)";
  const power = watts === null ? "no power now" : `${watts.toFixed(2)} W`;
  const token = typeof joulesPerToken?.full === "number"
    ? `, ${joulesPerToken.full.toFixed(3)} J for a token`
    : "";
  return `${power} of the ${scope}, ${kind}${token}`;
}
