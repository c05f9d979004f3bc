/**
 * Searches over the network: the nodes nearest to keys, and what they hold.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import { MAX_KEYS_PER_CALL } from "./constants.ts";
import type { Contact, DhtId } from "./id.ts";
import { Lookup, type LookupAnswer } from "./lookup.ts";
import type { DhtProtocol, FindAnswer } from "./protocol.ts";
import { traverse } from "./traverse.ts";

/** How to search. */
export interface SearchOptions {
  /** How many of the nearest living nodes of each key must have answered. */
  readonly beam: number;
  /** Hears what each peer knows. */
  readonly onFound?: (peer: PeerId, answer: FindAnswer) => void;
  /** Whether the search for a key may end before its beam is exhausted. Default: never. */
  readonly isEnough?: (key: DhtId) => boolean;
}

/**
 * Finds the nodes nearest to each of `keys`, nearest first, ourselves left out. Every answer is shown to `onFound`, so
 * that values are collected on the way. Peers that failed lately are not asked.
 */
export async function findNearest(
  protocol: DhtProtocol,
  keys: readonly DhtId[],
  options: SearchOptions,
  signal: AbortSignal,
): Promise<(key: DhtId) => readonly Contact[]> {
  const usable = (contacts: readonly Contact[]) =>
    contacts.filter(({ peer }) => !protocol.blacklist.has(peer));
  const start = new Map<PeerId, Contact>();
  for (const key of keys) {
    for (const contact of protocol.table.nearest(key, options.beam)) start.set(contact.peer, contact);
  }
  const lookup = new Lookup(keys, {
    self: protocol.self,
    start: usable([...start.values()]),
    beam: options.beam,
    keysPerCall: Math.min(MAX_KEYS_PER_CALL, Math.max(1, Math.floor(Math.sqrt(keys.length)))),
  });
  await traverse(lookup, async ({ contact, keys }) => {
    const answer = await findOrUndefined(protocol, contact.peer, keys, signal);
    if (answer === undefined) return undefined;
    options.onFound?.(contact.peer, answer);
    const answers = new Map<DhtId, LookupAnswer>();
    for (const [key, { nearest }] of answer.found) {
      answers.set(key, { nearest: usable(nearest), stop: options.isEnough?.(key) ?? false });
    }
    return { id: answer.id, answers };
  }, signal);
  return (key) => lookup.nearest(key);
}

/** What `peer` knows of `keys`; `undefined` when it does not answer. */
export async function findOrUndefined(
  protocol: DhtProtocol,
  peer: PeerId,
  keys: readonly DhtId[],
  signal: AbortSignal,
): Promise<FindAnswer | undefined> {
  try {
    return await protocol.find(peer, keys, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof NodeError) return undefined;
    throw error;
  }
}
