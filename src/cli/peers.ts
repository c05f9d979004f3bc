/**
 * `kwaainet peers`.
 *
 * @module
 */
import type { PeerDocument, PeersDocument } from "../api/swarm.ts";
import { counted } from "../base/words.ts";
import { CONFIG_FLAGS, JSON_FLAG } from "./flags.ts";
import { printable } from "./output.ts";
import { showAnswer } from "./show_answer.ts";
import type { Verb } from "./verb.ts";

/** Lists the peers that the running node knows. */
export const peersVerb: Verb = {
  name: "peers",
  summary: "List the peers that the running node knows",
  words: "",
  wordCount: [0, 0],
  flags: [...CONFIG_FLAGS, JSON_FLAG],
  more: "Exit code 3 when no node runs on the data folder.",
  run(invocation) {
    return showAnswer<PeersDocument>(invocation, this.flags, "/api/v1/peers", peerLines);
  },
};

/** The same for people: connected ones first. */
export function peerLines({ peers }: PeersDocument): readonly string[] {
  if (peers.length === 0) {
    return [
      "No peer is known. On a private network name one with --initial-peers; kwaainet doctor says more.",
    ];
  }
  const connected = peers.filter((peer) => peer.connected).length;
  const rows = peers.toSorted((a, b) => Number(b.connected) - Number(a.connected)).map(rowOf);
  const titles = ["PEER", "STATE", "RTT", "PROGRAM", "ADDRESS"];
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [
    `${counted(peers.length, "peer")} known, ${connected} connected`,
    ...[titles, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()),
  ];
}

/** Words of others are cut, and cannot command a terminal. */
const rowOf = ({ peerId, connected, rttMs, agent, addresses }: PeerDocument): string[] => [
  peerId,
  connected ? "connected" : "known",
  rttMs === null ? "-" : `${rttMs} ms`,
  printable(agent ?? "-").slice(0, 40),
  printable(addresses[0] ?? "-") + (addresses.length > 1 ? ` (+${addresses.length - 1})` : ""),
];
