/**
 * Who is answered: the door before all routes of the local API.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import type { World } from "../base/world.ts";
import { keyRing, presentedKey } from "./api_keys.ts";
import { allowedOrigin, allowOrigin, isForeignWrite, isPreflight, preflightAnswer } from "./cross_origin.ts";
import { isAllowedHost } from "./host_check.ts";
import { errorShapeOf, type FailedRequest, type Failure, failureOf, failureResponse } from "./http_error.ts";
import { RequestSlots } from "./request_slots.ts";

/** Requests for text that are let in at once where nobody says how many. */
const USUAL_TEXT_REQUESTS = 192;
/** Requests of all other routes at once: text takes none of this room, so that a busy node still shows what it does. */
const OTHER_REQUESTS = 64;
/** Routes of those who watch the node: open to all that reach it, also when it is busy. */
const HEALTH_ROUTES: readonly string[] = ["/healthz", "/health", "/readyz"];

/** Who may call. */
export interface AccessOptions {
  /** Host names, besides localhost, by which the API may be called. */
  readonly allowedHosts: readonly string[];
  /** One of them must come with each request; none is asked for when there are none. */
  readonly apiKeys?: readonly string[];
  /** Origins of web pages that may call, or `*`. */
  readonly corsOrigins?: readonly string[];
  /** Most requests for text that are let in at once, waiting ones and running streams included; 192 without it. */
  readonly maxTextRequests?: number;
}

/** What is known of a request beside itself. Routes find it in their `env`. */
export interface RequestFacts extends FailedRequest {
  /** Ends when the caller goes away. */
  readonly signal: AbortSignal;
}

/** Answers those that are let in. */
export type Answer = (request: Request, facts: RequestFacts) => Promise<Response>;

/** Ends when the caller goes away; made when somebody asks for it. */
export type CallerSignal = () => AbortSignal;

/** A door: answers by itself whoever is not let in. Never rejects. */
export type Door = (request: Request, answer: Answer, caller?: CallerSignal) => Promise<Response>;

/** Checks, in this order: host, origin, key, room. */
export function accessDoor(random: World["random"], options: AccessOptions): Door {
  const { allowedHosts, apiKeys = [], corsOrigins = [] } = options;
  const isKey = keyRing(apiKeys);
  const forText = new RequestSlots(options.maxTextRequests ?? USUAL_TEXT_REQUESTS);
  const forOthers = new RequestSlots(OTHER_REQUESTS);

  const letIn = async (request: Request, facts: RequestFacts, answer: Answer): Promise<Response> => {
    const { headers } = request;
    // where a key is wanted the owner may come from another machine, and knows this one by its address
    if (!isAllowedHost(headers.get("host") ?? undefined, allowedHosts, apiKeys.length > 0)) {
      return failureResponse(FOREIGN_HOST, facts);
    }
    const isOriginAllowed = allowedOrigin(headers.get("origin"), corsOrigins) !== undefined;
    if (!isOriginAllowed && (isPreflight(request) || isForeignWrite(request))) {
      return failureResponse(FOREIGN_ORIGIN, facts);
    }
    if (isPreflight(request)) return preflightAnswer(request);
    if (HEALTH_ROUTES.includes(facts.path)) return await answer(request, facts);
    if (apiKeys.length > 0 && !isKey(presentedKey(headers))) {
      return noKey(failureResponse(NO_KEY, facts), headers);
    }
    const asksForText = isForText(request.method, facts.path);
    const slots = asksForText ? forText : forOthers;
    return await slots.answer(() => answer(request, facts)) ??
      failureResponse(asksForText ? fullOfText(slots) : fullOfOthers(slots), facts);
  };

  return async (request, answer, caller = () => request.signal) => {
    const requestId = requestIdOf(request.headers.get("x-request-id"), random);
    const path = pathOf(request.url);
    const facts: RequestFacts = {
      path,
      requestId,
      get signal() {
        return caller();
      },
    };
    const response = await letIn(request, facts, answer).catch((error) =>
      failureResponse(failureOf(error), facts)
    );
    response.headers.set("x-request-id", requestId);
    if (errorShapeOf(path) === "anthropic") response.headers.set("request-id", requestId);
    response.headers.set("x-content-type-options", "nosniff");
    if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
    const origin = allowedOrigin(request.headers.get("origin"), corsOrigins);
    if (origin !== undefined) allowOrigin(response.headers, origin);
    return response;
  };
}

/**
 * Whether a request may compute text: all that is posted, but to the node's own routes. Whatever is written oddly counts as
 * text, so that no spelling of a route takes the room of those who watch.
 */
const isForText = (method: string, path: string): boolean =>
  method === "POST" && !/^\/api\/v1(?:\/|$)/.test(path);

/** The path of a URL as it was sent: routes are chosen by that, so nothing else may decide what is open. */
const pathOf = (url: string): string => url.match(/^[^:/?#]+:\/\/[^/?#]*([^?#]*)/)?.[1] ?? "";

/** The id that a client gives a request, where it can stand in a header and a log; else a new one. */
const requestIdOf = (given: string | null, random: World["random"]): string =>
  given !== null && /^[A-Za-z0-9._:-]{1,128}$/.test(given) ? given : `req_${toHex(random(12))}`;

/**
 * Tells how to bring a key. Browsers ask their user for it, as the password beside any name; Chromium does only where this is
 * the first scheme of the line.
 */
function noKey(response: Response, headers: Headers): Response {
  const isBrowser = headers.get("accept")?.includes("text/html") ?? false;
  response.headers.set("www-authenticate", `${isBrowser ? "Basic" : "Bearer"} realm="kwaainet"`);
  return response;
}

const FOREIGN_HOST: Failure = {
  status: 403,
  code: "denied",
  message:
    "Cannot answer: the Host header names another site, wanted localhost or a name of http.allowed_hosts (--set http.allowed_hosts=NAME)",
};
const FOREIGN_ORIGIN: Failure = {
  status: 403,
  code: "denied",
  message:
    "Cannot answer: the request comes from a web page of another origin, wanted one of http.cors_origins",
};
const NO_KEY: Failure = {
  status: 401,
  code: "invalid_api_key",
  message:
    "Cannot answer: the request brings no valid API key, wanted one of http.api_keys as Authorization: Bearer KEY or x-api-key: KEY",
};
const fullOf = (what: string): Failure => ({ status: 429, code: "busy", message: `Cannot answer: ${what}` });
const fullOfText = ({ limit }: RequestSlots): Failure =>
  fullOf(`${limit} requests for text are here, wanted fewer (http.max_requests; try again later)`);
const fullOfOthers = ({ limit }: RequestSlots): Failure =>
  fullOf(`${limit} requests beside those for text are being answered, wanted fewer (try again later)`);
