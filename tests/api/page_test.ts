import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { gzip } from "../../src/api/pages/assets.ts";
import { DASHBOARD_ASSETS, dashboardPage } from "../../src/api/pages/dashboard.ts";
import { textParts } from "../../src/api/pages/client/chat_text.js";
import * as words from "../../src/api/pages/client/words.js";
import { verdictOf } from "../../src/api/pages/verdict.ts";
import type { StatusDocument } from "../../src/api/status.ts";
import { asker, statusDocument } from "./support.ts";

type Reachability = StatusDocument["reachability"];

/** What a page and its assets may have at most, compressed (edge.md §9). */
const MAX_BYTES = 60_000;
const STATES: readonly [Reachability, string][] = [
  [{ state: "reachable", reason: "a peer called back" }, "Reachable"],
  [
    { state: "unreachable", reason: "3 peers called and none came through" },
    "Not reachable: 3 peers called and none came through",
  ],
  [{ state: "unknown", reason: "nobody was asked" }, "Reachability unknown: nobody was asked"],
];
const pageWith = (reachability: Reachability) => dashboardPage(statusDocument({ reachability }));
const get = (path: string, headers: Record<string, string> = {}) =>
  asker({ status: () => statusDocument() })(path, { headers });

Deno.test("the page says the verdict without a script, in each of the three states, and the script says the same", () => {
  for (const [reachability, line] of STATES) {
    const html = pageWith(reachability);
    assertStringIncludes(html, `<h1 id="verdict">${line}</h1>`);
    assertStringIncludes(html, `data-state="${reachability.state}"`);
    assertEquals(words.verdict(reachability), line);
  }
});

Deno.test("a reason with markup, control characters or no end stays one line of text", () => {
  const hostile = `</h1><script>alert("1")</script><img src='x' onerror=y>&amp;\u202e\u0000\n{{version}}`;
  for (const state of ["unreachable", "unknown"] as const) {
    const html = pageWith({ state, reason: hostile });
    assertEquals(html.match(/<script/g)?.length, 2, "the page's own");
    assertEquals(html.includes("<img"), false);
    assertStringIncludes(html, "&lt;/h1&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
    assertStringIncludes(html, "&amp;amp; {{version}}</h1>");
    const long = verdictOf({ state, reason: "x".repeat(1e6) });
    assert(long.length < 400, `${long.length}`);
  }
});

Deno.test("the page with all that it loads has 60 kB or less compressed, and it loads nothing that is not there", async () => {
  const html = pageWith(STATES[2]![0]);
  let bytes = (await gzip(new TextEncoder().encode(html))).length;
  for (const { text } of DASHBOARD_ASSETS) bytes += (await gzip(new TextEncoder().encode(text))).length;
  assert(bytes <= MAX_BYTES, `${bytes} bytes`);
  const names = DASHBOARD_ASSETS.map(({ name }) => name);
  const named = [...html.matchAll(/<(?:link|script) [^>]*(?:href|src)="(\/[^"]*)"/g)].map(([, path]) => path);
  const imported = DASHBOARD_ASSETS.flatMap(({ text, type }) =>
    type === "text/javascript"
      ? [...text.matchAll(/^} ?from "\.\/([^"]+)";|^import .* from "\.\/([^"]+)";/gm)]
      : []
  ).map(([, a, b]) => `/assets/${a ?? b}`);
  assertEquals([...named, ...imported].filter((path) => !names.includes(path!.replace("/assets/", ""))), []);
  assert(imported.length > 5, "the pattern finds imports");
});

