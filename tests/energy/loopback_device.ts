/** Devices on loopback: what they answer, and what they were asked. */
import { settle } from "../support/world.ts";

/** A device that speaks HTTP. */
export interface LoopbackDevice extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Path and query of each request, in order. */
  readonly requests: string[];
}

/** Opens a device that answers by `respond`. */
export function openDevice(
  respond: (request: Request, path: string) => Response | Promise<Response>,
  tls?: { readonly cert: string; readonly key: string },
): LoopbackDevice {
  const requests: string[] = [];
  const handle = (request: Request) => {
    const { pathname, search } = new URL(request.url);
    requests.push(pathname + search);
    return respond(request, pathname + search);
  };
  const end = new AbortController();
  const common = { hostname: "127.0.0.1", port: 0, signal: end.signal, onListen() {} };
  const server = Deno.serve({ ...common, ...tls }, handle);
  return {
    host: `127.0.0.1:${(server.addr as Deno.NetAddr).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      end.abort();
      await server.finished;
    },
  };
}

/** A device that has an answer for each path and 404 for others. */
export const openAnswers = (answers: Readonly<Record<string, unknown>>): LoopbackDevice =>
  openDevice((_, path) =>
    Object.hasOwn(answers, path)
      ? Response.json(answers[path])
      : Response.json({ code: 404, message: `No handler for ${path}` }, { status: 404 })
  );

/** Lets everybody work until `done`, at most some seconds. */
export async function until(done: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (done()) return;
    await settle();
  }
  throw new Error(`Waited in vain: ${what}`);
}
