/**
 * Connections of this machine, as the kernel lists them.
 *
 * @module
 */
import type { TextFiles } from "./sysfs.ts";

/** One TCP connection or listener. */
export interface TcpSocket {
  /** IPv6 addresses as 32 hexadecimal digits in the kernel's order of words; IPv4 as usual. */
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly isListening: boolean;
  /** Whether both sides may send. */
  readonly isOpen: boolean;
  /** Number by which /proc/PID/fd names it. */
  readonly inode: number;
}

/** TCP_ESTABLISHED and TCP_LISTEN (linux/include/net/tcp_states.h). */
const ESTABLISHED = 1;
const LISTEN = 10;

/** Of longer lists only a part is read. */
const MOST_SOCKETS = 5_000;

/**
 * Ports at the other ends of connections to our `port` over which the other side may still send; `undefined` where the kernel
 * does not tell.
 */
export function openPortsTo(files: TextFiles, port: number): ReadonlySet<number> | undefined {
  const sockets = readTcpSockets(files);
  const ours = sockets.filter(({ localPort }) => localPort === port);
  const isWhole = sockets.length < MOST_SOCKETS && ours.some(({ isListening }) => isListening);
  return isWhole
    ? new Set(ours.filter(({ isOpen }) => isOpen).map(({ remotePort }) => remotePort))
    : undefined;
}

/** All TCP sockets; none off Linux. */
export const readTcpSockets = (files: TextFiles): readonly TcpSocket[] =>
  ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) =>
    (files.readText(path) ?? "").split("\n").slice(1).flatMap((line) => parseLine(line) ?? [])
  );

/**
 * How many TCP connections others have opened to this machine since it started, all ports together; `undefined` where the
 * kernel does not tell.
 */
export function readOpenedByOthers(files: TextFiles): number | undefined {
  const [names, values] = (files.readText("/proc/net/snmp") ?? "").split("\n")
    .filter((line) => line.startsWith("Tcp:")).map((line) => line.trim().split(/\s+/));
  const count = values?.[names?.indexOf("PassiveOpens") ?? -1];
  return count === undefined ? undefined : Number(count);
}

function parseLine(line: string): TcpSocket | undefined {
  const words = line.trim().split(/\s+/);
  const [, local, remote, state] = words;
  const [localIp, localPort] = local?.split(":") ?? [];
  const [remoteIp, remotePort] = remote?.split(":") ?? [];
  if (localPort === undefined || remotePort === undefined || state === undefined) return undefined;
  return {
    local: addressOf(localIp!),
    localPort: parseInt(localPort, 16),
    remote: addressOf(remoteIp!),
    remotePort: parseInt(remotePort, 16),
    isListening: parseInt(state, 16) === LISTEN,
    isOpen: parseInt(state, 16) === ESTABLISHED,
    inode: Number(words[9] ?? 0),
  };
}

/** The kernel prints 32-bit words in the machine's byte order: little-endian on all that this runs on. */
function addressOf(hex: string): string {
  const mapped = hex.match(/^0{16}FFFF0000([0-9A-F]{8})$/i)?.[1];
  const four = hex.length === 8 ? hex : mapped;
  if (four === undefined) return hex.toLowerCase();
  return [6, 4, 2, 0].map((at) => parseInt(four.slice(at, at + 2), 16)).join(".");
}

/** The process that owns a socket, as `PID (name)`; `undefined` where it is not ours to know. */
export function ownerOfSocket(files: TextFiles & LinkFiles, inode: number): string | undefined {
  for (const pid of files.list("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of files.list(`/proc/${pid}/fd`)) {
      if (files.link(`/proc/${pid}/fd/${fd}`) !== `socket:[${inode}]`) continue;
      return `process ${pid} (${files.readText(`/proc/${pid}/comm`) ?? "?"})`;
    }
  }
  return undefined;
}

/** Where links lead. */
interface LinkFiles {
  link(path: string): string | undefined;
}
