/**
 * One question over HTTP to a device of the owner: time, size and form of the answer bounded, failures told apart.
 * Addresses and words of fetch may hold passwords and never reach a message.
 *
 * @module
 */
import * as v from "valibot";
import { openDeadline } from "../../base/deadline.ts";
import { codeOf, messageOf, NodeError } from "../../base/errors.ts";
import { readTextWithin, retryAfterMs } from "../../base/http_answer.ts";
import type { World } from "../../base/world.ts";
import type { HttpAuth } from "./http_auth.ts";
import { PollFailure } from "./polled.ts";

/** A device, as it is asked. */
export interface HttpDevice {
  /** Its id; it completes `Cannot read …`. */
  readonly id: string;
  readonly auth: HttpAuth | undefined;
  /** Knows the owner's certificates; absent for the system's alone. */
  readonly client: Deno.HttpClient | undefined;
  readonly timeoutMs: number;
}

/** Longest answer. The whole status of the largest plug has 6 kB. */
const MAX_BYTES = 64 << 10;
/** Times that one question is sent: with the password after a challenge, and once to where the same host points. */
const MAX_TRIES = 4;
/** Longest time that a device may ask to be left alone. */
const MAX_PAUSE_MS = 3_600_000;

/** Why asking failed, in one word for counting: `http_401`, `timeout`, `malformed`, `unreachable`, … */
export const reasonOf = (error: unknown): string =>
  error instanceof PollFailure ? error.word : codeOf(error, "unreachable");

/**
 * The JSON that `url` answers, checked. Throws a `PollFailure` whose word is `http_401` and the like, `unreachable`,
 * `too_large` or `malformed`, or a `NodeError` `timeout`, `unsupported`.
 */
export async function askJson<S extends v.GenericSchema>(
  world: World,
  device: HttpDevice,
  url: URL,
  schema: S,
  signal: AbortSignal,
): Promise<v.InferOutput<S>> {
  return parseAnswer(device.id, schema, await askText(world, device, url, signal));
}

async function askText(world: World, device: HttpDevice, url: URL, signal: AbortSignal): Promise<string> {
  const { id, timeoutMs } = device;
  using deadline = openDeadline(world.clock, timeoutMs, `read ${id}`, signal);
  try {
    return await askUntil(world, device, url, deadline.signal);
  } catch (error) {
    deadline.signal.throwIfAborted();
    if (error instanceof NodeError) throw error;
    const words = messageOf(error).replace(/ ?(?:for url )?\(?[a-z]+:\/\/\S*/gi, "").replace(/:+\s*$/, "");
    throw new PollFailure("unreachable", `Cannot read ${id}: ${words || "no answer"}, wanted an answer`);
  }
}

async function askUntil(world: World, device: HttpDevice, first: URL, signal: AbortSignal): Promise<string> {
  let url = first;
  for (let tries = 1;; tries++) {
    const response = await send(device, url, signal);
    if (response.ok) return await readBody(response, device.id);
    await response.body?.cancel();
    const next = tries < MAX_TRIES ? nextUrl(device, url, response) : undefined;
    if (next === undefined) throw failureOf(world, response, device.id);
    url = next;
  }
}

async function send({ auth, client }: HttpDevice, url: URL, signal: AbortSignal): Promise<Response> {
  const uri = url.pathname + url.search;
  const authorization = await auth?.header({ method: "GET", uri });
  const headers = { accept: "application/json", ...(authorization === undefined ? {} : { authorization }) };
  // a password must not follow to where somebody points
  const request: RequestInit & { client?: Deno.HttpClient } = { headers, redirect: "manual", signal };
  if (client !== undefined) request.client = client;
  return await fetch(url, request);
}

/** Where to ask again: the same address with a password, or one on the same host (BMCs add a slash this way). */
function nextUrl({ auth }: HttpDevice, url: URL, { status, headers }: Response): URL | undefined {
  if (status === 401) return auth?.challenge(headers.get("www-authenticate")) ? url : undefined;
  if (status < 301 || status > 308 || status === 304) return undefined;
  const next = URL.parse(headers.get("location") ?? "", url);
  return next !== null && next.origin === url.origin && next.href !== url.href ? next : undefined;
}

async function readBody(response: Response, id: string): Promise<string> {
  const text = await readTextWithin(response, MAX_BYTES);
  if (text !== undefined) return text;
  const message = `Cannot read ${id}: the answer is longer than ${MAX_BYTES} bytes, wanted a shorter one`;
  throw new PollFailure("too_large", message);
}

function failureOf({ clock }: World, { status, headers }: Response, id: string): PollFailure {
  const message = `Cannot read ${id}: it answered ${status}, wanted ${wantedOf(status)}`;
  return new PollFailure(
    `http_${status}`,
    message,
    retryAfterMs(headers.get("retry-after"), clock.now(), MAX_PAUSE_MS),
  );
}

function wantedOf(status: number): string {
  if (status === 401 || status === 403) {
    return "a user and password, or a token, that it takes (energy.secrets)";
  }
  if (status === 404) return "an address that it knows";
  if (status === 429) return "fewer questions; it is asked later";
  if (status >= 500) return "an answer; it is asked later";
  return status >= 300 && status < 400 ? "no other host" : "an answer";
}

/** The value in the JSON `text`. Throws a `PollFailure` `malformed` that names what is wrong, never its value. */
export function parseAnswer<S extends v.GenericSchema>(
  id: string,
  schema: S,
  text: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrongAnswer(id, "it is no JSON", "JSON");
  }
  // valibot takes a list for an object without these fields
  if (Array.isArray(value)) throw wrongAnswer(id, "it is a list", "an object");
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue)?.replace(/[^\w.:]/g, "?").slice(0, 100) ?? "it";
  throw wrongAnswer(id, `"${path}" is something else`, issue.expected ?? "another value");
}

/** An answer that is not what it should be; counted under `word`. */
export const wrongAnswer = (id: string, what: string, wanted: string, word = "malformed"): PollFailure =>
  new PollFailure(word, `Cannot read the answer of ${id}: ${what}, wanted ${wanted}`);

/** Opens a client that knows the certificates of `file` (PEM) beside the system's. Throws `NodeError` `usage`. */
export function openTrustingClient(file: string): Deno.HttpClient {
  try {
    return Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(file)] });
  } catch (error) {
    throw new NodeError(
      "usage",
      `Cannot use energy.ca_file: ${messageOf(error)}, wanted certificates as PEM`,
    );
  }
}
