/**
 * What lies under a key: one value, or a dictionary of subkeys that expire one by one (hivemind `DictionaryDHTValue`,
 * msgpack extension 0x50). Expirations are Unix seconds as floats, as on the wire: "later wins" is decided by their last
 * bit, which milliseconds would lose. `dht.ts` shows milliseconds to the rooms above.
 *
 * @module
 */
import { type Bytes, concatBytes, equalBytes, toHex } from "../base/bytes.ts";
import { NodeError } from "../base/errors.ts";
import {
  Extension,
  Float,
  MsgpackReader,
  pack,
  type Packable,
  Packed,
  Tuple,
  unpack,
} from "../base/msgpack.ts";
import { MAX_SUBKEY_BYTES, MAX_SUBKEYS } from "./constants.ts";

/** Extension code of a dictionary. */
export const DICTIONARY_CODE = 0x50;
/** The subkey field of a plain value: msgpack nil. */
export const PLAIN_SUBKEY: Bytes = Uint8Array.of(0xc0);
/** The subkey field of a whole dictionary. */
export const DICTIONARY_SUBKEY: Bytes = new Uint8Array(0);

/** A subkey that a Python peer can hold as well. */
export interface Subkey {
  /** Msgpack in its shortest form. */
  readonly packed: Bytes;
  /** Equal for equal subkeys. */
  readonly key: string;
  /** Subkeys of one kind can be ordered. Python peers need that among entries that expire at the same moment. */
  readonly kind: string;
}

/** One entry of a dictionary. */
export interface DictionaryEntry {
  readonly subkey: Subkey;
  readonly value: Uint8Array;
  /** Unix seconds. */
  readonly expiration: number;
}

/** What a node holds, or found, under one key. `expiration` of a dictionary is that of its latest entry. */
export type Held =
  | { readonly kind: "value"; readonly value: Uint8Array; readonly expiration: number }
  | {
    readonly kind: "dictionary";
    readonly entries: readonly DictionaryEntry[];
    readonly expiration: number;
  };

/**
 * Reads a packed subkey and brings it into its shortest form. Only what Python can hash and order is taken: text, bytes,
 * numbers and tuples of them; one list as a subkey would make the whole dictionary unreadable to every stock peer.
 * Throws `NodeError` `malformed`, `too_large`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const long = readSubkey(Uint8Array.of(0xd9, 1, 0x61)); // "a" with a length byte it does not need
 * assertEquals(long.packed, Uint8Array.of(0xa1, 0x61));
 * ```
 */
export function readSubkey(bytes: Uint8Array): Subkey {
  if (bytes.length > MAX_SUBKEY_BYTES) {
    throw new NodeError(
      "too_large",
      `Cannot read subkey: ${bytes.length} bytes, wanted ${MAX_SUBKEY_BYTES} at most`,
    );
  }
  const value = unpack(bytes, { floats: "wrapped" });
  const kind = kindOf(value);
  const packed = pack(value);
  const replaced = kind.includes("text") && !equalBytes(packed, bytes) && hasReplacement(value);
  if (replaced) throw malformedSubkey("text that is not UTF-8");
  return { packed, key: toHex(packed), kind };
}

function kindOf(value: Packable): string {
  if (typeof value === "string") return "text";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return "number";
  if (value instanceof Float && !Number.isNaN(value.value)) return "number";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Tuple) return `(${value.items.map(kindOf).join()})`;
  throw malformedSubkey("neither text, bytes, a number nor a tuple of these");
}

const hasReplacement = (value: Packable): boolean =>
  typeof value === "string"
    ? value.includes("\ufffd")
    : value instanceof Tuple && value.items.some(hasReplacement);

const malformedSubkey = (what: string) =>
  new NodeError("malformed", `Cannot read subkey: it is ${what}, wanted one that peers can hash`);

/** The subkey of a text. */
export const textSubkey = (text: string): Subkey => readSubkey(pack(text));

/** The text of a subkey, `undefined` for another kind. */
export function subkeyText(subkey: Subkey): string | undefined {
  const value = unpack(subkey.packed);
  return typeof value === "string" ? value : undefined;
}

/** Bytes that an entry adds to a packed dictionary. */
export const entryBytes = (entry: { readonly subkey: Subkey; readonly value: Uint8Array }): number =>
  1 + entry.subkey.packed.length + 5 + entry.value.length + 9;

/** Bytes of a packed dictionary beside its entries, at most. */
export const DICTIONARY_OVERHEAD_BYTES = 6 + 1 + 9 + 9 + 5;

