/**
 * The configuration of an invocation: flags, environment, file and device class together.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import { openSystemWorld } from "../base/system_world.ts";
import type { World } from "../base/world.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { configFiles, dataDirectory, type DataPaths, dataPaths } from "../config/paths.ts";
import { type ConfigPath, environmentName } from "../config/schema.ts";
import { type TargetDescriptor, targetOf } from "../config/target.ts";
import { readMachine } from "../device/machine.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import type { Flag, Invocation } from "./verb.ts";

/** What a verb knows before it does anything. */
export interface Settings extends LoadedConfig {
  readonly paths: DataPaths;
  /** Configuration file that was read, if any. */
  readonly file: string | undefined;
  readonly target: TargetDescriptor;
}

/** Loads the configuration for `invocation`. Throws `NodeError` `usage`, `not_found`, `denied`. */
export function loadSettings(invocation: Invocation, flags: readonly Flag[]): Settings {
  const { environment } = invocation;
  const target = targetOf(readMachine(openSystemFiles(givenRoots(invocation)), Deno.build.arch));
  const chosen = invocation.flags.get("config") as string | undefined;
  const file = readConfigFile(configFiles(chosen, environment));
  const loaded = loadConfig({
    flags: settingsOfFlags(invocation, flags),
    sets: (invocation.flags.get("set") as readonly string[] | undefined) ?? [],
    environment,
    file,
    target,
  });
  const root = absolute(dataDirectory(loaded.config.data_dir, environment));
  const config = { ...loaded.config, data_dir: root, model: absoluteIfPath(loaded.config.model) };
  return { config, origins: loaded.origins, paths: dataPaths(root), file: file?.path, target };
}

/** The world of an invocation: logs on stderr at the level that was set, `level` without one. */
export function worldOf(
  invocation: Invocation,
  settings: Settings,
  level: "info" | "warn" | "error",
): World {
  return openSystemWorld({
    level: settings.config.log_level ?? level,
    json: invocation.flags.has("json"),
  });
}

/** The level of verbs that write text as it comes: where logs would stand in the middle of it, only failures do. */
export const textLevel = ({ output, flags }: Pick<Invocation, "output" | "flags">): "warn" | "error" =>
  output.mixesOnTerminal && !flags.has("json") ? "error" : "warn";

/** The roots of /sys and /proc are needed before the configuration they belong to is known. */
function givenRoots({ flags, environment }: Invocation): { sysfs: string; procfs: string } {
  const given = (path: "sysfs" | "procfs") =>
    (flags.get(path) as string | undefined) ?? environment[environmentName(path)];
  return { sysfs: given("sysfs") || "/sys", procfs: given("procfs") || "/proc" };
}

function settingsOfFlags(invocation: Invocation, flags: readonly Flag[]): Map<ConfigPath, unknown> {
  const values = new Map<ConfigPath, unknown>();
  for (const flag of flags) {
    const value = invocation.flags.get(flag.name);
    if (flag.setting === undefined || value === undefined) continue;
    values.set(flag.setting, value === true ? flag.sets ?? true : [value].flat().join(","));
  }
  return values;
}

function readConfigFile(
  { paths, mustExist }: ReturnType<typeof configFiles>,
): { path: string; text: string } | undefined {
  for (const path of paths) {
    try {
      return { path, text: Deno.readTextFileSync(path) };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound && !mustExist) continue;
      if (error instanceof Deno.errors.NotFound) {
        throw new NodeError("usage", `Cannot read ${path}: it does not exist, wanted a configuration file`);
      }
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new NodeError("denied", `Cannot read ${path}: permission denied, wanted a readable file`);
      }
      throw new NodeError("usage", `Cannot read ${path}: it is no readable file, wanted TOML`, {
        cause: error,
      });
    }
  }
  return undefined;
}

/** A model that is a path is one from every folder; other names stay as they are. */
function absoluteIfPath(model: string | undefined): string | undefined {
  if (model === undefined) return undefined;
  try {
    Deno.statSync(model);
    return absolute(model);
  } catch {
    return model;
  }
}

const absolute = (path: string): string => path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
