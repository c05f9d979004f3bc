/**
 * How a device is told who asks: a token, or a user and a password as the device wants them.
 *
 * @module
 */
import { encodeUtf8, toHex } from "../../base/bytes.ts";
import { NodeError } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";

/** Answers challenges of one device. */
export interface HttpAuth {
  /** The header for the next request; `undefined` when the device has not asked yet. */
  header(request: AuthorizedRequest): Promise<string | undefined>;
  /** Takes the `WWW-Authenticate` of a 401. Whether asking again may help. Throws `NodeError` `unsupported`. */
  challenge(header: string | null): boolean;
}

/** What a header is for. */
export interface AuthorizedRequest {
  readonly method: string;
  /** Path and query, as they are sent. */
  readonly uri: string;
}

/** User and password. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** A challenge of RFC 7616. */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  /** Absent for the old form without counter. */
  readonly qop: "auth" | undefined;
}

/** Longest header that is looked at. */
const MAX_CHALLENGE = 2048;

/** A token that is sent each time. */
export const bearer = (token: string): HttpAuth => ({
  header: () => Promise.resolve(`Bearer ${token}`),
  challenge: () => false,
});

/** User and password, sent only once the device has asked and in the way it asks for: Basic, or Digest with SHA-256. */
export function whenAsked(world: World, credentials: Credentials): HttpAuth {
  let way: "basic" | DigestChallenge | undefined;
  let count = 0;
  return {
    async header(request) {
      if (way === undefined) return undefined;
      if (way === "basic") return basic(credentials);
      const cnonce = toHex(world.random(16));
      return await digest(credentials, way, { ...request, cnonce, count: ++count });
    },
    challenge(header) {
      if (header === null) return false;
      const before = way, used = count;
      way = wayOf(header);
      count = 0;
      if (before === undefined) return true;
      if (typeof before !== "object" || typeof way !== "object" || before.nonce === way.nonce) return false;
      // one that has worked has become old; one that was refused at once was answered with a wrong password
      return used > 1 || /\bstale\s*=\s*"?true/i.test(header);
    },
  };
}

/** User and password of RFC 7617, which anybody on the way can read. */
export const basic = ({ user, password }: Credentials): string =>
  `Basic ${btoa(String.fromCharCode(...encodeUtf8(`${user}:${password}`)))}`;

function wayOf(header: string): "basic" | DigestChallenge {
  const text = header.slice(0, MAX_CHALLENGE);
  const start = text.search(/\bDigest\s/i);
  if (start >= 0) return readChallenge(text.slice(start));
  if (/\bBasic\b/i.test(text)) return "basic";
  throw new NodeError(
    "unsupported",
    "Cannot answer a device that asks for a password: it names another way, wanted Basic or Digest with SHA-256",
  );
}

/** Reads a `WWW-Authenticate: Digest …`. Throws `NodeError` `malformed`, and `unsupported` for anything but SHA-256. */
export function readChallenge(header: string): DigestChallenge {
  const fields = new Map<string, string>();
  const text = header.slice(0, MAX_CHALLENGE).replace(/^\s*Digest\s+/i, "");
  for (const [, name, quoted, plain] of text.matchAll(/([a-z]+)\s*=\s*(?:"([^"\\]*)"|([^\s",]+))/gi)) {
    const key = name!.toLowerCase();
    if (!fields.has(key)) fields.set(key, quoted ?? plain ?? "");
  }
  const realm = fields.get("realm"), nonce = fields.get("nonce");
  if (realm === undefined || nonce === undefined || nonce === "") {
    throw new NodeError(
      "malformed",
      "Cannot answer a device that asks for a password: its question is broken",
    );
  }
  const qop = fields.get("qop")?.split(",").map((each) => each.trim());
  const algorithm = fields.get("algorithm") ?? "MD5";
  if (algorithm.toUpperCase() !== "SHA-256" || (qop !== undefined && !qop.includes("auth"))) {
    throw new NodeError(
      "unsupported",
      "Cannot answer a device that asks for a password: it wants another digest, wanted SHA-256 with qop auth",
    );
  }
  return { realm, nonce, opaque: fields.get("opaque"), qop: qop === undefined ? undefined : "auth" };
}

/**
 * The `Authorization` of RFC 7616 with SHA-256, as Shelly devices of the second generation and later want it
 * (shelly-api-docs.shelly.cloud, gen2, Authentication).
 */
export async function digest(
  { user, password }: Credentials,
  { realm, nonce, opaque, qop }: DigestChallenge,
  { method, uri, cnonce, count }: AuthorizedRequest & { readonly cnonce: string; readonly count: number },
): Promise<string> {
  const nc = count.toString(16).padStart(8, "0");
  const secret = await sha256(`${user}:${realm}:${password}`);
  const request = await sha256(`${method}:${uri}`);
  const middle = qop === undefined ? [nonce] : [nonce, nc, cnonce, qop];
  const response = await sha256([secret, ...middle, request].join(":"));
  const fields = [
    `username="${user.replace(/["\\]/g, "\\$&")}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${uri}"`,
    "algorithm=SHA-256",
    `response="${response}"`,
    ...(qop === undefined ? [] : [`qop=${qop}`, `nc=${nc}`, `cnonce="${cnonce}"`]),
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
  ];
  return `Digest ${fields.join(", ")}`;
}

const sha256 = async (text: string): Promise<string> =>
  toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", encodeUtf8(text))));
