/**
 * Search for the nodes nearest to several keys at once, as a machine without I/O.
 *
 * @module
 */
import type { PeerId } from "../base/tensor.ts";
import { BUCKET_SIZE } from "./constants.ts";
import type { Contact, DhtId } from "./id.ts";

/** A call to make: ask `contact` for `keys`. */
export interface LookupStep {
  readonly contact: Contact;
  readonly keys: readonly DhtId[];
}

/** What a node said about one key. */
export interface LookupAnswer {
  readonly nearest: readonly Contact[];
  /** The search for this key can end: enough is known. */
  readonly stop?: boolean;
}

/** How a search goes. */
export interface LookupOptions {
  readonly self: Contact;
  /** Nodes to begin with. */
  readonly start: readonly Contact[];
  /** How many of the nearest living nodes of each key must have answered. */
  readonly beam: number;
  /** Keys in one call at most. */
  readonly keysPerCall: number;
}

/** Calls a search may make per key, in beams: lists of made-up nodes must not keep it going for ever. */
const MAX_BEAMS_PER_KEY = 5;
/** Candidates kept per key, in beams. */
const MAX_CANDIDATES_IN_BEAMS = 8;

interface Candidate {
  contact: Contact;
  distance: bigint;
  state: "new" | "asked" | "answered" | "failed";
}

/**
 * Beam search (hivemind `traverse_dht`): take {@linkcode Lookup.next}, make the call, report with
 * {@linkcode Lookup.answer} or {@linkcode Lookup.fail}, until {@linkcode Lookup.done}. The caller decides how many calls
 * wait at once. A call carries the key it is made for and the nearest other unfinished ones. Peers that failed leave the
 * beam. A peer counts once, whatever ids are claimed for it: the nearest claim of others decides whether it is asked, and
 * an answer under an id farther off moves it there. An id nearer than it was known by does not count: any node could
 * claim to stand next to every key.
 */
export class Lookup {
  readonly #searches: readonly Search[];
  readonly #failed = new Set<PeerId>();
  #callsLeft: number;

  constructor(keys: readonly DhtId[], readonly options: LookupOptions) {
    this.#searches = [...new Set(keys)].map((key) => new Search(key, options));
    this.#callsLeft = this.#searches.length * options.beam * MAX_BEAMS_PER_KEY;
  }

