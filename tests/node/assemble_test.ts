import { assertEquals, assertNotEquals } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { realParts } from "../../src/node/assemble.ts";
import { planOf } from "../../src/node/plan.ts";
import { ToyModels } from "../text/toy_model.ts";
import { fakeWorld } from "../support/world.ts";

const notAsked = () => {
  throw new TypeError("nobody was to ask");
};
const carbonAware = { names: () => [], observed: () => [], forecast: () => undefined, now: () => 0 };
const shown = {
  status: notAsked,
  energy: notAsked,
  metrics: notAsked,
  carbonAware,
  text: new ToyModels(),
  swarm: { swarm: notAsked, peers: notAsked },
  pause: notAsked,
  own: notAsked,
};

function openApi(...sets: string[]) {
  const sources = { flags: new Map(), environment: {}, file: undefined, target: undefined };
  const { config } = loadConfig({ ...sources, sets: ["api=127.0.0.1:0", ...sets] });
  return realParts({}).openApi(fakeWorld(), planOf(config, dataPaths("/nowhere"), "1"), shown);
}

Deno.test("realParts opens an API that wants the owner's keys, and takes one of its own for verbs beside them", async () => {
  await using api = openApi("http.api_keys=one,two");
  const statusWith = async (key?: string) => {
    const headers: HeadersInit = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const answer = await fetch(`${api.url}/v1/none`, { headers });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals([await statusWith(), await statusWith("three")], [401, 401]);
  assertEquals([await statusWith("two"), await statusWith(api.ownKey)], [404, 404]);
  assertNotEquals(api.ownKey, undefined);
});

Deno.test("realParts opens an API without keys on loopback, and needs none for its verbs", async () => {
  await using api = openApi("http.cors_origins=http://localhost:3000");
  const answer = await fetch(`${api.url}/v1/none`, { headers: { origin: "http://localhost:3000" } });
  await answer.body?.cancel();
  assertEquals([answer.status, api.ownKey], [404, undefined]);
  assertEquals(answer.headers.get("access-control-allow-origin"), "http://localhost:3000");
});
