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
/** Bytes of unfinished messages, of all peers together. */
export const MAX_PENDING_BYTES = 256 * 2 ** 20;
/** Bytes read ahead on one stream before its peer is held back. */
export const READ_AHEAD_BYTES = 2 ** 20;
/** Most bytes a peer may have under way on one stream. */
export const STREAM_WINDOW_BYTES = 4 * 2 ** 20;
/** Open streams of one protocol on one connection: hivemind sends hundreds of calls at once. */
export const MAX_STREAMS_PER_PROTOCOL = 1000;
/** Open connections. Each costs 0.2 to 0.3 MiB (measured). */
export const MAX_CONNECTIONS = 200;
/** Connections a second from one address: a whole site may share it. */
export const MAX_NEW_CONNECTIONS_PER_HOST = 100;
/** Connections that have not finished their handshake. */
export const MAX_PENDING_CONNECTIONS = 100;
/** Longest wait for the next bytes of a message that has begun, or for the request of a unary call. */
export const MID_MESSAGE_MS = 30_000;
/** Longest wait for a peer that takes no more bytes. */
export const SEND_STALL_MS = 60_000;
/** How long a finished stream may stay half-open. */
export const LINGER_MS = 10_000;
/** The same while the node stops: time for the last bytes to leave. */
export const LEAVING_LINGER_MS = 200;
/** Longest wait for a connection. */
export const DIAL_MS = 10_000;
/** How long streams have to say goodbye when the node stops. */
export const GOODBYE_MS = 2_000;
