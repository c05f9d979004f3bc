/**
 * Records in requests of bounded size.
 *
 * @module
 */
import { ID_BYTES, MAX_STORE_BYTES, MAX_STORE_ENTRIES } from "./constants.ts";
import type { DhtId } from "./id.ts";

/** A record on its way; `subkey` and `value` are the fields of the wire, `expiration` is Unix seconds. */
export interface WireRecord {
  readonly id: DhtId;
  readonly subkey: Uint8Array;
  readonly value: Uint8Array;
  readonly expiration: number;
  readonly inCache?: boolean;
}

/** Bytes of field headers, expiration and cache flag around a record. */
const OVERHEAD = 32;

/** Splits records, in order, into lists that fit one store request each. A single larger record goes alone. */
export function batchesOf(records: readonly WireRecord[]): WireRecord[][] {
  const batches: WireRecord[][] = [];
  let batch: WireRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = OVERHEAD + ID_BYTES + record.subkey.length + record.value.length;
    if (batch.length > 0 && (bytes + size > MAX_STORE_BYTES || batch.length >= MAX_STORE_ENTRIES)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  return batch.length === 0 ? batches : [...batches, batch];
}
