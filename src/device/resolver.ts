/**
 * Names: what this machine makes of them, and which of its name servers answer.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { orAbort } from "../base/deadline.ts";
import { messageOf } from "../base/errors.ts";

/** What became of a name. */
export type Lookup =
  | { readonly state: "found"; readonly addresses: readonly string[] }
  /** The resolver says that there is no such name. */
  | { readonly state: "unknown" }
  /** No answer came from a resolver. */
  | { readonly state: "no_answer"; readonly why: string };

/** Longest file of name servers that is read. */
const MAX_BYTES = 1 << 16;
/** Name servers that glibc looks at (resolv.conf(5), MAXNS). */
const MAX_SERVERS = 3;

/** Name servers of resolv.conf; `undefined` where there is no such file. */
export function nameServers(path = "/etc/resolv.conf"): readonly string[] | undefined {
  try {
    const text = Deno.readTextFileSync(path).slice(0, MAX_BYTES);
    return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1]!).slice(0, MAX_SERVERS);
  } catch {
    return undefined;
  }
}

/** Looks a name up as a dial would: hosts file, then name servers (getaddrinfo). */
export async function lookUp(name: string, signal: AbortSignal): Promise<Lookup> {
  try {
    const found = await orAbort(lookup(name, { all: true }), signal);
    return { state: "found", addresses: found.map(({ address }) => address) };
  } catch (error) {
    signal.throwIfAborted();
    const { code } = error as { readonly code?: string };
    return code === "ENOTFOUND"
      ? { state: "unknown" }
      : { state: "no_answer", why: code ?? messageOf(error) };
  }
}

/** Whether the server at an IP address answers anything at all about `name`; why not otherwise. */
export async function askNameServer(
  server: string,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const asked = Deno.resolveDns(name, "A", { nameServer: { ipAddr: server, port: 53 }, signal });
    await orAbort(asked, signal);
    return undefined;
  } catch (error) {
    // it says that there is no such name: an answer
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (signal.aborted) return "no answer";
    return messageOf(error).replace(/^proto error: /, "");
  }
}