/**
 * Packs a dictionary as hivemind does: `[maxsize, latest expiration, [[subkey, value, expiration], …]]` as extension
 * 0x50. Entries are left out from the first that would make it longer than `maxBytes`.
 */
export function encodeDictionary(entries: readonly DictionaryEntry[], maxBytes = Infinity): Bytes {
  let size = DICTIONARY_OVERHEAD_BYTES;
  const kept = entries.filter((entry) => (size += entryBytes(entry)) <= maxBytes);
  const latest = kept.reduce((most, entry) => Math.max(most, entry.expiration), -Infinity);
  const items = kept.map((
    entry,
  ) => [new Packed(entry.subkey.packed), entry.value, new Float(entry.expiration)]);
  return pack(new Extension(DICTIONARY_CODE, pack([new Float(Infinity), new Float(latest), items])));
}

/** An entry whose subkey nobody has looked at yet. */
export interface RawEntry {
  readonly subkey: Uint8Array;
  readonly value: Uint8Array;
  /** Unix seconds; any number, also none. */
  readonly expiration: number;
}

/**
 * Reads a packed dictionary into its entries, in their order; subkeys and expirations are unchecked. The two numbers
 * before the entries are skipped: they follow from the entries. Throws `NodeError` `malformed`, `too_large`.
 */
export function decodeDictionary(bytes: Uint8Array): readonly RawEntry[] {
  const whole = unpack(bytes);
  if (!(whole instanceof Extension) || whole.code !== DICTIONARY_CODE) throw malformed("no dictionary");
  const reader = new MsgpackReader(whole.body);
  if (reader.arrayLength() !== 3) throw malformed("not three parts");
  reader.value();
  reader.value();
  const count = reader.arrayLength();
  if (count > MAX_SUBKEYS) {
    throw new NodeError(
      "too_large",
      `Cannot read dictionary: ${count} entries, wanted ${MAX_SUBKEYS} at most`,
    );
  }
  const entries: RawEntry[] = [];
  for (let i = 0; i < count; i++) entries.push(readEntry(reader));
  if (reader.offset !== whole.body.length) throw malformed("followed by more bytes");
  return entries;
}

function readEntry(reader: MsgpackReader): RawEntry {
  if (reader.arrayLength() !== 3) throw malformed("an entry without three parts");
  const subkey = reader.packed();
  const value = reader.value();
  const expiration = reader.value();
  if (!(value instanceof Uint8Array)) throw malformed("a value that is not bytes");
  if (typeof expiration !== "number") throw malformed("an expiration that is no number");
  return { subkey, value, expiration };
}

const malformed = (what: string) =>
  new NodeError("malformed", `Cannot read dictionary: it is ${what}, wanted hivemind's extension 0x50`);

/**
 * The entries of a dictionary somebody sent, without those whose subkey or expiration cannot be used at `now` (Unix
 * seconds). Throws as {@linkcode decodeDictionary}.
 */
export function readDictionary(bytes: Uint8Array, now: number): readonly DictionaryEntry[] {
  return decodeDictionary(bytes).flatMap((raw) => {
    if (!Number.isFinite(raw.expiration) || raw.expiration <= now) return [];
    const subkey = subkeyOrUndefined(raw.subkey);
    return subkey === undefined ? [] : [{ subkey, value: raw.value, expiration: raw.expiration }];
  });
}

/** {@linkcode readSubkey} with `undefined` for what it throws at. */
export function subkeyOrUndefined(bytes: Uint8Array): Subkey | undefined {
  try {
    return readSubkey(bytes);
  } catch (error) {
    if (error instanceof NodeError) return undefined;
    throw error;
  }
}

/**
 * The later of two: per subkey for two dictionaries, as a whole otherwise (hivemind `_SearchState.add_candidate`).
 */
export function mergeHeld(a: Held | undefined, b: Held): Held {
  if (a === undefined) return b;
  if (a.kind !== "dictionary" || b.kind !== "dictionary") return b.expiration > a.expiration ? b : a;
  const merged = new Map(a.entries.map((entry) => [entry.subkey.key, entry]));
  for (const entry of b.entries) {
    const old = merged.get(entry.subkey.key);
    if (old === undefined || entry.expiration > old.expiration) merged.set(entry.subkey.key, entry);
  }
  return {
    kind: "dictionary",
    entries: [...merged.values()],
    expiration: Math.max(a.expiration, b.expiration),
  };
}

/** Copies bytes that are views into a message, so that the message can be freed. */
export const copyBytes = (bytes: Uint8Array): Bytes => concatBytes(bytes);
