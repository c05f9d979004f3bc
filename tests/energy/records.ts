/** Records of the books for tests. */
import fc from "fast-check";
import { HOUR_MS, type LedgerRecord } from "../../src/energy/ledger_record.ts";

/** A plain record. */
export function recordOf(
  { hour, serve = 0n, idle = 0n, other = 0n, tokens = 0, gramsPerKwh = 300 }: {
    readonly hour: number;
    readonly serve?: bigint;
    readonly idle?: bigint;
    readonly other?: bigint;
    readonly tokens?: number;
    readonly gramsPerKwh?: number;
  },
): LedgerRecord {
  return {
    startMs: hour * HOUR_MS,
    microjoules: { serve, idle, other },
    localMicrojoules: 0n,
    tokens,
    blockTokens: tokens * 2,
    elapsedMs: HOUR_MS,
    coveredMs: HOUR_MS,
    kind: "measured",
    uncertainty: 0.05,
    evidence: "D",
    intensity: {
      gramsPerKwh,
      method: "lifecycle",
      quality: "yearly",
      provider: "table",
      zone: "DE",
      uncertainty: 0.3,
      renewableRatio: 0.524,
    },
    marketGramsPerKwh: null,
    marginalGramsPerKwh: null,
  };
}

const hundredths = (max: number) => fc.integer({ min: 0, max: max * 100 }).map((value) => value / 100);
const ratio = fc.integer({ min: 0, max: 1000 }).map((value) => value / 1000);
/** Objects as literals make them. */
const PLAIN = { noNullPrototype: true } as const;
const energy = fc.bigInt({ min: 0n, max: 10n ** 14n });
const orNull = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null });

/** Any record of November 2026, or of all hours there are. */
export const anyRecordIn = (hours: fc.Arbitrary<number>): fc.Arbitrary<LedgerRecord> =>
  fc.record({
    hour: hours,
    microjoules: fc.record({ serve: energy, idle: energy, other: energy }, PLAIN),
    local: fc.integer({ min: 0, max: 100 }),
    tokens: fc.nat(),
    blockTokens: fc.nat(),
    elapsedMs: fc.integer({ min: 0, max: HOUR_MS }),
    covered: ratio,
    kind: fc.constantFrom("measured", "modelled", "mixed", "none"),
    uncertainty: orNull(ratio),
    evidence: orNull(fc.constantFrom("A", "B", "C", "D", "E")),
    intensity: orNull(fc.record({
      gramsPerKwh: hundredths(2000),
      method: fc.constantFrom("lifecycle", "operational", "unstated"),
      quality: fc.constantFrom("live", "estimated", "stale", "yearly"),
      provider: fc.constantFrom("table", "electricitymaps"),
      zone: fc.constantFrom("DE", "US-CAL-CISO", "10Y1001A1001A82H"),
      uncertainty: ratio,
      renewableRatio: orNull(ratio),
    }, PLAIN)),
    marketGramsPerKwh: orNull(hundredths(2000)),
    marginalGramsPerKwh: orNull(hundredths(2000)),
  }).map(({ hour, local, covered, ...rest }) => {
    const { serve, idle, other } = rest.microjoules;
    return {
      ...rest,
      startMs: hour * HOUR_MS,
      localMicrojoules: (serve + idle + other) * BigInt(local) / 100n,
      coveredMs: Math.floor(rest.elapsedMs * covered),
    } as LedgerRecord;
  });

/** Any record at all. */
export const anyRecord: fc.Arbitrary<LedgerRecord> = anyRecordIn(fc.integer({ min: 0, max: 2_016_000 }));
