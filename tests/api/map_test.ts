import { assert, assertEquals, assertMatch } from "@std/assert";
import { gzip } from "../../src/api/pages/assets.ts";
import { isMeant, pickServers, SORTS, visibleRows } from "../../src/api/pages/client/map_rows.js";
import * as words from "../../src/api/pages/client/map_words.js";
import { MAP_ASSETS, MAP_PAGE } from "../../src/api/pages/map.ts";
import type { SwarmServerDocument } from "../../src/api/swarm.ts";
import { GAPS, manyServers } from "../support/many_servers.ts";
import { asker } from "./support.ts";

/** What the map and its assets may have at most, compressed (edge.md §4.1). */
const MAX_BYTES = 60_000;
const swarm = manyServers(1000);
const texts = [MAP_PAGE, ...MAP_ASSETS.map(({ text }) => text)];

Deno.test("the map with all that it loads has 60 kB or less compressed, and it loads nothing that is not there", async () => {
  let bytes = 0;
  for (const text of texts) bytes += (await gzip(new TextEncoder().encode(text))).length;
  assert(bytes <= MAX_BYTES, `${bytes} bytes`);
  const named = [...MAP_PAGE.matchAll(/<(?:link|script) [^>]*(?:href|src)="(\/[^"]*)"/g)].map(([, path]) =>
    path!
  );
  const imported = MAP_ASSETS.flatMap(({ text, type }) =>
    type === "text/javascript" ? [...text.matchAll(/^(?:} ?|import .* )from "\.\/([^"]+)";/gm)] : []
  ).map(([, name]) => `/map/assets/${name}`);
  assert(named.length > 3 && imported.length > 9, "the patterns find what is loaded");
  const ask = asker();
  for (const path of new Set([...named, ...imported])) {
    const answer = await ask(path);
    assertEquals(answer.status, 200, path);
    await answer.body?.cancel();
  }
});

