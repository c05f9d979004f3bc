/**
 * Ports: whether the API and the network can listen where they are to.
 *
 * @module
 */
import { splitHostPort } from "../api/server.ts";
import { messageOf } from "../base/errors.ts";
import { counted } from "../base/words.ts";
import { ownerOfSocket, readTcpSockets } from "../device/sockets.ts";
import { openSystemFiles } from "../device/sysfs.ts";
import { type Check, type CheckContext, type Diagnosis, tellOf } from "./checks.ts";

const tell = tellOf("port");

interface Place {
  readonly what: string;
  readonly hostname: string;
  readonly port: number;
  readonly cure: string;
}

/** Listens for a moment wherever a node would. */
export const portsCheck: Check = {
  name: "port",
  run(context) {
    const { node, settings: { config } } = context;
    if (node.state === "running") {
      return [
        tell("ok", `the node listens at ${counted(node.status.addresses.length, "address", "addresses")}`),
      ];
    }
    if (node.state === "silent") {
      return [tell("info", "not tried: the process that holds the data folder has its own")];
    }
    const api = splitHostPort(config.api);
    const places: Place[] = [
      {
        what: "the API",
        ...api,
        cure: "choose another with --api 127.0.0.1:PORT, or 127.0.0.1:0 for a free one",
      },
      ...config.listen.flatMap((address) => placeOf(address) ?? []),
    ];
    const found = places.flatMap((place) => tryPlace(context, place));
    return found.length > 0 ? found : [tell("ok", `free: ${places.map(nameOf).join(", ")}`)];
  },
};

function placeOf(address: string): Place | undefined {
  const match = address.match(/^\/ip[46]\/([^/]+)\/tcp\/(\d+)/);
  if (match === null) return undefined;
  return {
    what: "peers",
    hostname: match[1]!,
    port: Number(match[2]),
    cure: "choose another with --listen /ip4/0.0.0.0/tcp/PORT; 0 picks a free one",
  };
}

const nameOf = ({ hostname, port, what }: Place): string => `${hostname}:${port || "any"} for ${what}`;

function tryPlace(context: CheckContext, place: Place): Diagnosis[] {
  const { hostname, port, what, cure } = place;
  try {
    Deno.listen({ hostname, port }).close();
    return [];
  } catch (error) {
    const words = messageOf(error);
    if (error instanceof Deno.errors.AddrInUse) return [takenOf(context, place)];
    if (error instanceof Deno.errors.PermissionDenied) {
      return [tell("fail", `port ${port} for ${what} is for root alone`, cure)];
    }
    const why = error instanceof Deno.errors.AddrNotAvailable ? "this machine has no such address" : words;
    return [tell("fail", `nothing can listen at ${hostname}:${port} for ${what}: ${why}`, cure)];
  }
}

function takenOf({ settings: { config } }: CheckContext, { what, hostname, port, cure }: Place): Diagnosis {
  const files = openSystemFiles(config);
  const holder = readTcpSockets(files).find((socket) => socket.isListening && socket.localPort === port);
  const owner = holder === undefined ? undefined : ownerOfSocket(files, holder.inode);
  return tell(
    "fail",
    `port ${port} of ${hostname}, which is for ${what}, is in use by ${owner ?? "another process"}`,
    owner === undefined ? cure : `end it, or ${cure}`,
  );
}
