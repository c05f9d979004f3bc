/**
 * Web pages of other sites: nothing is told to them, and nothing done for them, unless the owner lists their origin.
 *
 * @module
 */

/** Longest list of header names that a preflight may ask for. */
const MAX_HEADER_NAMES = 1000;
/** How long browsers may remember what is allowed. */
const MAX_AGE_SECONDS = 600;
/** Methods that change nothing. */
const SAFE_METHODS: readonly string[] = ["GET", "HEAD", "OPTIONS"];

/** Value of `access-control-allow-origin` for an origin; nothing where it is not allowed. */
export function allowedOrigin(origin: string | null, allowed: readonly string[]): string | undefined {
  if (origin === null) return undefined;
  if (allowed.includes("*")) return "*";
  return allowed.some((other) => other.toLowerCase() === origin.toLowerCase()) ? origin : undefined;
}

/** Whether a request asks what a page may do. */
export const isPreflight = ({ method, headers }: Request): boolean =>
  method === "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method");

/**
 * Whether a page of another site wants to change something here. Browsers name the page's origin in each such request, and
 * send plain ones without asking first; other programs name none.
 */
export function isForeignWrite({ method, headers }: Request): boolean {
  const origin = headers.get("origin");
  if (origin === null || SAFE_METHODS.includes(method)) return false;
  return !/^https?:\/\//i.test(origin) ||
    origin.slice(origin.indexOf("//") + 2).toLowerCase() !== headers.get("host")?.toLowerCase();
}

/** The answer to a preflight of an allowed origin. */
export function preflightAnswer({ headers }: Request): Response {
  const asked = headers.get("access-control-request-headers") ?? "";
  const known = asked.length <= MAX_HEADER_NAMES && /^[A-Za-z0-9!#$%&'*+.^_`|~, -]*$/.test(asked);
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
      "access-control-allow-headers": known && asked !== ""
        ? asked
        : "authorization, content-type, x-api-key",
      "access-control-max-age": `${MAX_AGE_SECONDS}`,
      ...(headers.has("access-control-request-private-network")
        ? { "access-control-allow-private-network": "true" }
        : {}),
    },
  });
}

/** Lets pages of an allowed origin read an answer. */
export function allowOrigin(headers: Headers, allowed: string): void {
  headers.set("access-control-allow-origin", allowed);
  headers.set("access-control-expose-headers", "x-request-id, request-id, retry-after");
  if (allowed !== "*") headers.append("vary", "origin");
}
