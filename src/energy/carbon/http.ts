/**
 * One question to a service for the carbon of a grid: time, size and form of the answer bounded, failures told apart.
 * Addresses may hold tokens and never reach a message.
 *
 * @module
 */
import * as v from "valibot";
import { openDeadline } from "../../base/deadline.ts";
import { messageOf, NodeError } from "../../base/errors.ts";
import { readTextWithin, retryAfterMs } from "../../base/http_answer.ts";
import type { World } from "../../base/world.ts";

/** Where a service is, and what the operator said of it. */
export interface ProviderAccess {
  /** The address in place of the service's own. */
  readonly url?: string | undefined;
  readonly user?: string | undefined;
  readonly token?: string | undefined;
}

/** One question. */
export interface Question {
  /** Such as `Electricity Maps`; it completes `Cannot ask …`. */
  readonly service: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Longest wait for an answer. */
const TIMEOUT_MS = 20_000;
/** Longest answer: a day of quarter-hours of 21 kinds of power stations has 200 kB. */
const MAX_BYTES = 1 << 20;
/** Longest time that a service may ask to be left alone. */
const MAX_PAUSE_MS = 6 * 3_600_000;
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

const retryAfter = new WeakMap<Error, number>();

/** For how many milliseconds the service that failed with `error` wants to be left alone, if it said so. */
export const retryAfterOf = (error: unknown): number | undefined =>
  error instanceof Error ? retryAfter.get(error) : undefined;

/**
 * The address of `path` at a service: its own, or the one the operator named. Throws `NodeError` `usage` for one that
 * would show the token to others.
 */
export function addressOf(access: ProviderAccess, own: string, path: string): URL {
  const base = (access.url ?? own).replace(/\/+$/, "");
  const url = URL.parse(base + path);
  const secret = access.token !== undefined;
  if (url === null || (url.protocol !== "https:" && secret && !LOOPBACK.includes(url.hostname))) {
    throw new NodeError(
      "usage",
      "Cannot ask for carbon: its address cannot be used, wanted https:// where a token is sent (carbon.provider_url)",
    );
  }
  return url;
}

/**
 * The text of the answer. Throws `NodeError` `denied` (401, 403), `not_found`, `busy` (429), `remote` (5xx), `refused`
 * (anything else), `unreachable`, `timeout`, `too_large`.
 */
export async function askText(world: World, question: Question, signal: AbortSignal): Promise<string> {
  const { service, url, headers = {} } = question;
  using deadline = openDeadline(world.clock, TIMEOUT_MS, `ask ${service}`, signal);
  try {
    // a token must not follow to where somebody points
    const response = await fetch(url, { headers, redirect: "manual", signal: deadline.signal });
    if (response.ok) return await readBody(response, service);
    await response.body?.cancel();
    throw failureOf(world, response, service);
  } catch (error) {
    deadline.signal.throwIfAborted();
    if (error instanceof NodeError) throw error;
    // the words of fetch may hold the address, and that may hold a token
    const words = messageOf(error).replaceAll(url.href, url.host).replace(/\?\S*/g, "");
    throw new NodeError("unreachable", `Cannot ask ${service}: ${words}, wanted an answer`);
  }
}

/** The JSON of the answer, checked. Throws as {@linkcode askText} does, and `malformed`. */
export async function askJson<S extends v.GenericSchema>(
  world: World,
  question: Question,
  schema: S,
  signal: AbortSignal,
): Promise<v.InferOutput<S>> {
  return parseAnswer(question.service, schema, await askText(world, question, signal));
}

/** The value in the JSON `text`. Throws `NodeError` `malformed` that names what is wrong, never its value. */
export function parseAnswer<S extends v.GenericSchema>(
  service: string,
  schema: S,
  text: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NodeError("malformed", `Cannot read the answer of ${service}: it is no JSON, wanted JSON`);
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue)?.replace(/[^\w.]/g, "?").slice(0, 100) ?? "it";
  throw wrong(service, `"${path}" is something else`, issue.expected ?? "another value");
}

/** An answer that is not what it should be. */
export const wrong = (service: string, what: string, wanted: string): NodeError =>
  new NodeError("malformed", `Cannot read the answer of ${service}: ${what}, wanted ${wanted}`);

async function readBody(response: Response, service: string): Promise<string> {
  const text = await readTextWithin(response, MAX_BYTES);
  if (text !== undefined) return text;
  throw new NodeError(
    "too_large",
    `Cannot read the answer of ${service}: it is longer than ${MAX_BYTES} bytes, wanted a shorter one`,
  );
}

function failureOf(world: World, response: Response, service: string): NodeError {
  const { status } = response;
  const [code, wanted] = wantedOf(status);
  const error = new NodeError(code, `Cannot ask ${service}: it answered ${status}, wanted ${wanted}`);
  const pauseMs = retryAfterMs(response.headers.get("retry-after"), world.clock.now(), MAX_PAUSE_MS);
  if (pauseMs !== undefined) retryAfter.set(error, pauseMs);
  return error;
}

function wantedOf(status: number): [NodeError["code"], string] {
  if (status === 401 || status === 403) {
    return ["denied", "a token that may ask for this zone (carbon.provider_token, carbon.provider_zone)"];
  }
  if (status === 400 || status === 404) return ["not_found", "a zone it knows (carbon.provider_zone)"];
  if (status === 429) return ["busy", "fewer questions; it is asked later"];
  if (status >= 500) return ["remote", "an answer; it is asked later"];
  if (status >= 300 && status < 400) return ["refused", "its own address (carbon.provider_url)"];
  return ["refused", "an answer"];
}
