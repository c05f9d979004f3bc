import { assert, assertEquals } from "@std/assert";
import { EventFeed } from "../../src/api/events.ts";
import { openApiServer } from "../../src/api/server.ts";
import { apiHandler } from "../../src/api/handler.ts";
import type { StatusDocument } from "../../src/api/status.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { apiOptions, asker, energyOf, statusDocument } from "./support.ts";

/** A feed over a node that a test changes. */
function scene() {
  const world = fakeWorld();
  const node = { status: statusDocument(), reads: 0, fails: false };
  const sources = {
    status(): StatusDocument {
      node.reads++;
      if (node.fails) throw new TypeError("the node fails");
      return { ...node.status, uptimeSeconds: world.clock.monotonic() / 1000 };
    },
    energy: () => energyOf(node.status),
  };
  return { world, node, sources, feed: new EventFeed(world, sources) };
}

/** Reads what has come so far, as names of events and their data. */
function listenerOf(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending: Promise<ReadableStreamReadResult<string>> | undefined;
  return {
    leave: () => reader.cancel(),
    async events(): Promise<readonly [string, Record<string, unknown>][]> {
      let text = "";
      for (;;) {
        pending ??= reader.read();
        const part = await Promise.race([pending, settle()]);
        if (part === undefined || part.done) break;
        pending = undefined;
        text += part.value;
      }
      return [...text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map((
        [, name, data],
      ) => [name!, JSON.parse(data!)]);
    },
    async ends(): Promise<boolean> {
      await this.events();
      return (await (pending ?? reader.read())).done;
    },
  };
}
const names = (events: readonly [string, unknown][]) => events.map(([name]) => name);

Deno.test("a listener is told everything at once, and later what has changed: a node at rest only grows older", async () => {
  const { world, node, feed } = scene();
  const response = feed.open();
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const listener = listenerOf(response);
  const first = await listener.events();
  assertEquals(names(first), ["time", "status", "energy"]);
  assertEquals(first[1]![1], { ...node.status, uptimeSeconds: 0 });
  await world.clock.advance(4_000);
  assertEquals(names(await listener.events()), ["time", "time"]);
  node.status = statusDocument({ reachability: { state: "reachable", reason: "a peer called back" } });
  await world.clock.advance(2_000);
  const changed = await listener.events();
  assertEquals(names(changed), ["time", "status"]);
  assertEquals(changed[0]![1], { now: world.clock.now(), uptimeSeconds: 6 });
  await listener.leave();
});

Deno.test("nothing is read and no timer runs before the first listener comes and after the last one leaves", async () => {
  const { world, node, feed } = scene();
  assertEquals([world.clock.sleepers, node.reads], [0, 0]);
  const listeners = [feed.open(), feed.open()].map(listenerOf);
  await settle();
  assertEquals([world.clock.sleepers, feed.listeners], [1, 2], "one timer for all");
  await listeners[0]!.leave();
  assertEquals(world.clock.sleepers, 1);
  await listeners[1]!.leave();
  await settle();
  assertEquals([world.clock.sleepers, feed.listeners], [0, 0]);
  const { reads } = node;
  await world.clock.advance(60_000);
  assertEquals(node.reads, reads);
  const again = listenerOf(feed.open());
  assertEquals(names(await again.events()), ["time", "status", "energy"]);
  assertEquals(world.clock.sleepers, 1);
  await again.leave();
});

Deno.test("sixteen listen at most; the next hears when to come back, and may once one has left", async () => {
  const { sources, world } = scene();
  const ask = asker({ ...sources, world });
  const open = await Promise.all(Array.from({ length: 16 }, () => ask("/api/v1/events")));
  assertEquals(open.map(({ status }) => status), Array(16).fill(200));
  const late = await ask("/api/v1/events");
  assertEquals([late.status, late.headers.get("retry-after") !== null], [429, true]);
  assertEquals((await late.json()).error.code, "busy");
  await open[0]!.body!.cancel();
  await settle();
  const next = await ask("/api/v1/events");
  assertEquals(next.status, 200);
  for (const { body } of [...open.slice(1), next]) await body!.cancel();
  assertEquals(world.clock.sleepers, 0);
});

Deno.test("a listener that does not read holds a bounded number of bytes, and later hears what holds then", async () => {
  const { world, node, feed } = scene();
  const slow = feed.open();
  const wide = (round: number) =>
    statusDocument({ degraded: [{ what: `round ${round}`, why: "x".repeat(20_000) }] });
  for (let round = 0; round < 200; round++) {
    node.status = wide(round);
    await world.clock.advance(2_000);
  }
  const listener = listenerOf(slow);
  const held = await listener.events();
  const bytes = JSON.stringify(held).length;
  assert(bytes < 300_000, `${bytes} bytes waited`);
  await world.clock.advance(2_000);
  const now = await listener.events();
  assertEquals(now.find(([name]) => name === "status")?.[1].degraded, wide(199).degraded);
  await listener.leave();
});

Deno.test("a round that cannot be read is left out, and the next one is told", async () => {
  const { world, node, feed } = scene();
  const listener = listenerOf(feed.open());
  await listener.events();
  node.fails = true;
  await world.clock.advance(2_000);
  assertEquals(await listener.events(), []);
  node.fails = false;
  await world.clock.advance(2_000);
  assertEquals(names(await listener.events()), ["time"]);
  await listener.leave();
});

Deno.test("closing the feed ends all streams and its timer, and nobody is taken any more", async () => {
  const { world, sources } = scene();
  const handler = apiHandler(apiOptions({ ...sources, world }));
  const ask = () => handler(new Request("http://x/api/v1/events", { headers: { host: "localhost" } }));
  const listener = listenerOf(await ask());
  await listener.events();
  handler[Symbol.dispose]();
  assertEquals(await listener.ends(), true);
  assertEquals(world.clock.sleepers, 0);
  const late = await ask();
  assertEquals(late.status, 503);
  await late.body?.cancel();
});

Deno.test("a server that closes waits for no listener, neither for one that is there nor for one that has gone", async () => {
  const { world, sources } = scene();
  const handler = apiHandler(apiOptions({ ...sources, world }));
  const server = openApiServer(world, "127.0.0.1:0", handler);
  const ask = () => fetch(`${server.url}/api/v1/events`, { headers: { "accept-encoding": "gzip" } });
  const listener = listenerOf(await ask());
  const gone = await ask();
  const reader = gone.body!.getReader();
  await reader.read();
  await reader.cancel();
  await server[Symbol.asyncDispose]();
  assertEquals(await listener.ends(), true);
  assertEquals(world.clock.sleepers, 0, "neither a round nor the patience of the server");
});