Deno.test("the page and its assets name no other host, and hold no code or style that the policy would refuse", () => {
  const html = pageWith(STATES[2]![0]);
  for (const text of [html, ...DASHBOARD_ASSETS.map((asset) => asset.text)]) {
    assertEquals(text.match(/\bhttps?:|\bwss?:/gi), null);
    assertEquals(text.match(/["'(=]\s*\/\/[\w.-]+/g), null);
    assertEquals(text.match(/\bwww\.|\burl\(|@import/g), null);
  }
  assertEquals(html.match(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/gi), null);
});

Deno.test("assets come compressed where that is asked for, with a strict policy, and not again when they are known", async () => {
  const first = await get("/assets/dashboard.js", { "accept-encoding": "br, gzip" });
  const { headers } = first;
  assertEquals(first.status, 200);
  assertEquals(headers.get("content-encoding"), "gzip");
  assertEquals(headers.get("content-type"), "text/javascript; charset=utf-8");
  assertEquals(headers.get("cache-control"), "no-cache");
  const unzipped = first.body!.pipeThrough(new DecompressionStream("gzip"));
  const script = DASHBOARD_ASSETS.find(({ name }) => name === "dashboard.js")!.text;
  assertEquals(await new Response(unzipped).text(), script);
  const etag = headers.get("etag")!;
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await get("/assets/dashboard.js", { "if-none-match": known });
    assertEquals([again.status, await again.text()], [304, ""]);
  }
  for (const accepted of ["", "br", "gzip;q=0", "x-gzipped"]) {
    const plain = await get("/assets/dashboard.js", {
      "accept-encoding": accepted,
      "if-none-match": '"other"',
    });
    assertEquals([plain.status, plain.headers.get("content-encoding")], [200, null], accepted);
    assertEquals(await plain.text(), script);
  }
  const page = await get("/");
  for (const answer of [first, page]) {
    assertMatch(
      answer.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;/,
    );
  }
  assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(page.headers.get("cache-control"), "no-store");
  await page.body?.cancel();
});

Deno.test("a name that is no asset is unknown, whatever path it tries", async () => {
  for (
    const path of [
      "/assets/",
      "/assets/none.js",
      "/assets/../deno.json",
      "/assets/%2e%2e%2fdeno.json",
      "/assets/a/dashboard.js",
      "/index.html",
    ]
  ) {
    const answer = await get(path);
    assertEquals([answer.status, (await answer.json()).error.code], [404, "not_found"], path);
  }
});

Deno.test("figures keep three digits that matter, and what is not known is a dash", () => {
  assertEquals([0, 0.0004, 0.01234, 7, 6.98123, 1234.5].map(words.figure), [
    "0",
    "<0.001",
    "0.0123",
    "7",
    "6.98",
    "1,235",
  ]);
  assertEquals([0, 7, 12.34, 99.96, 1234.5, 0.05].map(words.moving), [
    "0",
    "7.00",
    "12.3",
    "100",
    "1,235",
    "0.05",
  ]);
  for (const nothing of [null, undefined, NaN, "7"]) {
    assertEquals([words.figure(nothing), words.moving(nothing), words.bytes(nothing)], ["–", "–", "–"]);
  }
  assertEquals([0, 999, 1000, 12_400_000, 5e13].map(words.bytes), [
    "0 B",
    "999 B",
    "1 kB",
    "12.4 MB",
    "50 TB",
  ]);
  assertEquals([-3, 37, 89.4, 600, 7200, 200_000].map(words.span), [
    "0 s",
    "37 s",
    "89 s",
    "10 min",
    "2 h 0 min",
    "2 days",
  ]);
});

Deno.test("the line below the verdict says how long ago the node was announced, by the node's clock", () => {
  const serving = {
    model: "m",
    prefix: "m",
    blocks: [0, 1],
    engine: "ggml",
    sessions: 0,
    cacheTokensLeft: 0,
  } as const;
  const told = (change: Partial<StatusDocument>) => words.verdictFacts(statusDocument(change), 1_000_000);
  const dht = { peers: 1, entries: 0, valid: 0, lastAnnounceAt: 963_000 };
  assertEquals(told({ dht, serving }), "announced 37 s ago · 1 peer on the private network · up for 5 s");
  assertEquals(
    told({ dht: { ...dht, peers: 0 }, serving }),
    "not announced yet · 0 peers on the private network · up for 5 s",
  );
  assertEquals(
    told({ serving, reachability: { state: "reachable", reason: "a peer called back" } }),
    "a peer called back · not announced yet · 2 peers on the private network · up for 5 s",
  );
  const checkedAt = 820_000;
  assertMatch(
    told({ reachability: { state: "reachable", reason: "a peer called back", checkedAt } }),
    /^a peer called back \(3 min ago\) · /,
  );
  for (const state of ["unreachable", "unknown"] as const) {
    assertMatch(
      told({ reachability: { state, reason: "none came through", checkedAt } }),
      /^tried 3 min ago · /,
    );
  }
  assertEquals(
    told({ readiness: { ready: false, reason: "blocks are being loaded" } }),
    "2 peers on the private network · starting: blocks are being loaded",
  );
});

Deno.test("without a sensor the page says what to do, and with one how the figure came about", () => {
  const none = { kind: "none", watts: null, uncertainty: null, scope: null, source: null };
  assertMatch(
    words.powerMethod({ node: none, sources: [] }),
    /^No sensor: name a metering plug in energy\.meters/,
  );
  assertMatch(
    words.powerMethod({ node: none, sources: [{ state: "denied" }] }),
    /^No sensor: .*kwaainet doctor/,
  );
  const node = { kind: "measured", watts: 5, uncertainty: 0.05, scope: "board", source: "jetson:VDD_IN" };
  assertEquals(words.powerMethod({ node, sources: [] }), "Measured, ±5 %: the board (jetson:VDD_IN)");
  const location = [{ method: "lifecycle", grams: 2 }, { method: "operational", grams: 1 }];
  assertEquals(words.gramsToday({ today: { location } }), undefined, "methods are not added up");
  assertEquals(words.gramsToday({ today: { location: location.slice(1) } }), 1);
});

Deno.test("the strip of blocks tells own ones, those of others, those that are announced in vain, and the rest", () => {
  const others = { blocks: 6, coverage: [1, 1, 1, 0, 0, 0], silent: [[3, 5]] };
  const kinds = words.blockKinds([0, 2], others, 6);
  assertEquals(kinds, ["own", "own", "peers", "silent", "silent", "none"]);
  const serving: { blocks: [number, number]; engine: string; modelBlocks: number } = {
    blocks: [0, 2],
    engine: "ggml",
    modelBlocks: 6,
  };
  assertEquals(
    words.stripNote(serving, kinds, true),
    "Blocks 0 to 1 of 6 here, with ggml; 2 of 6 are announced by servers that gave no answer, 1 of 6 are served by nobody",
  );
  assertEquals(words.stripNote(serving, kinds, false), "Blocks 0 to 1 of 6 here, with ggml");
  assertEquals(words.blockKinds([0, 1], undefined, 2), ["own", "none"]);
  assertMatch(
    words.stripNote(serving, words.blockKinds([0, 2], { ...others, coverage: Array(6).fill(1) }, 6), true),
    /has all/,
  );
});

Deno.test("a node that serves nothing contributes nothing, and one is counted as one", () => {
  const policy = { action: "contribute", because: [], until: null };
  assertEquals(words.policyWords(policy, true), "Contributing");
  assertEquals(words.policyWords(policy, false), "Nothing to pause: this node serves no blocks");
  assertEquals([words.count(1, "answer"), words.count(1200, "token")], ["1 answer", "1,200 tokens"]);
});

Deno.test("the owner's pause is told without saying it twice", () => {
  const decision = (action: string, rule: string, says: string) =>
    words.policyWords({ action, because: [{ rule, action, says }], until: null } as never, true);
  assertEquals(
    decision("pause", "pause", "paused by the owner for 5 minutes"),
    "Paused by the owner for 5 minutes",
  );
  assertEquals(decision("pause", "heat", "the processor has 85 °C"), "Paused: the processor has 85 °C");
  assertEquals(decision("slow", "heat", "the processor has 76 °C"), "Slowed down: the processor has 76 °C");
});

Deno.test("fenced code is told from text, however far it has come", () => {
  const whole = "Look:\n```py\nprint(`1`)\n\n```\n\nand\n\n~~~~\n~~~\n```\n~~~~\n`a` ```b```";
  assertEquals(textParts(whole), ["Look:", "print(`1`)\n", "and", "~~~\n```", "`a` ```b```"]);
  assertEquals(textParts("Look:\n```"), ["Look:", ""]);
  assertEquals(textParts("  ```\na"), ["", "a"]);
  assertEquals(textParts(""), [""]);
  for (let cut = 0; cut <= whole.length; cut++) {
    const [first] = textParts(whole.slice(0, cut));
    assert("Look:\n``".startsWith(first!), `what was text stays text: ${first}`);
  }
});
