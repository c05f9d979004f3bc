/**
 * Which certificates were counted already: ranges of certificate numbers on disk. A range is taken in one transaction
 * with the look at what is taken, so that neither a kill nor a second process lets a watt-hour count twice.
 *
 * It does not stand in `base/database.ts`: that one begins anew when its file is damaged, and here a new beginning would
 * free every range. Damage is an error instead.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { messageOf, NodeError } from "../../base/errors.ts";
import { HOUR_MS, hourOf, readTime, toIsoSeconds } from "./quantities.ts";
import type { SourceType, StoredCertificate } from "./types.ts";

/** Most certificates kept, eleven years of hours; beyond, the oldest are forgotten, and with them their time. */
const MAX_ENTRIES = 100_000;
/** Most of them that nobody vouches for: they must not push out others. */
const MAX_UNVERIFIED = 10_000;
/** How long another process may hold the file. */
const PATIENCE_MS = 5_000;

/** A certificate that wants into the books. */
export interface Offer {
  readonly certificate: StoredCertificate;
  /** What its UTC hour can take in all; absent for yearly ones. */
  readonly mostWattHours: bigint | undefined;
}

/** Whether a certificate was taken into the books. */
export type Addition =
  | {
    readonly outcome: "added" | "known"; /** Unverified ones that it took the place of. */
    readonly replaced: number;
  }
  | { readonly outcome: "refused"; readonly reason: string };

/** The open books. Dispose to close them. */
export interface UsedRanges extends Disposable {
  /**
   * Takes the range of each, in order, unless part of it is taken or its UTC hour would hold too much; what came of each.
   * All are on disk when this returns, and none when it throws: `NodeError` `busy`, `denied`.
   */
  add(offers: readonly Offer[]): Addition[];
  /** What would come of {@linkcode add}, without doing it. */
  preview(offers: readonly Offer[]): Addition[];
  /** What was taken of production between two times, half-open, in order. */
  between(fromMs: number, toMs: number): StoredCertificate[];
}

/** How much is kept; tests keep less. */
export interface UsedRangesLimits {
  readonly entries: number;
  readonly unverified: number;
}

