/**
 * Ids of sessions and steps.
 *
 * @module
 */
import { toHex } from "../../base/bytes.ts";
import type { World } from "../../base/world.ts";

/** A random UUID of version 4 (RFC 9562), as Python's `str(uuid4())` writes it. */
export function uuid(world: World): string {
  const bytes = world.random(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
