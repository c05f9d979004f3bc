/**
 * What a session cost in energy, beside the hidden states of a reply. An addition of KwaaiNet's: a client asks for it by
 * `kwaai_energy: true` in the metadata of its first request, and only then the server puts a map under the same key
 * into `ExpertResponse.metadata`. Stock servers overlook the question, stock clients never ask, and petals 2.2 does not
 * look at the metadata of a reply.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { Float, pack } from "../../base/msgpack.ts";
import type { SessionEnergy } from "../report.ts";
import { type Metadata, readMetadata, valueOf } from "./metadata.ts";

/** Key of the question and of the answer. */
export const ENERGY_KEY = "kwaai_energy";
/** Longest answer: seven short entries. */
const MAX_BYTES = 512;
/** No session costs more: a machine of 2 kW for a month. */
const MAX_JOULES = 5e9;
/** No session has more positions: 64 rows of 2^24. */
const MAX_TOKENS = 2 ** 30;
const KINDS = ["measured", "modelled", "mixed"] as const;

/** Whether the client asks. */
export const asksForEnergy = (metadata: Metadata): boolean => metadata.get(ENERGY_KEY) === true;

/** Writes the metadata of a reply. */
export const encodeSessionEnergy = (
  { joules, tokens, kind, scope, uncertainty }: SessionEnergy,
): Uint8Array<ArrayBuffer> =>
  pack({
    [ENERGY_KEY]: {
      joules: new Float(joules),
      tokens,
      kind,
      scope,
      uncertainty: uncertainty === null ? null : new Float(uncertainty),
    },
  });

/**
 * Reads the metadata of a reply; `undefined` where it says nothing of energy. It is the server's own word. Throws
 * `NodeError` `malformed`, `too_large`.
 */
export function decodeSessionEnergy(bytes: Uint8Array): SessionEnergy | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes.length > MAX_BYTES) {
    throw new NodeError(
      "too_large",
      `Cannot read metadata of a reply: ${bytes.length} bytes, wanted ${MAX_BYTES}`,
    );
  }
  const value = valueOf(readMetadata(bytes), ENERGY_KEY);
  if (value === undefined) return undefined;
  if (!(value instanceof Map)) throw malformed("it is no map");
  const kind = KINDS.find((known) => known === value.get("kind"));
  const scope = value.get("scope");
  if (kind === undefined || typeof scope !== "string" || !/^[a-z]{1,20}$/.test(scope)) {
    throw malformed("kind or scope is none that is known");
  }
  const uncertainty = value.get("uncertainty") ?? null;
  return {
    joules: within(value.get("joules"), MAX_JOULES, "joules"),
    tokens: within(value.get("tokens"), MAX_TOKENS, "tokens"),
    kind,
    scope,
    uncertainty: uncertainty === null ? null : within(uncertainty, 1e6, "uncertainty"),
  };
}

function within(value: unknown, max: number, what: string): number {
  const number = value instanceof Float ? value.value : value;
  if (typeof number === "number" && number >= 0 && number <= max) return number;
  throw malformed(`${what} is out of range`);
}

const malformed = (what: string) =>
  new NodeError("malformed", `Cannot read the energy of a session: ${what}`);
