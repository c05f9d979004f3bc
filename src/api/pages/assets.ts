/**
 * What pages are served with: their own files and nothing of anybody else's.
 *
 * @module
 */
import { encodeUtf8, toHex } from "../../base/bytes.ts";

/** A file of a page, kept in the program. */
export interface Asset {
  /** Last part of its path: `/assets/NAME`. */
  readonly name: string;
  readonly type: "text/javascript" | "text/css";
  readonly text: string;
}

/** A script of a page. */
export const scriptAsset = (name: string, text: string): Asset => ({ name, type: "text/javascript", text });
/** A style sheet of a page. */
export const styleAsset = (name: string, text: string): Asset => ({ name, type: "text/css", text });

/** Answers for files; `undefined` for a name that is none of them. */
export type AnswerAsset = (request: Request) => Promise<Response | undefined>;

/** Pages load from their own node alone; nothing is written into them but text. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const SECURITY = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

/** An asset as it travels. */
interface Packed {
  readonly type: string;
  readonly etag: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly zipped: Uint8Array<ArrayBuffer>;
}

/** Serves `assets`: each is compressed once, when it is asked for first; browsers ask whether theirs is still the same. */
export function assetAnswers(assets: readonly Asset[]): AnswerAsset {
  const packed = new Map<string, Promise<Packed>>();
  return async (request) => {
    const name = new URL(request.url).pathname.split("/").at(-1)!;
    const asset = assets.find((other) => other.name === name);
    if (asset === undefined) return undefined;
    if (!packed.has(name)) packed.set(name, pack(asset));
    return answer(request.headers, await packed.get(name)!);
  };
}

/** A page as it stands now. */
export const pageResponse = (html: string): Response =>
  new Response(html, { headers: { ...SECURITY, "content-type": "text/html; charset=utf-8" } });

/** Bytes as gzip (RFC 1952) has them. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function pack({ text, type }: Asset): Promise<Packed> {
  const plain = encodeUtf8(text);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", plain));
  const etag = `"${toHex(sum.subarray(0, 12))}"`;
  return { type: `${type}; charset=utf-8`, etag, plain, zipped: await gzip(plain) };
}

function answer(asked: Headers, { type, etag, plain, zipped }: Packed): Response {
  const headers = { ...SECURITY, etag, "cache-control": "no-cache", "vary": "accept-encoding" };
  // a server on the way that compresses makes the tag a weak one
  const known = (asked.get("if-none-match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(etag)) return new Response(null, { status: 304, headers });
  if (!takesGzip(asked)) return new Response(plain, { headers: { ...headers, "content-type": type } });
  return new Response(zipped, {
    headers: { ...headers, "content-type": type, "content-encoding": "gzip" },
  });
}

const takesGzip = (asked: Headers): boolean =>
  (asked.get("accept-encoding") ?? "").split(",").some((one) =>
    /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)\S+)?\s*$/i.test(one)
  );
