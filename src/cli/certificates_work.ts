/**
 * What the actions of `kwaainet certificates` share: the period, the books, files of strangers, and on which terms.
 *
 * @module
 */
import { concatBytes, decodeUtf8 } from "../base/bytes.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import { MAX_JSON_BYTES, parseJson } from "../energy/certificates/bounded_json.ts";
import { checkHours, hoursOfConsumption, hoursOfProduction } from "../energy/certificates/intervals.ts";
import { HOUR_MS, hourOf, readTime } from "../energy/certificates/quantities.ts";
import { checkDocument } from "../energy/certificates/sign.ts";
import type { ConsumptionHour, ProductionHour } from "../energy/certificates/types.ts";
import { openUsedRanges, type UsedRanges } from "../energy/certificates/used_ranges.ts";
import type { Terms } from "../energy/certificates/verify.ts";
import { type Identity, readIdentity } from "../identity/keys.ts";
import type { Settings } from "./settings.ts";
import type { Invocation } from "./verb.ts";

/** An action under way. */
export interface Work {
  readonly world: World;
  readonly invocation: Invocation;
  readonly settings: Settings;
  /** What follows the action. */
  readonly words: readonly string[];
  readonly signal: AbortSignal;
}

/** Whole UTC hours, half-open. */
export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Hours of the node's books, or of a file in their place. */
export interface Books {
  /** Whose hours they are. */
  readonly device: PeerId | undefined;
  readonly consumption: readonly ConsumptionHour[];
  readonly production: readonly ProductionHour[];
}

/** Period that is looked at when none is named. */
const DEFAULT_DAYS = 7;
/** Longest period of one answer. */
const MAX_PERIOD_MS = 366 * 24 * HOUR_MS;

/** The period that `--from` and `--to` name, else the last seven days. Throws `NodeError` `usage`. */
export function periodOf({ world, invocation }: Work): Period {
  const toMs = timeOf(invocation, "to") ?? hourOf(world.clock.now());
  const fromMs = timeOf(invocation, "from") ?? toMs - DEFAULT_DAYS * 24 * HOUR_MS;
  if (fromMs < toMs && toMs - fromMs <= MAX_PERIOD_MS) return { fromMs, toMs };
  throw new NodeError(
    "usage",
    "Cannot look at the period: it is empty or longer than a year, wanted --from before --to",
  );
}

function timeOf({ flags }: Invocation, name: "from" | "to"): number | undefined {
  const text = flags.get(name) as string | undefined;
  if (text === undefined) return undefined;
  const atMs = readTime(text);
  if (atMs !== undefined && atMs % HOUR_MS === 0) return atMs;
  throw new NodeError(
    "usage",
    `Cannot use --${name} ${
      JSON.stringify(text)
    }, wanted a whole hour of UTC such as 2026-11-20 or 2026-11-20T10:00Z`,
  );
}

/** The text of a file from outside. Throws `NodeError` `not_found`, `denied`, `too_large`, `malformed`. */
export async function readTextOf(path: string): Promise<string> {
  try {
    // a pipe or a device may never end
    if (!(await Deno.stat(path)).isFile) {
      throw new NodeError("malformed", `Cannot read "${path}": it is no file, wanted one`);
    }
    using file = await Deno.open(path);
    return decodeUtf8(await readAtMost(file, MAX_JSON_BYTES, path));
  } catch (error) {
    if (error instanceof NodeError) throw error;
    const code = error instanceof Deno.errors.NotFound ? "not_found" : "denied";
    throw new NodeError(code, `Cannot read "${path}": ${messageOf(error)}, wanted a readable file`, {
      cause: error,
    });
  }
}

async function readAtMost(file: Deno.FsFile, most: number, path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let bytes = 0;;) {
    const piece = new Uint8Array(1 << 16);
    const length = await file.read(piece);
    if (length === null) return concatBytes(...pieces);
    bytes += length;
    if (bytes > most) {
      throw new NodeError("too_large", `Cannot read "${path}": it is longer than ${most} bytes`);
    }
    pieces.push(piece.subarray(0, length));
  }
}

