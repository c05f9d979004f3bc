/**
 * What is kept over a restart: peers and their addresses, so that it needs no bootstrap.
 *
 * @module
 */
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { type Database, openDatabase } from "../base/database.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import type { KnownPeer } from "../dht/node.ts";

/** First write after the start: a node that is killed early has made friends by then. */
const FIRST_WRITE_MS = 30_000;
/** Time between later writes: a memory card lives by it. */
const WRITE_MS = 900_000;
/** Most peers kept. */
const MAX_PEERS = 200;
const KEY = "peers";

/** An open state file. Dispose to write what is new and close it. */
export interface NodeState extends AsyncDisposable {
  readonly database: Database;
  /** Peers of the last run. */
  readonly known: readonly KnownPeer[];
  /** From now on `peers` are written now and then, and at the end. */
  keep(peers: () => readonly KnownPeer[]): void;
}

/** Opens the state file `path`. Throws `NodeError` `denied`. */
export function openNodeState(world: World, path: string): NodeState {
  const database = openDatabase(path);
  const table = database.table("dht");
  const end = new AbortController();
  let peers: (() => readonly KnownPeer[]) | undefined;
  const write = () => {
    const found = peers?.() ?? [];
    // nobody in sight now says nothing against who was there before
    if (found.length > 0) table.put(KEY, encodeUtf8(JSON.stringify(found.slice(0, MAX_PEERS))));
    database.flush();
  };
  const life = writeNowAndThen(world, write, end.signal);
  return {
    database,
    known: knownPeers(table.get(KEY)),
    keep: (source) => void (peers = source),
    async [Symbol.asyncDispose]() {
      end.abort(new NodeError("aborted", "The node stops"));
      await life;
      try {
        write();
      } finally {
        database[Symbol.dispose]();
      }
    },
  };
}

async function writeNowAndThen({ clock, log }: World, write: () => void, signal: AbortSignal): Promise<void> {
  for (let pauseMs = FIRST_WRITE_MS; !signal.aborted; pauseMs = WRITE_MS) {
    await clock.sleep(pauseMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      write();
    } catch (error) {
      // a full disk must not end the node
      log.warn("State not written", { reason: messageOf(error) });
    }
  }
}

/** What an earlier run wrote; a damaged note is nobody. */
function knownPeers(bytes: Uint8Array | undefined): KnownPeer[] {
  if (bytes === undefined) return [];
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes));
    return Array.isArray(value) ? value.filter(isKnownPeer).slice(0, MAX_PEERS) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

const isKnownPeer = (value: unknown): value is KnownPeer =>
  typeof value === "object" && value !== null && typeof (value as KnownPeer).peer === "string" &&
  typeof (value as KnownPeer).nodeId === "string";
