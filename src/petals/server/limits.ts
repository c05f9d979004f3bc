/**
 * What a block server allows: what Petals fixes, and what we chose so that strangers cannot fill the memory.
 *
 * @module
 */
import { MAX_UNARY_BYTES } from "../../p2p/constants.ts";
import type { Architecture } from "../../model/source.ts";

/** Petals 2.2 `server.py`: one forward or backward call, the whole session, the wait for its next step. */
export const REQUEST_MS = 180_000;
/** See {@linkcode REQUEST_MS}. */
export const SESSION_MS = 1_800_000;
/** See {@linkcode REQUEST_MS}. */
export const STEP_MS = 300_000;
/** Longest wait for attention memory, whatever the client asks for: `--max_alloc_timeout` of Petals. */
export const MAX_ALLOCATION_MS = 600_000;
/** What an expert message may have in a unary call: the wrapper needs its room. */
export const MAX_UNARY_MESSAGE_BYTES = MAX_UNARY_BYTES - 1024;

/** Sessions that may wait for attention memory. */
export const MAX_WAITING_SESSIONS = 64;
/** Forward calls decoded and computed at once, waiting in all, and waiting of one peer. */
export const FORWARDS_AT_ONCE = 2;
/** See {@linkcode FORWARDS_AT_ONCE}. */
export const MAX_WAITING_FORWARDS = 128;
/** See {@linkcode FORWARDS_AT_ONCE}. */
export const MAX_WAITING_FORWARDS_OF_PEER = 64;
/** Steps of other servers that wait in one session, and their bytes in all sessions. One is usual. */
export const MAX_PUSHES_OF_SESSION = 2;
/** See {@linkcode MAX_PUSHES_OF_SESSION}. */
export const MAX_PUSH_BYTES = 64 << 20;
/** Outputs on their way to next servers, their bytes, and how long one may take. */
export const MAX_OUTGOING_PUSHES = 32;
/** See {@linkcode MAX_OUTGOING_PUSHES}. */
export const MAX_OUTGOING_PUSH_BYTES = 32 << 20;
/** See {@linkcode MAX_OUTGOING_PUSHES}. Petals allows 180 s; the client's own copy comes long before. */
export const PUSH_MS = 30_000;
/** Step ids a session remembers; a copy arrives within a few steps of the first. */
export const REMEMBERED_STEPS = 1024;
/** Questions about other peers' reachability at once, and how long one may take (petals 2.2 `reachability.py`). */
export const REACHABILITY_CHECKS_AT_ONCE = 16;
/** See {@linkcode REACHABILITY_CHECKS_AT_ONCE}. */
export const REACHABILITY_MS = 5_000;

/** What the operator or the machine decides. */
export interface ServerLimits {
  /** Positions of one session, and batch × tokens of one step or forward. */
  readonly maxLength: number;
  /** Positions of attention memory for each block, all sessions together. */
  readonly cacheTokens: number;
  /** Bytes of requests held at once, computed or waiting; one peer gets half. Never less than one request needs. */
  readonly requestBytes: number;
  /** Open sessions in all and of one peer. */
  readonly sessions: number;
  /** See `sessions`. */
  readonly sessionsPerPeer: number;
}

/** Petals' own defaults for a model; fewer `cacheTokens` where memory is short. */
export function defaultLimits({ heads, kvHeads }: Architecture): ServerLimits {
  const grouped = heads > kvHeads;
  return {
    maxLength: grouped ? 8192 : 2048,
    cacheTokens: grouped ? 16_384 : 4096,
    requestBytes: 256 << 20,
    sessions: 256,
    sessionsPerPeer: 64,
  };
}

/** Bytes of tensors that one request may hold: the largest hidden states in float32, and as much for prompts. */
export const maxRequestBytes = ({ maxLength }: ServerLimits, hiddenSize: number): number =>
  2 * 4 * maxLength * hiddenSize + (1 << 20);
