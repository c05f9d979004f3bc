/**
 * The carbon of a node's grid and its books of energy, from the configuration.
 *
 * @module
 */
import type { CarbonAwareSource } from "../api/carbon_aware.ts";
import type { Table } from "../base/database.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { Config } from "../config/schema.ts";
import { type CarbonBooks, openCarbonBooks } from "../energy/carbon/books.ts";
import type { EnergyWindow } from "../energy/carbon/hour_book.ts";
import { type CarbonIntensity, openIntensity } from "../energy/carbon/intensity.ts";
import { chooseProvider } from "../energy/carbon/providers/choose.ts";
import type { Embodied } from "../energy/carbon/sci.ts";
import { windowOf } from "../energy/carbon/windows.ts";
import { openLedger } from "../energy/ledger.ts";
import type { MeterSums } from "../energy/meter.ts";

/** Time between entries. */
const ENTER_MS = 60_000;
/** How far back the books are read at the start. */
const DAY_MS = 24 * 3_600_000;
/** Of a mean year. */
const YEAR_MS = 365.25 * 24 * 3_600_000;

/** What the books are made of. */
export interface CarbonOptions {
  readonly config: Config;
  /** Folder of the books. */
  readonly folder: string;
  /** Where answers of a service are kept over a restart. */
  readonly table: Table;
  /** Whether certificates of the own production go to somebody else. */
  readonly productionSold: boolean;
}

/** Carbon and books. Dispose after the meter, so that its last joules are entered; what is open is written. */
export interface NodeCarbon extends AsyncDisposable {
  readonly intensity: CarbonIntensity;
  readonly books: CarbonBooks;
  /**
   * From now on what `sums` gains is entered each minute, and at the end. `localOf` tells what own production gave of a
   * window, where there is any.
   */
  keep(sums: () => MeterSums, localOf?: (window: EnergyWindow) => EnergyWindow["local"]): void;
}

/** The carbon of the grid that `config` names. Throws `NodeError` `usage` for a service that lacks something. */
export function intensityOf(world: World, config: Config, table: Table): CarbonIntensity {
  const zone = config["carbon.zone"];
  const provider = chooseProvider(world, {
    name: config["carbon.provider"],
    zone: config["carbon.provider_zone"] ?? zone,
    access: {
      url: config["carbon.provider_url"],
      user: config["carbon.provider_user"],
      token: config["carbon.provider_token"],
    },
  });
  return openIntensity(world, { zone, provider, table });
}

/** What the Carbon Aware routes of the API show: values of the service, never yearly averages. */
export const carbonAwareSource = (world: World, intensity: CarbonIntensity): CarbonAwareSource => ({
  names: () => intensity.names,
  observed() {
    const { readings, periodMs } = intensity.observed();
    return readings.map(({ point }) => ({ ...point, durationMs: periodMs }));
  },
  forecast() {
    const forecast = intensity.forecast();
    if (forecast === undefined) return undefined;
    const { generatedAtMs, periodMs, points } = forecast;
    return { generatedAtMs, points: points.map((point) => ({ ...point, durationMs: periodMs })) };
  },
  now: () => world.clock.now(),
});

/** Opens both. Throws `NodeError` `usage` for a service that lacks something, `denied` for a folder that cannot be written. */
export async function openCarbon(world: World, options: CarbonOptions): Promise<NodeCarbon> {
  const { config, folder, table, productionSold } = options;
  await using parts = new AsyncDisposableStack();
  const intensity = parts.use(intensityOf(world, config, table));
  const ledger = await openLedger(world, folder);
  const now = world.clock.now();
  const books = parts.use(openCarbonBooks(world, {
    ledger,
    earlier: await ledger.hours(now - DAY_MS, now).catch((error) => {
      // the day's sum begins anew; what is written is another matter
      world.log.warn("Energy books not read", { reason: messageOf(error) });
      return [];
    }),
    intensity,
    marketGramsPerKwh: config["carbon.market_grams_per_kwh"],
    productionSold,
    embodied: embodiedOf(config),
  }));
  const keeper = parts.use(openKeeper(world, books));
  const all = parts.move();
  return {
    intensity,
    books,
    keep: keeper.keep,
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

function embodiedOf(config: Config): Embodied | undefined {
  const { "carbon.embodied_grams": totalGrams, "carbon.lifetime_years": years } = config;
  if (totalGrams === undefined || years === undefined) return undefined;
  return { totalGrams, lifetimeMs: years * YEAR_MS };
}

/** Enters what a meter gained, each minute and once more at the end. */
function openKeeper(world: World, books: CarbonBooks): Pick<NodeCarbon, "keep"> & AsyncDisposable {
  const end = new AbortController();
  let enter = () => {};
  const life = (async () => {
    while (!end.signal.aborted) {
      await world.clock.sleep(ENTER_MS, end.signal).catch(() => {});
      try {
        enter();
      } catch (error) {
        // nobody waits for this loop: the next minute is entered all the same
        world.log.error("A minute of energy not entered", { error });
      }
    }
  })();
  return {
    keep(sums, localOf) {
      let before = sums();
      enter = () => {
        const after = sums();
        const window = windowOf(before, after, world.clock.now());
        before = after;
        const local = localOf?.(window);
        books.add(local === undefined ? window : { ...window, local });
      };
    },
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
    },
  };
}
