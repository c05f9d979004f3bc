/**
 * Numbers of the DHT. Sizes are bytes; times inside this room are Unix seconds where the name says `seconds`.
 *
 * @module
 */

// What the protocol fixes (hivemind 1.1.12: `dht/node.py`, `dht/protocol.py`, `dht/routing.py`, `utils/timed_storage.py`).

/** Bytes of an id (SHA-1). */
export const ID_BYTES = 20;
/** Nodes in a bucket, and nodes named in one answer (Kademlia's k). */
export const BUCKET_SIZE = 20;
/** A full bucket far from our id is split unless its depth is a multiple of this (Kademlia's b). */
export const DEPTH_MODULO = 5;
/** Nodes that hold a record. */
export const REPLICAS = 5;
/** A callee that has not answered by then is taken for lost. */
export const CALL_TIMEOUT_MS = 3_000;
/** Clocks that differ by more do not work together. */
export const MAX_CLOCK_SKEW_SECONDS = 3;
/** A peer that failed is left alone this long, doubled with each further failure. */
export const BLACKLIST_MS = 5_000;
/** A cached key in use is looked up again this long before it expires. */
export const CACHE_REFRESH_SECONDS = 5;
/** Messages above this never arrive at, or leave, go-libp2p-daemon. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

// What we chose.

/** Nodes that a search keeps asking. 10 finds the 5 nearest with 30 % of tables unknown and 10 % of nodes dead; hivemind takes 20. */
export const BEAM = 10;
/** Keys in one `rpc_find` of ours at most. */
export const MAX_KEYS_PER_CALL = 16;
/** Calls of one search that wait at the same time. */
export const MAX_WORKERS = 16;
/** Announcements that go straight to remembered replicas before these are looked up again. */
export const ROUNDS_PER_FIND = 10;
/** Keys whose replicas are remembered. */
export const MAX_REMEMBERED_KEYS = 4_096;
/** Longest life of a record that we hold. A clock may lag behind ours by the permitted skew. */
export const MAX_LIFE_SECONDS = 86_400 + MAX_CLOCK_SKEW_SECONDS;
/** Body of an answer of ours: the rest of a message is the frame around it. */
export const MAX_REPLY_BYTES = MAX_MESSAGE_BYTES - 64 * 1024;
/** A store request of ours is split above this. */
export const MAX_STORE_BYTES = 2 * 1024 * 1024;
/** Entries of a store request that are looked at; those behind are refused. */
export const MAX_STORE_ENTRIES = 4_096;
/** Keys of a find request that are looked up; those behind are answered "not found". */
export const MAX_FIND_KEYS = 256;
/** Longest subkey, packed. One that carries an RSA public key has about 400 bytes. */
export const MAX_SUBKEY_BYTES = 4_096;
/** Subkeys of one dictionary. */
export const MAX_SUBKEYS = 16_384;
/** What a held value costs beside its bytes, so that empty values are not free. */
export const ITEM_OVERHEAD_BYTES = 768;
/** Nodes of the routing table. */
export const MAX_TABLE_NODES = 4_096;
/** A newcomer is handed records at most once in this time. */
export const HAND_OVER_PAUSE_MS = 600_000;
/** Bytes handed to one newcomer at most. */
export const MAX_HAND_OVER_BYTES = 8 * 1024 * 1024;
/** Pieces of work that nobody waits for and that run at once; further ones are dropped. */
export const MAX_BACKGROUND = 64;
/** How often a bootstrap that does not answer is tried, and the pause between: go peers need a moment to learn our address. */
export const JOIN_TRIES = 3;
/** Pause between two tries to join. */
export const JOIN_PAUSE_MS = 1_000;
