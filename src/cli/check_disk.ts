/**
 * The disk below the data folder.
 *
 * @module
 */
import { messageOf } from "../base/errors.ts";
import { diskFreeBytes } from "../device/disk.ts";
import { type Check, type Diagnosis, tellOf } from "./checks.ts";

const tell = tellOf("disk");
/** State, books and libraries need less; a system that is this full has other troubles too. */
const LEAST_BYTES = 100e6;
/** Room for a small model. */
const ROOM_BYTES = 1e9;
const CURE =
  "remove models that are not needed (kwaainet models), make room, or choose another disk with --data-dir";
/** A page: what a full disk does not take. */
const PAGE = new Uint8Array(4096);

/** Whether the data folder can be written, and how much room is left. */
export const diskCheck: Check = {
  name: "disk",
  run({ settings: { paths: { root } } }) {
    const folder = nearestFolder(root);
    const inTheWay = fileInTheWay(root, folder);
    if (inTheWay !== undefined) {
      const cure = "move that file away, or choose another folder with --data-dir";
      return [tell("fail", `${root} cannot be a folder: ${inTheWay} is a file`, cure)];
    }
    const refused = tryToWrite(folder);
    if (refused !== undefined) return [refusedOf(root, refused)];
    const free = diskFreeBytes(folder);
    if (free === undefined) return [tell("unknown", `${root}: free room is not told`, `see df ${folder}`)];
    if (free < LEAST_BYTES) {
      return [tell("fail", `${root}: the disk is full, ${sizeOf(free)} are left`, CURE)];
    }
    if (free < ROOM_BYTES) {
      return [tell("warn", `${root}: ${sizeOf(free)} are left, little for a model`, CURE)];
    }
    return [tell("ok", `${root}: ${sizeOf(free)} are free, and it can be written`)];
  },
};

/** The folder itself, or the nearest one above that is there. */
export function nearestFolder(path: string): string {
  for (let at = path;; at = at.slice(0, at.lastIndexOf("/"))) {
    if (at === "") return "/";
    try {
      if (Deno.statSync(at).isDirectory) return at;
    } catch {
      // the one above, then
    }
  }
}

/** What has the place of the folder below `folder` on the way to `root`; `undefined` where nothing has. */
function fileInTheWay(root: string, folder: string): string | undefined {
  if (root === folder) return undefined;
  const start = folder === "/" ? 1 : folder.length + 1;
  const end = root.indexOf("/", start);
  const path = end === -1 ? root : root.slice(0, end);
  try {
    Deno.lstatSync(path);
    return path;
  } catch {
    return undefined; // not there, or out of sight
  }
}

/** Writes a page and removes it. What was thrown, if so. */
function tryToWrite(folder: string): unknown {
  const path = `${folder === "/" ? "" : folder}/.kwaainet-doctor.${Deno.pid}`;
  try {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    for (let at = 0; at < PAGE.length;) at += file.writeSync(PAGE.subarray(at));
    file.syncSync();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    try {
      Deno.removeSync(path);
    } catch {
      // it was not made
    }
  }
}

function refusedOf(root: string, error: unknown): Diagnosis {
  const words = messageOf(error);
  if (/os error (?:28|122)\b|No space left|quota/i.test(words)) {
    return tell("fail", `${root}: the disk is full (${words})`, CURE);
  }
  if (/os error 30\b|Read-only/i.test(words)) {
    return tell(
      "fail",
      `${root}: the file system is read-only`,
      "mount it writable (sudo mount -o remount,rw MOUNT; a card that turns read-only by itself is dying), or choose " +
        "another folder with --data-dir",
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return tell(
      "fail",
      `${root}: this user may not write there`,
      'give it to the user of the node: sudo chown -R "$USER" ' +
        `'${root}', or choose another with --data-dir`,
    );
  }
  return tell("fail", `${root}: it cannot be written (${words})`, "choose another folder with --data-dir");
}

const sizeOf = (bytes: number): string =>
  bytes < 1e9 ? `${Math.floor(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
