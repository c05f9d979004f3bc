/**
 * Why a peer could not be connected to, in words for people: libp2p's own are those of its insides.
 *
 * @module
 */
import { codeOf, messageOf, NodeError, wordsOf } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";

/** What keeps from a peer. */
export type DialFailureKind =
  | "refused"
  | "no_route"
  | "no_name"
  | "silent"
  | "other_peer"
  | "no_libp2p"
  | "no_transport"
  | "unknown_peer"
  | "failed";

/** What each kind means. */
export const DIAL_CAUSES: Readonly<Record<DialFailureKind, string>> = {
  refused: "its machine answers and nothing listens at that port",
  no_route: "no way leads to its address",
  no_name: "its name is not resolved",
  silent: "nothing comes back: it is down, or a firewall drops what goes out to it or comes back",
  other_peer: "somebody with another key answers there",
  no_libp2p: "what answers there does not speak libp2p, or hangs up",
  no_transport: "this version has no transport for such an address",
  unknown_peer: "nobody who is met knows an address of it",
  failed: "the connection failed",
};

/** What is wanted instead, at the end of a message. */
const WANTED: Readonly<Record<DialFailureKind, string>> = {
  refused: "the port of a node that runs",
  no_route: "a network that leads there (ip route)",
  no_name: "a name that the resolver knows, or an IP address",
  silent: "a peer that is up, and TCP let out to its port",
  other_peer: "the peer id of the one that answers there",
  no_libp2p: "the port of a node, not of its API",
  no_transport: "one with /tcp/, such as /ip4/192.0.2.1/tcp/31337/p2p/Qm…",
  unknown_peer: "an address of it (kwaainet doctor says more)",
  failed: "a connection (kwaainet doctor says more)",
};

/** What became of a dial. */
export interface DialFailure {
  readonly kind: DialFailureKind;
  /** The words of whoever failed. */
  readonly why: string;
}

/** Words of Node, of Deno and of libp2p 3.3, with the names of errors before them. The first kind that fits counts. */
const WORDS: readonly (readonly [DialFailureKind, RegExp])[] = [
  ["other_peer", /UnexpectedPeer|does not match expected|Payload identity key/i],
  ["no_name", /ENOTFOUND|EAI_AGAIN|failed to lookup|DNS lookup of/i],
  ["no_route", /ENETUNREACH|EHOSTUNREACH|unreachable \(os error|No route to host/i],
  ["refused", /ECONNREFUSED|Connection refused/i],
  ["no_libp2p", /EncryptionFailedError|EncryptionNegotiation|ECONNRESET|Connection reset|EPIPE/i],
  // libp2p gives an address 6 s by itself, and calls the end of them an abort
  ["silent", /^AbortError|does not answer|no answer within|ETIMEDOUT|timed out|due to timeout|TimeoutError/i],
];
/** How libp2p says that there is no address to dial. */
const NO_ADDRESS = /NoValidAddressesError|NotFoundError/;

/** Judges why the dial to `whom`, an address or a peer, failed. */
export function dialFailureOf(whom: string, error: unknown): DialFailure {
  const reasons = reasonsOf(error instanceof NodeError && error.cause !== undefined ? error.cause : error);
  for (const [kind, pattern] of WORDS) {
    const reason = reasons.find(({ text }) => pattern.test(text));
    if (reason !== undefined) return { kind, why: reason.words };
  }
  const kind = reasons.some(({ text }) => NO_ADDRESS.test(text)) ? noAddressKindOf(whom) : "failed";
  return { kind, why: reasons.at(-1)!.words };
}

function noAddressKindOf(whom: string): DialFailureKind {
  if (whom.startsWith("/dns")) return "no_name";
  return whom.startsWith("/") ? "no_transport" : "unknown_peer";
}

interface Reason {
  /** For people. */
  readonly words: string;
  /** The same behind the error's name. */
  readonly text: string;
}

/** Most causes of causes that are followed. */
const MAX_DEPTH = 5;

/** An error and all that caused it. */
function reasonsOf(error: unknown, depth = 0): Reason[] {
  if (depth > MAX_DEPTH) return [];
  const name = error instanceof Error ? error.name : "";
  const inner = error instanceof AggregateError ? error.errors : [];
  const cause = error instanceof Error && error.cause !== undefined ? [error.cause] : [];
  return [
    { words: plainOf(wordsOf(error)), text: `${name}: ${messageOf(error)}` },
    ...[...inner, ...cause].flatMap((each) => reasonsOf(each, depth + 1)),
  ];
}

/** Words of libp2p 3.3 and of our deadlines without what the sentence around them says too. */
const plainOf = (words: string): string =>
  words
    .replace(/, wanted one$/, "")
    .replace(/^The operation was aborted.*$/, "no answer in time")
    .replace(/^connection error \S+: (?=.)/, "")
    .replace(/^Payload identity key (\w+) does not match .*$/, "it is $1");

/** The failure to connect to `whom`, an address or a peer, that ended with `error`. */
export function dialError(whom: string, error: unknown, signal: AbortSignal): Error {
  const own = signal.aborted && signal.reason instanceof NodeError ? signal.reason : undefined;
  if (own !== undefined && own.code !== "timeout") return own;
  return unreachable(whom, own ?? error);
}

/** The failure to reach `whom`; `timeout` where nothing came back, else `unreachable`. */
export function unreachable(whom: string, cause: unknown): NodeError {
  const { kind, why } = dialFailureOf(whom, cause);
  const code = codeOf(cause, "unreachable") === "timeout" ? "timeout" : "unreachable";
  const words = sentenceOf({ kind, why: why.slice(0, MAX_WORDS) });
  return new NodeError(code, `Cannot connect to ${whom}: ${words}, wanted ${WANTED[kind]}`, { cause });
}

function sentenceOf({ kind, why }: DialFailure): string {
  if (kind === "failed") return why;
  // libp2p's words for these tell of its insides alone
  const isOurs = kind === "no_transport" || kind === "unknown_peer";
  return DIAL_CAUSES[kind] + (isOurs ? "" : ` (${why})`);
}

/** Longest words of others in a message. */
const MAX_WORDS = 300;
/** Addresses whose failures are kept. */
const MAX_KEPT = 100;

/** Why addresses could not be dialled: whoever calls their peer by its name afterwards is to hear that. */
export class DialFailures {
  readonly #kept = new Map<string, NodeError>();

  /** Keeps the last failure of an address, that of the oldest address makes room. */
  keep(address: string, failure: Error): void {
    this.#kept.delete(address);
    if (!(failure instanceof NodeError) || failure.code === "aborted") return;
    this.#kept.set(address, failure);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
  }

  /** Forgets what a peer that was met could not be reached at. */
  forget(peer: PeerId): void {
    for (const address of this.#addressesOf(peer)) this.#kept.delete(address);
  }

  /** What became of the addresses of `peer`, in one failure; `undefined` where none was dialled in vain. */
  of(peer: PeerId): NodeError | undefined {
    const failures = this.#addressesOf(peer).map((address) => this.#kept.get(address)!);
    const [first, ...more] = failures;
    if (first === undefined) return undefined;
    const others = more.map(({ message }) => message.replace(/^Cannot connect to /, ""));
    return new NodeError(first.code, [first.message, ...others].join("; "), { cause: first.cause });
  }

  #addressesOf(peer: PeerId): string[] {
    return [...this.#kept.keys()].filter((address) => address.endsWith(`/p2p/${peer}`));
  }
}
