/**
 * Cards behind a vendor's library. A card counts after one successful reading: a library that starts tells nothing yet.
 *
 * @module
 */
import { codeOf, messageOf, NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import { DOMAINS, type EnergySource, type Finding } from "../types.ts";
import { openPolledChannel } from "./polled.ts";

/** The libraries' values change ten times a second at most. */
const PERIOD_MS = 100;
const TIMEOUT_MS = 1000;
const UNCERTAINTY = 0.05;
const CURE = "let this user use the card (sudo usermod -aG video,render USER, then log in again)";
const COMMON = { kind: "measured", scope: "accelerator" } as const;

/** One way to a figure of a card: microjoules or microwatts. */
export type CardReading = readonly [type: "counter" | "gauge", read: () => Promise<bigint>];

/** A card, and its figures, the best first. */
export interface Card {
  readonly id: string;
  readonly readings: readonly CardReading[];
}

/** A library and its cards. */
export interface CardLibrary extends Disposable {
  readonly cards: readonly Card[];
}

/** All cards that give a reading. `open` throws `NodeError` `not_found` where there is no library. */
export async function findCards(
  world: World,
  family: string,
  open: () => Promise<CardLibrary>,
): Promise<readonly Finding[]> {
  let library: CardLibrary;
  try {
    library = await open();
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    const state = error.code === "not_found" ? "absent" : "error";
    return [{ state, id: family, ...COMMON, reason: messageOf(error) }];
  }
  const shared = new SharedLibrary(library);
  const findings: Finding[] = [];
  for (const card of library.cards) {
    findings.push(await findCard(world, `${family}:${card.id}`, card, shared));
  }
  shared.close();
  if (findings.length > 0) return findings;
  return [{ state: "absent", id: family, ...COMMON, reason: `${family} shows no card` }];
}

/** Shuts the library when the last card is closed. */
class SharedLibrary {
  #users = 1;
  constructor(readonly library: CardLibrary) {}

  open(): void {
    this.#users++;
  }

  close(): void {
    if (--this.#users === 0) this.library[Symbol.dispose]();
  }
}

async function findCard(world: World, id: string, card: Card, shared: SharedLibrary): Promise<Finding> {
  const reasons: string[] = [];
  let denied = false;
  for (const reading of card.readings) {
    try {
      await reading[1]();
      return { state: "ok", source: sourceOf(world, id, reading, shared) };
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      denied ||= codeOf(error, "remote") === "denied";
      reasons.push(messageOf(error));
    }
  }
  const reason = reasons.join("; ");
  if (!denied) return { state: "error", id, ...COMMON, reason };
  return { state: "denied", id, ...COMMON, reason: `${reason}; ${CURE}` };
}

function sourceOf(world: World, id: string, [type, read]: CardReading, shared: SharedLibrary): EnergySource {
  shared.open();
  const channel = openPolledChannel(world, {
    id,
    type,
    minPeriodMs: PERIOD_MS,
    relativeUncertainty: UNCERTAINTY,
    timeoutMs: TIMEOUT_MS,
    read,
  });
  return {
    id,
    ...COMMON,
    domain: DOMAINS.accelerator(`/${id}`),
    channels: [channel],
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      shared.close();
    },
  };
}
