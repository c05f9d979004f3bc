/**
 * Files of model repositories on Hugging Face, or a mirror of it.
 *
 * @module
 */
import { join } from "node:path";
import { openDeadline, openFirstOf, orAbort } from "../base/deadline.ts";
import { messageOf, NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { fileAct } from "./byte_ranges.ts";
import { isJsonObject } from "./json_file.ts";
import { isFileName } from "./store_entry.ts";
import { type HashedFile, hashFile, type Meter, Sha256, writeAll } from "./transfer.ts";

/** Where to ask, and as whom. */
export interface Hub {
  /** `https://huggingface.co`, or the mirror that `HF_ENDPOINT` names. */
  readonly endpoint: string;
  /** `HF_TOKEN`, for gated repositories. */
  readonly token: string | undefined;
}

/** One file at the root of a repository. */
export interface HubFile {
  readonly name: string;
  readonly bytes: number;
  /** Of files that the hub keeps as large objects. */
  readonly sha256: string | undefined;
}

/** A repository, and the folder inside it (`""`: its root). */
export interface HubFolder {
  /** `org/name` */
  readonly repository: string;
  readonly path: string;
}

/** Longest list of files we read: the hub's own pages have 1000 entries. */
const MAX_LIST_BYTES = 4 << 20;
/** A server that sends nothing for so long is given up; the next try goes on where this one ended. */
const SILENCE_MS = 60_000;
/** Tries in a row that bring nothing, and the first pause between them. */
const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 1_000;

/** The hub that the environment names. */
export const hubOf = (environment: Readonly<Record<string, string>>): Hub => ({
  endpoint: (environment["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, ""),
  token: environment["HF_TOKEN"] || undefined,
});

/** Web page of a repository. */
export const repositoryUrl = (repository: string): string => `https://huggingface.co/${repository}`;

/**
 * The files of a folder. Throws `NodeError` `not_found` for no such repository, `denied` for one that wants a token,
 * `unreachable` with the cure when there is no way to the hub, `malformed` for an answer that is none.
 */
export async function listFiles(
  world: World,
  hub: Hub,
  folder: HubFolder,
  signal: AbortSignal,
): Promise<HubFile[]> {
  const path = folder.path === "" ? "" : `/${folder.path}`;
  const url = `${hub.endpoint}/api/models/${folder.repository}/tree/main${path}`;
  const what = `list the files of "hf:${folder.repository}"`;
  using deadline = openDeadline(world.clock, SILENCE_MS, what, signal);
  const response = await request(hub, url, { what, headers: {} }, deadline.signal);
  const value = await readList(response, what, deadline.signal);
  return value.flatMap((entry): HubFile[] => {
    if (!isJsonObject(entry) || entry["type"] !== "file") return [];
    const name = String(entry["path"]).slice(folder.path === "" ? 0 : folder.path.length + 1);
    const bytes = entry["size"];
    if (!isFileName(name) || typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0) {
      return [];
    }
    const large = isJsonObject(entry["lfs"]) ? entry["lfs"]["oid"] : undefined;
    return [{
      name,
      bytes,
      sha256: typeof large === "string" && /^[0-9a-f]{64}$/.test(large) ? large : undefined,
    }];
  });
}

async function readList(response: Response, what: string, signal: AbortSignal): Promise<readonly unknown[]> {
  const malformed = (problem: string) => new NodeError("malformed", `Cannot ${what}: ${problem}`);
  const parts: string[] = [];
  let bytes = 0;
  const decoder = new TextDecoder();
  for await (const piece of pieces(response, signal)) {
    bytes += piece.length;
    if (bytes > MAX_LIST_BYTES) throw malformed(`the answer is longer than ${MAX_LIST_BYTES} bytes`);
    parts.push(decoder.decode(piece, { stream: true }));
  }
  try {
    const value: unknown = JSON.parse(parts.join(""));
    if (Array.isArray(value)) return value;
  } catch {
    // told below
  }
  throw malformed("the answer is no list of JSON");
}

/** What a download needs. */
export interface Download {
  readonly world: World;
  readonly hub: Hub;
  readonly folder: HubFolder;
  /** Local folder that the file is written into. */
  readonly into: string;
  readonly meter: Meter;
}

/**
 * Brings one file; a part that is there already is gone on with. Throws `NodeError` `corrupt` when the sum or length is
 * not what the hub stated (the part is then removed), `unreachable` after tries that brought nothing, `aborted`.
 */
export async function download(work: Download, file: HubFile, signal: AbortSignal): Promise<HashedFile> {
  const { meter, into } = work;
  const part = join(into, file.name);
  const have = await hashPart(part, signal);
  if (have.bytes > file.bytes) have.bytes = await startAgain(part, have);
  meter.skip(file.name, have.bytes);
  let pauseMs = FIRST_PAUSE_MS;
  for (let tries = 1; have.bytes < file.bytes;) {
    const before = have.bytes;
    try {
      await fetchRest(work, file, { part, have }, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NodeError) || (error.code !== "unreachable" && error.code !== "timeout")) {
        throw error;
      }
      tries = have.bytes > before ? 1 : tries + 1;
      if (tries > MAX_TRIES) throw error;
      work.world.log.info("Download is tried again", { file: file.name, bytes: have.bytes, error });
      await work.world.clock.sleep(pauseMs, signal);
      pauseMs *= 2;
    }
  }
  const sha256 = have.hash.hex();
  if (file.sha256 === undefined || file.sha256 === sha256) {
    return { name: file.name, bytes: file.bytes, sha256 };
  }
  await Deno.remove(part);
  throw new NodeError(
    "corrupt",
    `Cannot fetch "${file.name}": its sha256 is ${sha256}, wanted ${file.sha256}; it was removed, try again`,
  );
}

/** What is on disk of a file. */
interface Part {
  bytes: number;
  hash: Sha256;
}

async function hashPart(path: string, signal: AbortSignal): Promise<Part> {
  const hash = new Sha256();
  try {
    const { bytes } = await hashFile(path, path, (piece) => hash.update(piece), signal);
    return { bytes, hash };
  } catch (error) {
    if (error instanceof NodeError && error.code === "not_found") return { bytes: 0, hash };
    throw error;
  }
}

async function startAgain(path: string, part: Part): Promise<number> {
  await Deno.truncate(path, 0);
  part.hash = new Sha256();
  return 0;
}

async function fetchRest(
  { world, hub, folder, meter }: Download,
  file: HubFile,
  { part, have }: { readonly part: string; readonly have: Part },
  signal: AbortSignal,
): Promise<void> {
  const what = `fetch "${file.name}" of "hf:${folder.repository}"`;
  const path = (folder.path === "" ? "" : `${folder.path}/`) + file.name;
  const url = `${hub.endpoint}/${folder.repository}/resolve/main/${
    path.split("/").map(encodeURIComponent).join("/")
  }`;
  const end = new AbortController();
  using first = openFirstOf(signal, end.signal);
  const either = first.signal;
  const headers = have.bytes > 0 ? { range: `bytes=${have.bytes}-` } : {};
  try {
    const response = await patiently(world, what, signal, request(hub, url, { what, headers }, either));
    using out = await fileAct(
      "write",
      part,
      () => Deno.open(part, { create: true, append: true, mode: 0o600 }),
    );
    if (have.bytes > 0 && response.status !== 206) {
      meter.skip(file.name, -have.bytes);
      have.bytes = await startAgain(part, have);
    }
    const body = pieces(response, either)[Symbol.asyncIterator]();
    while (true) {
      const { value: piece, done } = await patiently(world, what, signal, body.next());
      if (done) break;
      if (have.bytes + piece.length > file.bytes) {
        throw new NodeError("corrupt", `Cannot ${what}: more than the stated ${file.bytes} bytes came`);
      }
      await writeAll(out, piece, part);
      have.hash.update(piece);
      have.bytes += piece.length;
      meter.add(file.name, piece.length);
    }
    await out.syncData();
  } finally {
    end.abort(new NodeError("aborted", "The transfer ended"));
  }
  if (have.bytes < file.bytes) {
    throw lost(what, `the connection ended after ${have.bytes} of ${file.bytes} bytes`);
  }
}

async function patiently<T>(world: World, what: string, signal: AbortSignal, work: Promise<T>): Promise<T> {
  using deadline = openDeadline(world.clock, SILENCE_MS, what, signal);
  return await orAbort(work, deadline.signal);
}

interface Ask {
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function request(
  hub: Hub,
  url: string,
  { what, headers }: Ask,
  signal: AbortSignal,
): Promise<Response> {
  const authorization = hub.token === undefined ? {} : { authorization: `Bearer ${hub.token}` };
  let response: Response;
  try {
    response = await fetch(url, { headers: { ...headers, ...authorization }, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw lost(what, messageOf(error), error);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  switch (response.status) {
    case 401:
    case 403:
      throw new NodeError(
        "denied",
        `Cannot ${what}: it is private, gated or absent; wanted a token in HF_TOKEN whose owner may read it`,
      );
    case 404:
      throw new NodeError("not_found", `Cannot ${what}: ${hub.endpoint} has none`);
    default:
      throw lost(what, `${hub.endpoint} answered ${response.status}`);
  }
}

async function* pieces(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of response.body ?? []) yield piece;
  } catch (error) {
    signal.throwIfAborted();
    throw lost("read on", messageOf(error), error);
  }
}

const lost = (what: string, why: string, cause?: unknown) =>
  new NodeError(
    "unreachable",
    `Cannot ${what}: ${why}; wanted a way to the Internet (or a mirror in HF_ENDPOINT), or fetch the files elsewhere and ` +
      `name their folder`,
    { cause },
  );
