/** A carbon service on the loopback, with the faults of real ones. */

/** How it answers a path: a value becomes JSON, a text stays text. */
export type CarbonAnswer = (
  request: Request,
  url: URL,
) => Response | Promise<Response> | object | string | undefined;

/** A running service. Dispose to stop it. */
export interface CarbonService extends AsyncDisposable {
  readonly url: string;
  /** Method, path and query of each question. */
  readonly asked: string[];
  readonly headers: Headers[];
  answer: CarbonAnswer;
}

export function openCarbonService(answer: CarbonAnswer): CarbonService {
  const asked: string[] = [];
  const headers: Headers[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const url = new URL(request.url);
    asked.push(url.pathname + url.search);
    headers.push(request.headers);
    const given = await service.answer(request, url);
    if (given === undefined) return new Response("no", { status: 404 });
    if (given instanceof Response) return given;
    return typeof given === "string" ? new Response(given) : Response.json(given);
  });
  const service: CarbonService = {
    url: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`,
    asked,
    headers,
    answer,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return service;
}

/** A file of `tests/vectors/energy/api`. */
export const apiVector = (name: string): string =>
  Deno.readTextFileSync(new URL(`../vectors/energy/api/${name}`, import.meta.url));
