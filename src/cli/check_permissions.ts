/**
 * Who may read what belongs to the node: its folder and its key.
 *
 * @module
 */
import { codeOf, messageOf } from "../base/errors.ts";
import { type Check, type CheckContext, type Diagnosis, tellOf } from "./checks.ts";

const tell = tellOf("permissions");
const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;

/** Modes of the data folder and of the key. */
export const permissionsCheck: Check = {
  name: "permissions",
  async run(context) {
    const { root, identity } = context.settings.paths;
    const [folder, key] = [modeOf(root), modeOf(identity)];
    if (isNoFolder(root)) return [tell("unknown", `${root} is no folder`, "see disk")];
    if (folder === undefined) return [tell("ok", `${root} is not there yet; it will be for its owner alone`)];
    const found = [
      ...(folder === "denied" ? [deniedOf(root)] : folderOf(root, folder)),
      ...(key === undefined ? [] : key === "denied" ? [deniedOf(identity)] : keyOf(identity, key)),
      ...(key === undefined || key === "denied" ? [] : await readableOf(context)),
    ];
    return found.length > 0 ? found : [tell("ok", `${root} is for its owner alone, and so is the key in it`)];
  },
};

/** Permission bits; `undefined` for what is not there or where there are none. */
function modeOf(path: string): number | "denied" | undefined {
  try {
    const { mode } = Deno.statSync(path);
    return mode === null ? undefined : mode & 0o777;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied ? "denied" : undefined;
  }
}

function isNoFolder(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function folderOf(root: string, mode: number): Diagnosis[] {
  if ((mode & OPEN_TO_OTHERS) === 0) return [];
  const isWritable = (mode & WRITABLE_BY_OTHERS) !== 0;
  return [tell(
    isWritable ? "fail" : "warn",
    `${root} is open to others (mode ${octal(mode)}): they may ${
      isWritable ? "put another key in its place" : "see what lies in it"
    }`,
    `chmod 700 '${root}'`,
  )];
}

function keyOf(path: string, mode: number): Diagnosis[] {
  if ((mode & OPEN_TO_OTHERS) === 0) return [];
  return [tell(
    "fail",
    `${path} is open to others (mode ${octal(mode)}): who reads it can pass for this node`,
    `chmod 600 '${path}'; if a stranger may have read it, move it away: the node makes a new one`,
  )];
}

async function readableOf({ lookouts, settings: { paths } }: CheckContext): Promise<Diagnosis[]> {
  try {
    await lookouts.identity();
    return [];
  } catch (error) {
    if (codeOf(error, "busy") === "denied") return [deniedOf(paths.identity)];
    return [
      tell(
        "fail",
        messageOf(error),
        `restore ${paths.identity} from a backup, or move it away for a new identity`,
      ),
    ];
  }
}

const deniedOf = (path: string): Diagnosis =>
  tell(
    "fail",
    `${path} cannot be read by this user: permission denied`,
    `run the node as its owner, or give it to this user: sudo chown "$USER" '${path}' && chmod u+rwX '${path}'`,
  );

const octal = (mode: number): string => `0${mode.toString(8)}`;
