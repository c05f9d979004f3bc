/**
 * The only reader of /sys and /proc. Their roots can be given, so that recorded trees stand in for a machine.
 *
 * @module
 */

/** Where the kernel's trees are found. */
export interface SystemRoots {
  /** Stands for `/sys`. */
  readonly sysfs: string;
  /** Stands for `/proc`. */
  readonly procfs: string;
}

/** Longest file read: the kernel's are far shorter. */
const MAX_BYTES = 1 << 20;

/** The kernel's small text files. Paths are absolute, as on the machine itself: `/proc/meminfo`, `/sys/class/…`. */
export interface SystemFiles {
  /** Text without white space at its ends and without NULs; `undefined` when it is absent or may not be read. */
  readText(path: string): string | undefined;
  /** Names in a folder, sorted; none when it is absent or may not be read. */
  list(path: string): readonly string[];
}

/** Opens the trees. Reading never throws. */
export function openSystemFiles(roots: SystemRoots): SystemFiles {
  const locate = (path: string) =>
    path.replace(/^\/sys(?=\/)/, roots.sysfs).replace(/^\/proc(?=\/)/, roots.procfs);
  return {
    readText: (path) => attempt(() => readCapped(locate(path))),
    list: (path) =>
      attempt(() => [...Deno.readDirSync(locate(path))].map((entry) => entry.name).sort()) ?? [],
  };
}

function readCapped(path: string): string {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(MAX_BYTES);
  let length = 0;
  for (let read = 1; read > 0 && length < MAX_BYTES; length += read) {
    read = file.readSync(bytes.subarray(length)) ?? 0;
  }
  return new TextDecoder().decode(bytes.subarray(0, length)).replaceAll("\0", "").trim();
}

/** Absent, denied and vanished files are one answer; a mistake of ours is not. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    return undefined;
  }
}
