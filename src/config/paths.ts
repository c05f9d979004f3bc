/**
 * Where files lie: pure rules over the environment.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";

type Environment = Readonly<Record<string, string>>;

/** Files of a data folder (mode 0700). */
export interface DataPaths {
  readonly root: string;
  /** libp2p private key, 0600. */
  readonly identity: string;
  /** node:sqlite. */
  readonly state: string;
  /** Hour-by-hour books of energy. */
  readonly ledger: string;
  readonly models: string;
  /** Certificates that were counted: node:sqlite, never begun anew. */
  readonly certificates: string;
  /** Native libraries written out of the program, by hash. */
  readonly native: string;
  /** Held while a node runs; tells its process id and the address of its API. */
  readonly lock: string;
}

/**
 * The data folder: what the operator said, else systemd's `$STATE_DIRECTORY`, else the XDG folder.
 * Throws `NodeError` `usage` when there is no home either.
 */
export function dataDirectory(chosen: string | undefined, environment: Environment): string {
  if (chosen !== undefined) return chosen;
  // systemd joins several folders by colons (systemd.exec(5))
  const state = environment["STATE_DIRECTORY"]?.split(":")[0];
  if (state) return state;
  if (environment["XDG_DATA_HOME"]) return `${environment["XDG_DATA_HOME"]}/kwaainet`;
  if (environment["HOME"]) return `${environment["HOME"]}/.local/share/kwaainet`;
  throw new NodeError("usage", "Cannot choose a data folder: HOME is not set, wanted --data-dir");
}

/** The files of the data folder `root`. */
export const dataPaths = (root: string): DataPaths => ({
  root,
  identity: `${root}/identity.key`,
  state: `${root}/state.db`,
  ledger: `${root}/ledger`,
  models: `${root}/models`,
  certificates: `${root}/certificates.db`,
  native: `${root}/native`,
  lock: `${root}/lock`,
});

/** Configuration files that are looked for, first one wins; one that was named must exist. */
export function configFiles(
  chosen: string | undefined,
  environment: Environment,
): { readonly paths: readonly string[]; readonly mustExist: boolean } {
  const named = chosen ?? environment["KWAAI_CONFIG"];
  if (named) return { paths: [named], mustExist: true };
  const home = environment["XDG_CONFIG_HOME"] ||
    (environment["HOME"] ? `${environment["HOME"]}/.config` : "");
  const paths = home ? [`${home}/kwaainet/config.toml`] : [];
  return { paths: [...paths, "/etc/kwaainet/config.toml"], mustExist: false };
}
