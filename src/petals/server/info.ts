/**
 * `rpc_info`: what the server is, and what one of its blocks takes.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { LoadedBlocks } from "../../compute/backend.ts";
import { parseUid } from "../uid.ts";
import { decodeExpertUid, encodeExpertInfo } from "../wire/expert.ts";
import { encodeRpcInfo } from "../wire/rpc_info.ts";

/** What the answer is made of. */
export interface InfoSource {
  readonly prefix: string;
  readonly version: string;
  readonly clientMode: boolean;
  readonly blocks: LoadedBlocks;
  /** Free tokens × blocks. */
  readonly cacheTokensAvailable: number;
}

/** Answers an `ExpertUID`. Throws `NodeError` `not_found` whose text is the uid, as Python's `KeyError` has it. */
export function answerInfo(request: Uint8Array, source: InfoSource): Uint8Array {
  const uid = decodeExpertUid(request);
  const { version, clientMode, cacheTokensAvailable, blocks } = source;
  const server = { version, clientMode, cacheTokensAvailable };
  if (uid === "") return encodeExpertInfo(encodeRpcInfo(server));
  const parsed = parseUid(uid);
  const served = parsed?.prefix === source.prefix && parsed.block >= blocks.range.start &&
    parsed.block < blocks.range.end;
  if (!served) throw new NodeError("not_found", uid.slice(0, 200));
  return encodeExpertInfo(encodeRpcInfo({ ...server, block: blocks }));
}
