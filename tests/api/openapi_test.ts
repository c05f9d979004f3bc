/** The document of the API is true of the handler. */
import { assert, assertEquals } from "@std/assert";
import { Ajv2020 } from "ajv/2020";
import { anthropicRoutes } from "../../src/api/anthropic/routes.ts";
import { apiHandler, type ApiOptions } from "../../src/api/handler.ts";
import { ollamaRoutes } from "../../src/api/ollama/routes.ts";
import { openaiRoutes } from "../../src/api/openai/routes.ts";
import { fakeWorld } from "../support/world.ts";
import { apiOptions, asker, energyOf, statusDocument } from "./support.ts";

interface Document {
  readonly openapi: string;
  readonly security?: object;
  // deno-lint-ignore no-explicit-any -- OpenAPI's own form
  readonly paths: Readonly<Record<string, Readonly<Record<string, any>>>>;
  readonly components: object;
}

const never = () => Promise.reject(new TypeError("nobody was to ask"));
const text = { list: () => Promise.resolve([]), open: never };
const carbonAware = { names: () => [], observed: () => [], forecast: () => undefined, now: () => 0 };
const whole: Partial<ApiOptions> = {
  status: () => statusDocument(),
  energy: () => energyOf(statusDocument()),
  text,
  carbonAware,
  pause: () => {},
  own: () => {},
  swarm: { swarm: never, peers: () => Promise.resolve({ schema: 1, self: "me", peers: [] }) },
};
const documentOf = async (options: Partial<ApiOptions> = whole): Promise<Document> => {
  const headers = options.apiKeys === undefined ? {} : { authorization: `Bearer ${options.apiKeys[0]}` };
  const answer = await asker(options)("/openapi.json", { headers });
  assertEquals([answer.status, answer.headers.get("content-type")], [200, "application/json"]);
  return await answer.json();
};

Deno.test("the OpenAPI document has every route that the handler has, and no other", async () => {
  using handler = apiHandler(apiOptions(whole));
  const parts = { models: text, world: fakeWorld(), version: () => "" };
  const routes = [
    ...handler.routes,
    ...openaiRoutes(parts).routes,
    ...ollamaRoutes(parts).routes,
    ...anthropicRoutes(parts).routes,
  ].map(({ method, path }) => `${method} ${path.replace("/assets/*", "/assets/{name}")}`)
    .map((route) => route.replace(/:(\w+)(?:\{[^}]*\})?/g, "{$1}"));
  const { paths } = await documentOf();
  const told = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)
  );
  assertEquals(told.toSorted(), [...new Set(routes)].toSorted());
});

Deno.test("the OpenAPI document leaves out what this node has not, and asks for a key where one is wanted", async () => {
  const { paths, security } = await documentOf({ status: () => statusDocument() });
  assertEquals([paths["/v1/models"], paths["/emissions/bylocation"], security], [
    undefined,
    undefined,
    undefined,
  ]);
  assert("/api/v1/status" in paths && !("/api/v1/pause" in paths) && !("/api/v1/swarm" in paths));
  assert((await documentOf({ ...whole, apiKeys: ["sk-for-tests-only"] })).security !== undefined);
});

Deno.test("answers have the status, the type and the form that the OpenAPI document says", async () => {
  const document = await documentOf();
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema({ $id: "api", ...document });
  const ask = asker(whole);
  const questions: readonly (readonly [string, RequestInit?])[] = [
    ["/healthz"],
    ["/health"],
    ["/readyz"],
    ["/api/v1/status"],
    ["/api/v1/energy"],
    ["/api/v1/peers"],
    ["/v1/models"],
    ["/api/tags"],
    ["/api/version"],
    ["/emissions/bylocation"],
    ["/api/v1/pause", { method: "POST", body: '{"minutes":1}' }],
    ["/api/v1/pause", { method: "POST", body: '{"minutes":-1}' }],
    ["/v1/chat/completions", { method: "POST", body: "{}" }],
    ["/v1/messages", { method: "POST", body: "{}" }],
    ["/api/chat", { method: "POST", body: "{}" }],
    ["/api/pull", { method: "POST", body: "{}" }],
  ];
  for (const [path, init = {}] of questions) {
    const { headers: _, ...asked } = init;
    const answer = await ask(path, asked);
    const { responses } = document.paths[path]![(init.method ?? "GET").toLowerCase()];
    const content = responses[answer.status]?.content;
    assert(content !== undefined, `${path} answers ${answer.status}`);
    const type = answer.headers.get("content-type")!.split(";")[0]!;
    assert(type in content, `${path} answers ${type}`);
    const place = ["paths", path, (init.method ?? "GET").toLowerCase(), "responses", `${answer.status}`];
    const pointer = [...place, "content", type, "schema"].map((part) =>
      encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))
    ).join("/");
    assert(ajv.validate(`api#/${pointer}`, await answer.json()), `${path}: ${ajv.errorsText()}`);
  }
});

Deno.test("a method that a route has not is 405, with those it has", async () => {
  const ask = asker(whole);
  const allowed = async (path: string, method: string) => {
    const { status, headers } = await ask(path, { method });
    return [status, headers.get("allow")];
  };
  assertEquals(await allowed("/api/v1/status", "POST"), [405, "GET, HEAD"]);
  assertEquals(await allowed("/v1/chat/completions", "GET"), [405, "POST"]);
  assertEquals(await allowed("/api/pull", "PUT"), [405, "POST, DELETE"]);
  assertEquals(await allowed("/v1/nothing", "POST"), [404, null]);
  assertEquals(await allowed("/nothing", "POST"), [404, null]);
});
