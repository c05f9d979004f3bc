/** A hub of model repositories on the loopback, with the faults of real networks. */
import { toHex } from "../../src/base/bytes.ts";

/** How the hub answers. */
export interface HubOptions {
  /** Files by `org/name/path`. */
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** Each answer ends after so many bytes, as if the connection was lost. */
  readonly cutAfter?: number;
  /** Whether `range` is honoured (default). */
  readonly ranges?: boolean;
  /** Answered to everything. */
  readonly status?: number;
  /** Stated in place of the true sums. */
  readonly sha256?: string;
}

/** A running hub. Dispose to stop it. */
export interface FakeHub extends AsyncDisposable {
  readonly endpoint: string;
  /** Paths asked for, with `range` where there was one. */
  readonly asked: string[];
  options: HubOptions;
}

export function openFakeHub(options: HubOptions): FakeHub {
  const asked: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname;
    const range = request.headers.get("range");
    asked.push(range === null ? path : `${path} ${range}`);
    if (hub.options.status !== undefined) return new Response("no", { status: hub.options.status });
    const list = path.match(/^\/api\/models\/([^/]+\/[^/]+)\/tree\/main\/?(.*)$/);
    if (list) return await listing(hub.options, list[1]!, list[2]!);
    const [, repository, file] = path.match(/^\/([^/]+\/[^/]+)\/resolve\/main\/(.+)$/) ?? [];
    const bytes = hub.options.files[`${repository}/${decodeURIComponent(file ?? "")}`];
    if (bytes === undefined) return new Response("no", { status: 404 });
    return content(hub.options, bytes, range);
  });
  const hub: FakeHub = {
    endpoint: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`,
    asked,
    options,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return hub;
}

async function listing(options: HubOptions, repository: string, folder: string): Promise<Response> {
  const prefix = `${repository}/${folder === "" ? "" : `${folder}/`}`;
  const entries: unknown[] = [{ type: "directory", path: "onnx", size: 0 }];
  for (const [path, bytes] of Object.entries(options.files)) {
    if (!path.startsWith(prefix) || path.slice(prefix.length).includes("/")) continue;
    const oid = options.sha256 ?? toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
    const isLarge = /\.(gguf|safetensors)$/.test(path);
    entries.push({
      type: "file",
      path: path.slice(repository.length + 1),
      size: bytes.length,
      ...(isLarge ? { lfs: { oid, size: bytes.length } } : {}),
    });
  }
  return entries.length === 1 ? new Response("no", { status: 404 }) : Response.json(entries);
}

function content(options: HubOptions, bytes: Uint8Array<ArrayBuffer>, range: string | null): Response {
  const start = range !== null && options.ranges !== false ? Number(range.match(/^bytes=(\d+)-$/)?.[1]) : 0;
  const rest = bytes.subarray(start);
  const sent = rest.subarray(0, options.cutAfter);
  return new Response(sent, { status: start > 0 ? 206 : 200 });
}