Deno.test("the map and its assets name no other host, and hold no code or style that the policy would refuse", () => {
  for (const text of texts) {
    assertEquals(text.match(/\bhttps?:|\bwss?:/gi), null);
    assertEquals(text.match(/["'(=]\s*\/\/[\w.-]+/g), null);
    assertEquals(text.match(/\bwww\.|\burl\(|@import/g), null);
    assertEquals(text.match(/innerHTML|outerHTML|insertAdjacentHTML|setAttribute\("style"/g), null);
    assertEquals(text.match(/setTimeout|setInterval/g), null, "the node tells the time");
  }
  assertEquals(MAP_PAGE.match(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/gi), null);
});

Deno.test("/map is served with the strict policy, whatever its query, and says without a script what it needs", async () => {
  const ask = asker();
  for (const path of ["/map", "/map?peer=<script>"]) {
    const answer = await ask(path);
    assertEquals([answer.status, answer.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    assertMatch(
      answer.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; script-src 'self'/,
    );
    assertMatch(
      await answer.text(),
      /<noscript><p>The map is drawn by JavaScript, which is off here; <code>kwaainet blocks/,
    );
  }
  for (const path of ["/map/assets/none.js", "/map/assets/../deno.json", "/map/assets/a/map.js", "/map/"]) {
    const answer = await ask(path);
    assertEquals([answer.status, (await answer.json()).error.code], [404, "not_found"], path);
  }
});

Deno.test("rows in view are those that the window shows and a few around them, wherever the list stands", () => {
  const range = (top: number, count = 1000) => visibleRows({ top, viewHeight: 800, rowHeight: 40, count });
  assertEquals(range(0), [0, 28]);
  assertEquals(range(-4000), [92, 128]);
  assertEquals(range(-39_200), [972, 1000]);
  assertEquals(range(0, 5), [0, 5]);
  for (const top of [5000, -100_000]) {
    const [first, last] = range(top) as [number, number];
    assertEquals(last - first, 0, "far away nothing is drawn");
  }
  for (let top = 1000; top > -42_000; top -= 37) {
    const [first, last] = range(top) as [number, number];
    assert(last - first <= 37, `${last - first} rows`);
    for (let row = 0; row < 1000; row += 7) {
      const y = top + 40 * row;
      if (y + 40 > 0 && y < 800) assert(row >= first && row < last, `row ${row} is in view at ${top}`);
    }
  }
});

Deno.test("the heading says how many models and servers there are, and which blocks nobody serves", () => {
  const online =
    swarm.models.flatMap(({ servers }) =>
      servers.filter(({ state, reachable }) => state === "online" && reachable !== false)
    ).length;
  assertEquals(
    words.headline(swarm.models),
    `3 models, ${online} servers online; nobody serves blocks 23 to 25 and 40 of Mixtral-8x22B-Instruct-v0-1-hf`,
  );
  assertEquals(swarm.models[1]!.missing, GAPS);
  assertMatch(words.headline(swarm.models.slice(2)), /^1 model, \d\d servers online; every block is served$/);
  const empty = {
    prefix: "m",
    blocks: 4,
    coverage: [0, 0, 0, 0],
    missing: [[0, 4]],
    silent: [],
    servers: [],
  };
  assertEquals(words.headline([empty]), "1 model, 0 servers online; nobody serves any block of m");
  assertEquals(
    words.headline([empty, empty, empty]),
    "3 models, 0 servers online; nobody serves any block of m, or any block of m, and 1 more model has gaps",
  );
  const twice = { ...swarm.models[2]!, servers: swarm.models[2]!.servers.slice(0, 1) };
  assertMatch(
    words.headline([twice, twice]),
    /^2 models, 1 server online/,
    "one that serves two models counts once",
  );
  assertMatch(words.headline([]), /^No model is served/);
});

Deno.test("servers that gave no answer are counted apart, and what only they announce is a state of its own in words", () => {
  const [here, away] = [true, false].map((reachable) => ({
    peerId: `${reachable}`,
    state: "online",
    reachable,
  }));
  const model = {
    prefix: "m",
    blocks: 4,
    coverage: [1, 1, 0, 0],
    missing: [[2, 4]],
    silent: [[2, 4]],
    servers: [here, away],
  };
  assertEquals(
    words.headline([model]),
    "1 model, 1 server online; nobody serves blocks 2 to 3 of m (announced, but without an answer)",
  );
  assertEquals(words.gapWords(model), "Nobody serves blocks 2 to 3; who announces them gave no answer");
  assertMatch(words.modelWords(model), /^4 blocks · 1 server online · 1 without an answer · 0 to 1 server /);
  const some = { ...model, silent: [[3, 4]] };
  assertMatch(words.headline([some]), /\(some announced, but without an answer\)$/);
  assertEquals(words.gapWords(some), "Nobody serves blocks 2 to 3; who announces block 3 gave no answer");
  assertEquals([0, 2, 3].map((block) => words.blockWords(some, block)), [
    "block 0: 1",
    "block 2: nobody",
    "block 3: no answer",
  ]);
});

Deno.test("runs of blocks are told as people say them", () => {
  const runs = (...all: [number, number][]) => words.blocksInWords(all);
  assertEquals(runs([3, 4]), "block 3");
  assertEquals(runs([3, 8]), "blocks 3 to 7");
  assertEquals(runs([3, 4], [7, 8], [12, 16]), "blocks 3, 7 and 12 to 15");
  assertEquals(
    runs([0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 12]),
    "blocks 0, 2, 4, 6 and 2 more stretches",
  );
  assertEquals(([[2, 2], [2, 3], [2, 9]] as [number, number][]).map(words.rangeOf), ["–", "2", "2–8"]);
});

Deno.test("names of strangers stay one short line that cannot turn the words around them", () => {
  const hostile = `\u202eevil\u0000\n<b>\u200b${"x".repeat(1e6)}`;
  const shown = words.plain(hostile);
  assert([...shown].length <= 80);
  assertMatch(shown, /^evil <b> x+…$/);
  assertEquals(words.nameOf({ name: "\u202e\u2066", peerId: "12D3KooWabcdefghijk" }), "…defghijk");
  assertEquals(words.plain(null), "");
});

Deno.test("each order holds, and what is not known comes last in both directions", () => {
  const of = (change: Partial<SwarmServerDocument>, number: number): SwarmServerDocument => ({
    ...swarm.models[0]!.servers[number]!,
    ...change,
  });
  const servers = [
    of({ throughput: 2, cacheTokensLeft: null, rttMs: null, reachable: false }, 0),
    of({ throughput: 9, cacheTokensLeft: 5, rttMs: 7, reachable: true }, 1),
    of({ throughput: NaN, cacheTokensLeft: 50, rttMs: null, reachable: null }, 2),
  ];
  const order = (sort: string, descending: boolean) =>
    pickServers(servers, { sort, descending }).map((server: SwarmServerDocument) => servers.indexOf(server));
  assertEquals([order("speed", true), order("speed", false)], [[1, 0, 2], [0, 1, 2]]);
  assertEquals([order("cache", true), order("cache", false)], [[2, 1, 0], [1, 2, 0]]);
  assertEquals(order("reached", false), [1, 0, 2]);
  for (const sort of Object.keys(SORTS)) {
    const all = pickServers(swarm.models[0]!.servers, { sort });
    assertEquals(all.length, swarm.models[0]!.servers.length, sort);
    const backwards = pickServers([...swarm.models[0]!.servers].reverse(), { sort });
    assertEquals(backwards, all, `${sort}: the same whatever order the servers came in`);
  }
});

Deno.test("a server is found by a part of its name or its peer id, in any case, and by its program", () => {
  const server = swarm.models[2]!.servers[0]!;
  for (
    const text of ["my-board", "MY-B", ` ${server.peerId} `, server.peerId.slice(-6).toLowerCase(), ""]
  ) {
    assert(isMeant(server, text), text);
  }
  assert(!isMeant(server, "somebody else"));
  const petals = pickServers(swarm.models[0]!.servers, { profile: "petals" });
  assert(petals.length > 100 && petals.every(({ profile }: SwarmServerDocument) => profile === "petals"));
});
