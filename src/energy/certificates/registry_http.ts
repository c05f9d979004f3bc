/**
 * One request to a certificate registry: time, size and form of the answer bounded, failures told apart.
 *
 * @module
 */
import { openDeadline } from "../../base/deadline.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import { readTextWithin } from "../../base/http_answer.ts";
import type { World } from "../../base/world.ts";
import { MAX_JSON_BYTES, parseJson } from "./bounded_json.ts";

/** A request as a dry run shows it: the token is not in it. */
export interface RegistryRequest {
  readonly method: "GET" | "POST";
  /** Below the registry's address, such as `/certificate/query`. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** Whether it only asks: then it may be sent again. */
  readonly reads: boolean;
}

/** Where a registry is and who asks. */
export interface RegistryAccess {
  /** `https://…`, or `http://` on this machine. */
  readonly url: string;
  readonly token: string | undefined;
}

/** Longest wait for an answer. */
const TIMEOUT_MS = 30_000;
/** Tries of a question, and the longest pause that a registry may ask for. */
const MAX_TRIES = 3;
const MAX_PAUSE_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
/** Most characters of a registry's words that are repeated. */
const MAX_WORDS = 300;

/**
 * Sends `request`; the JSON of the answer. Questions are tried again when the registry is busy. Throws `NodeError`
 * `denied` (401, 403), `not_found`, `refused` (other 4xx, with the registry's words), `busy` (429), `remote` (5xx),
 * `unreachable`, `timeout`, `malformed` (no JSON), `too_large`.
 */
export async function ask(
  world: World,
  access: RegistryAccess,
  request: RegistryRequest,
  signal: AbortSignal,
): Promise<unknown> {
  for (let tries = 1, pauseMs = FIRST_PAUSE_MS;; tries++, pauseMs *= 2) {
    const answer = await askOnce(world, access, request, signal);
    if (answer.error === undefined) return answer.value;
    const { code } = answer.error;
    const passes = code === "busy" || code === "remote" || code === "unreachable" || code === "timeout";
    if (!request.reads) throw passes && code !== "busy" ? withDoubt(answer.error) : answer.error;
    if (!passes || tries >= MAX_TRIES) throw answer.error;
    await world.clock.sleep(answer.pauseMs ?? pauseMs, signal);
  }
}

/** What came of one try, and how long the registry wants to be left alone, if it said so. */
type Answer =
  | { readonly error: undefined; readonly value: unknown }
  | { readonly error: NodeError; readonly pauseMs: number | undefined };

/** A request that changes something and went unanswered may have changed it. */
const withDoubt = (error: NodeError): NodeError =>
  new NodeError(
    error.code,
    `${error.message}; it may have been done all the same: query before you do it again`,
    { cause: error },
  );

/** One try. Throws when `signal` aborts, and for an address that cannot be used. */
async function askOnce(
  { clock }: World,
  { url, token }: RegistryAccess,
  { method, path, body }: RegistryRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const what = `${method} ${path} of the registry`;
  const address = baseOf(url) + path;
  using deadline = openDeadline(clock, TIMEOUT_MS, `use ${what}`, signal);
  try {
    const response = await fetch(address, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // a token must not follow to where somebody points
      redirect: "manual",
      signal: deadline.signal,
    });
    const text = await readAll(response, what);
    if (response.ok) return { error: undefined, value: parseJson(text, `the answer to ${what}`) };
    return { error: failureOf(response, text, what), pauseMs: pauseOf(response.headers.get("retry-after")) };
  } catch (thrown) {
    signal.throwIfAborted();
    return {
      error: failedBy(deadline.signal.aborted ? deadline.signal.reason : thrown, what),
      pauseMs: undefined,
    };
  }
}

function failedBy(thrown: unknown, what: string): NodeError {
  if (thrown instanceof NodeError) return thrown;
  const words = `Cannot use ${what}: ${plain(messageOf(thrown))}, wanted an answer`;
  return new NodeError("unreachable", words, { cause: thrown });
}

/** The body as text; a longer one than is read is cut off at once. */
async function readAll(response: Response, what: string): Promise<string> {
  const text = await readTextWithin(response, MAX_JSON_BYTES);
  if (text !== undefined) return text;
  throw new NodeError("too_large", `Cannot use ${what}: the answer is longer than ${MAX_JSON_BYTES} bytes`);
}

function failureOf(response: Response, text: string, what: string): NodeError {
  const { status } = response;
  const said = `${status}${wordsOf(text)}`;
  if (status === 401 || status === 403) {
    const wanted = "wanted a token that may do it (certificates.registry_token)";
    return new NodeError("denied", `Cannot use ${what}: it answered ${said}, ${wanted}`);
  }
  if (status === 404) return new NodeError("not_found", `Cannot use ${what}: it answered ${said}`);
  if (status === 429) {
    return new NodeError("busy", `Cannot use ${what}: it answered ${said}, wanted fewer requests; try later`);
  }
  if (status >= 500) return new NodeError("remote", `Cannot use ${what}: it answered ${said}`);
  if (status >= 300 && status < 400) {
    return new NodeError(
      "refused",
      `Cannot use ${what}: it points elsewhere, wanted its own address (certificates.registry)`,
    );
  }
  return new NodeError("refused", `Cannot use ${what}: it answered ${said}`);
}

function pauseOf(seconds: string | null): number | undefined {
  return seconds !== null && /^\d{1,6}$/.test(seconds)
    ? Math.min(Number(seconds) * 1000, MAX_PAUSE_MS)
    : undefined;
}

/** A registry's words about a failure: FastAPI's `detail`, which is a text or a list of fields that are wrong. */
function wordsOf(text: string): string {
  let detail: unknown;
  try {
    detail = (parseJson(text, "the failure") as { detail?: unknown } | null)?.detail;
  } catch {
    // a page of a proxy in between says nothing of the request
    return "";
  }
  if (typeof detail === "string") return `, ${plain(detail)}`;
  if (!Array.isArray(detail)) return "";
  const fields = detail.slice(0, 5).map((each: { loc?: unknown; msg?: unknown } | null) => {
    const place = Array.isArray(each?.loc) ? each.loc.map(String).join(".") : "?";
    return `${place}: ${typeof each?.msg === "string" ? each.msg : "wrong"}`;
  });
  return `, ${plain(fields.join("; "))}`;
}

/** Words of others on one line, without what moves a cursor. */
const plain = (words: string): string =>
  words.slice(0, MAX_WORDS * 2).replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, " ").slice(0, MAX_WORDS);

/** The address without a slash at its end. Throws `NodeError` `usage` for one that would show the token to others. */
function baseOf(url: string): string {
  const wanted = "wanted https://… (or http:// on this machine) without a password (certificates.registry)";
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new NodeError("usage", `Cannot use the registry: its address is none, ${wanted}`, { cause });
  }
  const here = ["127.0.0.1", "localhost", "[::1]"].includes(parsed.hostname);
  const safe = parsed.protocol === "https:" || (parsed.protocol === "http:" && here);
  if (
    !safe || parsed.username !== "" || parsed.password !== "" || parsed.search !== "" || parsed.hash !== ""
  ) {
    throw new NodeError("usage", `Cannot use the registry: its address cannot be used, ${wanted}`);
  }
  return parsed.href.replace(/\/+$/, "");
}