/** The node's identity. Throws `NodeError` `not_found` where there is none yet. */
export async function identityOf({ settings }: Work): Promise<Identity> {
  const { paths } = settings;
  const identity = await readIdentity(paths.identity);
  if (identity !== undefined) return identity;
  throw new NodeError(
    "not_found",
    `Cannot sign: ${paths.identity} does not exist, wanted a key (kwaainet identity init makes one)`,
  );
}

/** Hours of the signed file that `--hours` names; `undefined` without it. Throws as `checkDocument` does. */
export async function booksOfFile({ invocation }: Work): Promise<Books | undefined> {
  const path = invocation.flags.get("hours") as string | undefined;
  if (path === undefined) return undefined;
  const check = await checkDocument(parseJson(await readTextOf(path), `"${path}"`));
  if (!check.valid) throw new NodeError("malformed", `Cannot use "${path}": ${check.why}`);
  const books = {
    device: check.peerId,
    consumption: hoursOfConsumption(check.document.consumption),
    production: hoursOfProduction(check.document.production),
  };
  checkHours(books.consumption);
  checkHours(books.production);
  return books;
}

/** The certificates that were counted. Only who writes makes a file where there is none. */
export async function openBooks(
  { settings: { paths } }: Work,
  { make }: { readonly make: boolean },
): Promise<UsedRanges> {
  if (make) await Deno.mkdir(paths.root, { recursive: true, mode: 0o700 });
  else if (!await isThere(paths.certificates)) return openUsedRanges(":memory:");
  return openUsedRanges(paths.certificates);
}

const isThere = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);

/** What bundles are measured against here. Throws `NodeError` `usage` when nobody can be their beneficiary. */
export async function termsOf({ settings: { config, paths } }: Work, books: Books): Promise<Terms> {
  const consumption = new Map(
    books.consumption.filter(({ kind, coverage }) => kind !== "none" && coverage > 0).map((hour) => [
      hour.startMs,
      hour.microjoules,
    ]),
  );
  const named = config["certificates.beneficiary"];
  const peerId = named.length > 0 ? undefined : (await readIdentity(paths.identity))?.peerId;
  const beneficiaries = peerId === undefined ? named : beneficiariesOf(peerId);
  if (beneficiaries.length === 0) {
    throw new NodeError(
      "usage",
      "Cannot tell whose certificates are ours: this node has no identity and certificates.beneficiary is not set, wanted one of them",
    );
  }
  return {
    beneficiaries,
    accountId: config["certificates.account_id"],
    zones: zonesOf(config),
    consumedIn: (startMs) => consumption.get(startMs),
  };
}

/** Names of the market zone: those that are set, else the grid's (`carbon.zone`). */
export function zonesOf(config: Config): readonly string[] {
  const zones = config["certificates.zones"];
  const grid = config["carbon.zone"];
  return zones.length === 0 && grid !== undefined ? [grid] : zones;
}

/** Names under which certificates are cancelled for a node when its operator names none. */
export const beneficiariesOf = (peerId: PeerId): string[] => [`kwaai-node:${peerId}`, peerId];

/** Writes `text` to the file that `--output` names, whole or not at all; to stdout without it. */
export async function writeOut({ invocation }: Work, text: string): Promise<void> {
  const path = invocation.flags.get("output") as string | undefined;
  if (path === undefined) return invocation.output.line(text);
  const temporary = `${path}.${Deno.pid}.new`;
  try {
    await Deno.writeTextFile(temporary, `${text}\n`, { mode: 0o600 });
    await Deno.rename(temporary, path);
  } catch (cause) {
    throw new NodeError("denied", `Cannot write "${path}": ${messageOf(cause)}, wanted a writable folder`, {
      cause,
    });
  }
}
