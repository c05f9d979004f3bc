/** Handlers of the local API over a node that does nothing. */
import { apiHandler, type ApiOptions } from "../../src/api/handler.ts";
import { fakeWorld } from "../support/world.ts";

/** Options of an API that is asked for nothing but what `more` has. */
export function apiOptions(more: Partial<ApiOptions> = {}): ApiOptions {
  const world = fakeWorld();
  const never = () => {
    throw new TypeError("nobody was to ask");
  };
  return {
    world,
    log: world.log,
    status: never,
    energy: never,
    metrics: never,
    allowedHosts: [],
    maxBodyBytes: 4 << 20,
    ...more,
  };
}

/** Asks a handler of its own; `body` is sent as JSON. */
export function asker(more: Partial<ApiOptions> = {}) {
  const handler = apiHandler(apiOptions(more));
  return (path: string, { json, headers = {}, ...init }: AskInit = {}): Promise<Response> =>
    handler(
      new Request(`http://x${path}`, {
        ...(json === undefined ? {} : { method: "POST", body: JSON.stringify(json) }),
        ...init,
        headers: { host: "127.0.0.1:8080", "content-type": "application/json", ...headers },
      }),
    );
}

interface AskInit extends Omit<RequestInit, "headers"> {
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
