/**
 * Where the local API listens.
 *
 * @module
 */
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { ApiHandler } from "./handler.ts";
import { type Caller, Leaving, type OpenPorts } from "./leaving.ts";

/** Longest wait for requests in progress when the server closes. */
const CLOSE_MS = 1000;

/** A listening API. Dispose to close it. */
export interface ApiServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
}

/**
 * The parts of `HOST:PORT`, brackets of an IPv6 address taken off.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(splitHostPort("[::1]:0"), { hostname: "::1", port: 0 });
 * ```
 */
export function splitHostPort(address: string): { readonly hostname: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { hostname: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}

/**
 * Listens at `address` (`HOST:PORT`, 0 picks a port). `openPorts` tells who is connected to a port of ours, where that is
 * known. Throws `NodeError` `busy` or `denied` with the cure.
 */
export function openApiServer(
  world: World,
  address: string,
  handler: ApiHandler,
  openPorts: OpenPorts = () => undefined,
): ApiServer {
  const { hostname, port } = splitHostPort(address);
  const end = new AbortController();
  const leaving = new Leaving(world.clock, () => openPorts(server.addr.port));
  const server = serve({ hostname, port, signal: end.signal, onListen: () => {} }, async (request, info) => {
    let caller: Caller | undefined;
    try {
      return await handler(
        request,
        () => (caller ??= leaving.watch(request.signal, info.remoteAddr.port)).signal,
      );
    } finally {
      caller?.[Symbol.dispose]();
    }
  });
  return {
    url: `http://${hostOf(server.addr.hostname)}:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      handler[Symbol.dispose]();
      leaving[Symbol.dispose]();
      const patience = new AbortController();
      const answered = server.shutdown().then(() => true);
      const late = world.clock.sleep(CLOSE_MS, patience.signal).then(() => false, () => true);
      // aborting a server that has shut down throws BadResource (Deno 2.9.8)
      if (!await Promise.race([answered, late])) end.abort();
      patience.abort(new NodeError("aborted", "The API closed"));
      await server.finished;
    },
  };
}

/** How this machine reaches what listens on `hostname`; all addresses are reached by loopback. */
function hostOf(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::") return "[::1]";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function serve(
  options: Deno.ServeTcpOptions,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  const where = `${options.hostname}:${options.port}`;
  try {
    return Deno.serve(options, handler);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new NodeError(
        "busy",
        `Cannot open the local API: ${where} is in use, wanted a free port (choose one with --api HOST:PORT; port 0 picks one)`,
        { cause: error },
      );
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new NodeError(
        "denied",
        `Cannot open the local API: ${where} is not allowed, wanted a port of 1024 or above`,
        {
          cause: error,
        },
      );
    }
    throw new NodeError(
      "unreachable",
      `Cannot open the local API: ${where} is no address of this machine, wanted one (--api HOST:PORT)`,
      { cause: error },
    );
  }
}
