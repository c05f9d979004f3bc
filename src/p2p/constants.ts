/**
 * Numbers of the wire and of this room.
 *
 * @module
 */

// What the protocols fix.

/** Largest unary message, wrapper included: p2pd drops a larger one without a word (measured on hivemind 1.1.12). */
export const MAX_UNARY_BYTES = 4_194_304;
/** Bytes of a unary call's id. */
export const CALL_ID_BYTES = 16;

// What we chose.

/** Largest message of a stream: 8192 tokens of a hidden size of 4096 in float32, which a stock client sends at once. */
export const MAX_STREAM_MESSAGE_BYTES = 132 * 2 ** 20;
/** Bytes held for all peers together: read ahead, in unfinished messages, in requests at work, in answers under way. */
export const MAX_HELD_BYTES = 256 * 2 ** 20;
/** The same for one peer: a largest message and some more. */
export const MAX_HELD_BYTES_PER_PEER = 144 * 2 ** 20;
/** Bytes read ahead on one stream before its peer is held back. */
export const READ_AHEAD_BYTES = 2 ** 20;
/** Most bytes a peer may have under way on one stream. */
export const STREAM_WINDOW_BYTES = 4 * 2 ** 20;
/** Open streams of one protocol on one connection: hivemind sends hundreds of calls at once. */
export const MAX_STREAMS_PER_PROTOCOL = 1000;
/** Calls of all peers that are served at one time. A waiting call costs about 10 kB. */
export const MAX_INBOUND_CALLS = 4000;
/** The same of one peer, over all its connections. */
export const MAX_INBOUND_CALLS_PER_PEER = 1000;
/** Open connections. Each costs 0.2 to 0.3 MiB (measured). */
export const MAX_CONNECTIONS = 200;
/** Connections a second from one address: a whole site may share it. */
export const MAX_NEW_CONNECTIONS_PER_HOST = 100;
/** Share of the connections above which the least missed makes room for the next newcomer. */
export const CROWDED = 0.9;
/** Connections that have not finished their handshake. Such a socket is cheap. */
export const MAX_PENDING_CONNECTIONS = 1000;
/** The same from one address. */
export const MAX_PENDING_PER_ADDRESS = 32;
/** Longest handshake of a newcomer: three round trips of a slow line. */
export const HANDSHAKE_MS = 5_000;
/** Longest wait for the next bytes of a message that has begun, or for the request of a unary call. */
export const MID_MESSAGE_MS = 30_000;
/** Longest wait for the first message of a stream: as long as a stock Petals server waits for a step. */
export const FIRST_MESSAGE_MS = 300_000;
/** Longest wait between messages of a stream: as long as a stock Petals session lives. */
export const STREAM_IDLE_MS = 1_800_000;
/** Bytes handed to the network at once. */
export const SEND_PIECE_BYTES = 256 * 2 ** 10;
/** Longest time for one such piece: a peer that takes less reads no more. */
export const SEND_STALL_MS = 60_000;
/** How long a call goes on whose caller sends no more: it may be done, as rust-libp2p is, or gone, as a p2pd is. */
export const HALF_CLOSED_MS = 10_000;
/** How long a finished stream may stay half-open. */
export const LINGER_MS = 10_000;
/** The same while the node stops: time for the last bytes to leave. */
export const LEAVING_LINGER_MS = 200;
/** Time between checks that a quiet connection still stands; each costs a stream. */
export const CONNECTION_CHECK_MS = 30_000;
/** How long the addresses of a peer are believed. Libp2p's own hour would forget them before a restart. */
export const ADDRESS_LIFE_MS = 30 * 86_400_000;
/** Peers remembered; with more, those not heard of for longest are forgotten. */
export const MAX_KNOWN_PEERS = 2000;
/** How long after a new connection a peer that nobody knows is asked for again: tables are still being filled. */
export const TABLES_FILL_MS = 5_000;
/** Pause before asking again. */
export const ASK_AGAIN_MS = 200;
/** Longest wait for a connection. */
export const DIAL_MS = 10_000;
/** How long streams have to say goodbye when the node stops. */
export const GOODBYE_MS = 2_000;