  /** Whether nothing is left to ask or to wait for. */
  get done(): boolean {
    return this.#searches.every((search) =>
      search.isFinished || this.#callsLeft <= 0 && search.waiting === 0
    );
  }

  /** The next call; `undefined` when answers must come first or the search is done. */
  next(): LookupStep | undefined {
    if (this.#callsLeft <= 0) return undefined;
    let best: { search: Search; candidate: Candidate } | undefined;
    for (const search of this.#searches) {
      const candidate = search.nextCandidate();
      if (candidate === undefined) continue;
      if (best === undefined || isBefore(search, candidate, best)) best = { search, candidate };
    }
    if (best === undefined) return undefined;
    const { search, candidate: { contact } } = best;
    const more = this.#searches
      .filter((other) => other !== search && !other.isFinished && !other.hasAsked(contact.peer))
      .sort((a, b) => (a.target ^ contact.id) < (b.target ^ contact.id) ? -1 : 1)
      .slice(0, this.options.keysPerCall - 1);
    this.#callsLeft--;
    for (const asked of [search, ...more]) asked.ask(contact);
    return { contact, keys: [search, ...more].map((asked) => asked.target) };
  }

  /**
   * The answer to a step; keys that are missing in `answers` are taken as "knows nobody". `id` is the id that the node
   * gave itself.
   */
  answer(step: LookupStep, answers: ReadonlyMap<DhtId, LookupAnswer>, id = step.contact.id): void {
    for (const search of this.#of(step)) {
      const answer = answers.get(search.target);
      search.settle({ peer: step.contact.peer, id }, "answered");
      if (answer?.stop) search.stop();
      for (const contact of answer?.nearest.slice(0, BUCKET_SIZE) ?? []) {
        if (!this.#failed.has(contact.peer)) search.add(contact);
      }
    }
  }

  /** A step that nobody answered. */
  fail(step: LookupStep): void {
    this.#failed.add(step.contact.peer);
    for (const search of this.#of(step)) search.settle(step.contact, "failed");
    for (const search of this.#searches) search.discard(step.contact.peer);
  }

  /** Nodes that answered for `key`, nearest first, at most a beam of them. */
  nearest(key: DhtId): readonly Contact[] {
    return this.#searches.find((search) => search.target === key)?.nearest() ?? [];
  }

  #of(step: LookupStep): Search[] {
    return this.#searches.filter((search) => step.keys.includes(search.target));
  }
}

/** Few calls under way first, then the nearest candidate. */
function isBefore(
  search: Search,
  candidate: Candidate,
  best: { readonly search: Search; readonly candidate: Candidate },
): boolean {
  if (search.waiting !== best.search.waiting) return search.waiting < best.search.waiting;
  return candidate.distance < best.candidate.distance;
}

/** The search for one key. */
class Search {
  /** Calls under way that ask for this key. */
  waiting = 0;
  #stopped = false;
  /** Nearest first. */
  #candidates: Candidate[] = [];
  readonly #byPeer = new Map<PeerId, Candidate>();

  constructor(readonly target: DhtId, readonly options: LookupOptions) {
    for (const contact of options.start) this.add(contact);
  }

  get isFinished(): boolean {
    return this.#stopped || this.waiting === 0 && this.nextCandidate() === undefined;
  }

  stop(): void {
    this.#stopped = true;
  }

  hasAsked(peer: PeerId): boolean {
    return (this.#byPeer.get(peer)?.state ?? "new") !== "new";
  }

  /** The nearest node of the beam that has not been asked. */
  nextCandidate(): Candidate | undefined {
    if (this.#stopped) return undefined;
    let alive = 0;
    for (const candidate of this.#candidates) {
      if (candidate.state === "failed") continue;
      if (candidate.state === "new") return candidate;
      if (++alive >= this.options.beam) return undefined;
    }
    return undefined;
  }

  nearest(): Contact[] {
    return this.#candidates.filter(({ state }) => state === "answered").slice(0, this.options.beam)
      .map(({ contact }) => contact);
  }

  add(contact: Contact): void {
    if (contact.peer === this.options.self.peer || contact.id === this.options.self.id) return;
    const known = this.#byPeer.get(contact.peer);
    if (known === undefined) this.#insert({ contact, distance: contact.id ^ this.target, state: "new" });
    else if (known.state === "new" && (contact.id ^ this.target) < known.distance) this.#move(known, contact);
  }

  ask(contact: Contact): void {
    this.add(contact);
    const candidate = this.#byPeer.get(contact.peer);
    if (candidate !== undefined) candidate.state = "asked";
    this.waiting++;
  }

  settle(contact: Contact, state: "answered" | "failed"): void {
    this.waiting--;
    const candidate = this.#byPeer.get(contact.peer);
    if (candidate === undefined) return;
    candidate.state = state;
    if ((contact.id ^ this.target) > candidate.distance) this.#move(candidate, contact);
  }

  /** A peer that failed elsewhere need not be asked here. */
  discard(peer: PeerId): void {
    const candidate = this.#byPeer.get(peer);
    if (candidate?.state === "new") candidate.state = "failed";
  }

  #insert(candidate: Candidate): void {
    this.#byPeer.set(candidate.contact.peer, candidate);
    let [low, high] = [0, this.#candidates.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#candidates[middle]!.distance < candidate.distance) low = middle + 1;
      else high = middle;
    }
    this.#candidates.splice(low, 0, candidate);
    const last = this.#candidates.at(-1)!;
    if (this.#candidates.length > MAX_CANDIDATES_IN_BEAMS * this.options.beam && last.state === "new") {
      this.#candidates.pop();
      this.#byPeer.delete(last.contact.peer);
    }
  }

  #move(candidate: Candidate, contact: Contact): void {
    this.#candidates = this.#candidates.filter((other) => other !== candidate);
    candidate.contact = contact;
    candidate.distance = contact.id ^ this.target;
    this.#insert(candidate);
  }
}