/** Opens or makes `path`. Throws `NodeError` `denied`, `busy`, and `corrupt` for a damaged file, which stays as it is. */
export function openUsedRanges(
  path: string,
  limits: UsedRangesLimits = { entries: MAX_ENTRIES, unverified: MAX_UNVERIFIED },
): UsedRanges {
  try {
    const file = new DatabaseSync(path);
    try {
      return new SqliteRanges(file, limits);
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    throw failure("open", path, error);
  }
}

function failure(act: string, path: string, error: unknown): Error {
  if (error instanceof NodeError) return error;
  const words = messageOf(error);
  const options = { cause: error };
  if (/locked|busy/.test(words)) {
    return new NodeError("busy", `Cannot ${act} ${path}: another process holds it, wanted it free`, options);
  }
  if (/not a database|malformed|damaged/.test(words)) {
    const cure = "a backup; a new file would let certificates that were counted count again";
    return new NodeError("corrupt", `Cannot ${act} ${path}: it is damaged, wanted ${cure}`, options);
  }
  return new NodeError("denied", `Cannot ${act} ${path}: ${words}, wanted a writable file`, options);
}

const SCHEMA = `
PRAGMA busy_timeout = ${PATIENCE_MS}; PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS certificates (
  issuance TEXT NOT NULL, issuance_key TEXT NOT NULL, device TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, watt_hours INTEGER NOT NULL, source TEXT NOT NULL, zone TEXT NOT NULL,
  start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, grams REAL, evidence TEXT NOT NULL, voucher TEXT NOT NULL,
  imported_ms INTEGER NOT NULL, PRIMARY KEY (issuance_key, first)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_device ON certificates (device, start_ms);
CREATE INDEX IF NOT EXISTS long_ones ON certificates (device) WHERE end_ms - start_ms > ${HOUR_MS};
CREATE INDEX IF NOT EXISTS by_start ON certificates (start_ms);
CREATE INDEX IF NOT EXISTS by_end ON certificates (end_ms);
CREATE INDEX IF NOT EXISTS unverified ON certificates (evidence) WHERE evidence = 'E';
CREATE TABLE IF NOT EXISTS forgotten (before_ms INTEGER NOT NULL)`;

/**
 * Taken ranges that share a number with a new one: of its issuance, or of its device in that time under another name.
 * Three looks, each by an index; one with OR would read the whole table.
 */
const OVERLAPS = [
  "certificates WHERE issuance_key = :key",
  `certificates INDEXED BY by_device WHERE device = :device AND start_ms > :start - ${HOUR_MS} AND start_ms < :end AND end_ms > :start`,
  `certificates INDEXED BY long_ones WHERE device = :device AND end_ms - start_ms > ${HOUR_MS} AND start_ms < :end AND end_ms > :start`,
].map((where) => `SELECT * FROM ${where} AND last >= :first AND first <= :last`).join(" UNION ");

class SqliteRanges implements UsedRanges {
  readonly #overlaps: StatementSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #hour: StatementSync;
  readonly #forgotten: StatementSync;
  readonly #unverified: StatementSync;
  /** Certificates in the file, counted at the beginning of a transaction: counting reads them all. */
  #entries = 0;

  constructor(readonly file: DatabaseSync, readonly limits: UsedRangesLimits) {
    file.exec(SCHEMA);
    const { quick_check } = file.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (quick_check !== "ok") throw new Error("the file is damaged");
    this.#overlaps = file.prepare(OVERLAPS);
    this.#insert = file.prepare(`INSERT INTO certificates VALUES (${"?,".repeat(13)}?)`);
    this.#remove = file.prepare("DELETE FROM certificates WHERE issuance_key = ? AND first = ?");
    this.#hour = file.prepare(
      "SELECT evidence, watt_hours FROM certificates WHERE start_ms >= ? AND start_ms < ? AND end_ms <= ?",
    );
    this.#forgotten = file.prepare("SELECT coalesce(max(before_ms), 0) AS at FROM forgotten");
    this.#unverified = file.prepare("SELECT count(*) AS count FROM certificates WHERE evidence = 'E'");
  }

  add(offers: readonly Offer[]): Addition[] {
    return this.#transact(offers, "COMMIT");
  }

  preview(offers: readonly Offer[]): Addition[] {
    return this.#transact(offers, "ROLLBACK");
  }

  #transact(offers: readonly Offer[], end: "COMMIT" | "ROLLBACK"): Addition[] {
    try {
      this.file.exec("BEGIN IMMEDIATE");
      try {
        this.#entries = this.file.prepare("SELECT count(*) AS count FROM certificates")
          .get()!["count"] as number;
        const additions = offers.map((offer) => this.#add(offer));
        this.file.exec(end);
        return additions;
      } catch (error) {
        this.file.exec("ROLLBACK");
        throw error;
      }
    } catch (error) {
      throw failure("write", "the used certificates", error);
    }
  }

  #add({ certificate, mostWattHours }: Offer): Addition {
    const refused = (reason: string): Addition => ({ outcome: "refused", reason });
    const taken = this.#taken(certificate);
    if (taken.some((other) => isSame(other, certificate))) return { outcome: "known", replaced: 0 };
    const stands = taken.find((other) => other.evidence !== "E" || certificate.evidence === "E");
    if (stands !== undefined) {
      return refused(`certificates ${stands.rangeStart} to ${stands.rangeEnd} of it are used already`);
    }
    if (certificate.endMs <= this.#forgottenBefore()) {
      return refused("its time is so long ago that used ranges of then are forgotten");
    }
    const hour = this.#wattHoursIn(hourOf(certificate.startMs), certificate.evidence === "E");
    if (mostWattHours !== undefined && hour + certificate.wattHours > mostWattHours) {
      return refused(
        `${
          toIsoSeconds(hourOf(certificate.startMs))
        } used ${mostWattHours} Wh and has ${hour} Wh of certificates: ` +
          `${certificate.wattHours} Wh more are too many`,
      );
    }
    if (
      certificate.evidence === "E" && this.#unverified.get()!["count"] as number >= this.limits.unverified
    ) {
      return refused(`there are ${this.limits.unverified} unverified ones already`);
    }
    // only unverified ones are left here: what somebody vouches for takes their place
    for (const other of taken) this.#remove.run(issuanceKey(other.issuanceId), other.rangeStart);
    this.#entries -= taken.length;
    this.#makeRoom();
    this.#put(certificate);
    this.#entries++;
    return { outcome: "added", replaced: taken.length };
  }

  #put(each: StoredCertificate): void {
    this.#insert.run(
      each.issuanceId,
      issuanceKey(each.issuanceId),
      each.deviceId,
      each.rangeStart,
      each.rangeEnd,
      each.wattHours,
      each.source,
      each.zone,
      each.startMs,
      each.endMs,
      each.gramsPerKwh ?? null,
      each.evidence,
      each.by,
      each.importedAtMs,
    );
  }

  #taken(certificate: StoredCertificate): StoredCertificate[] {
    return this.#overlaps.all({
      first: certificate.rangeStart,
      last: certificate.rangeEnd,
      key: issuanceKey(certificate.issuanceId),
      device: certificate.deviceId,
      start: certificate.startMs,
      end: certificate.endMs,
    }).map(fromRow);
  }

  #wattHoursIn(hourMs: number, unverifiedToo: boolean): bigint {
    return this.#hour.all(hourMs, hourMs + HOUR_MS, hourMs + HOUR_MS)
      .filter(({ evidence }) => evidence === "B" || (unverifiedToo && evidence === "E"))
      .reduce((sum, row) => sum + BigInt(row["watt_hours"] as number), 0n);
  }

  #forgottenBefore(): number {
    return this.#forgotten.get()!["at"] as number;
  }

  /** Forgets a tenth, oldest first, and their time with them: nothing of that time is taken again. */
  #makeRoom(): void {
    if (this.#entries < this.limits.entries) return;
    const nth = Math.ceil(this.limits.entries / 10) - 1;
    const { at } = this.file.prepare("SELECT end_ms AS at FROM certificates ORDER BY end_ms LIMIT 1 OFFSET ?")
      .get(nth) as { at: number };
    this.#entries -= Number(this.file.prepare("DELETE FROM certificates WHERE end_ms <= ?").run(at).changes);
    this.file.exec("DELETE FROM forgotten");
    this.file.prepare("INSERT INTO forgotten VALUES (?)").run(at);
  }

  between(fromMs: number, toMs: number): StoredCertificate[] {
    return this.file.prepare(
      "SELECT * FROM certificates WHERE start_ms < ? AND end_ms > ? ORDER BY start_ms, issuance_key, first",
    ).all(toMs, fromMs).map(fromRow);
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

/**
 * An issuance id with its time in one form: the reference registry joins device and time, and writes the time in more
 * than one way.
 */
function issuanceKey(issuanceId: string): string {
  const [, device, time = ""] = /^(.*)-(\d{4}-\d{2}-\d{2}[T ].*)$/.exec(issuanceId) ?? [];
  const atMs = readTime(time);
  return atMs === undefined ? issuanceId.normalize() : `${device}-${toIsoSeconds(atMs)}`;
}

/** Whether `a` is `b`, vouched for as well or better. */
const isSame = (a: StoredCertificate, b: StoredCertificate): boolean =>
  (a.evidence !== "E" || b.evidence === "E") && a.rangeStart === b.rangeStart && a.rangeEnd === b.rangeEnd &&
  a.deviceId === b.deviceId && a.startMs === b.startMs && a.endMs === b.endMs && a.wattHours === b.wattHours;

function fromRow(row: Record<string, unknown>): StoredCertificate {
  return {
    issuanceId: row["issuance"] as string,
    deviceId: row["device"] as string,
    rangeStart: row["first"] as number,
    rangeEnd: row["last"] as number,
    wattHours: BigInt(row["watt_hours"] as number),
    source: row["source"] as SourceType,
    zone: row["zone"] as string,
    startMs: row["start_ms"] as number,
    endMs: row["end_ms"] as number,
    gramsPerKwh: (row["grams"] as number | null) ?? undefined,
    evidence: row["evidence"] as StoredCertificate["evidence"],
    by: row["voucher"] as string,
    importedAtMs: row["imported_ms"] as number,
  };
}
