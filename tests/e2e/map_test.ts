import { assert, assertEquals, assertMatch } from "@std/assert";
import axe from "axe-core" with { type: "text" };
import { apiHandler } from "../../src/api/handler.ts";
import { openApiServer } from "../../src/api/server.ts";
import type { SwarmDocument } from "../../src/api/swarm.ts";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { apiOptions, energyOf, statusDocument } from "../api/support.ts";
import { Browser, findChromium, type Page, type View } from "../support/browser.ts";
import { manyServers } from "../support/many_servers.ts";

const chromium = findChromium();
const skip = chromium === undefined ? ": skipped, no Chromium is installed (KWAAI_CHROMIUM names one)" : "";
/** Where pictures go, where somebody wants to look at them. */
const pictures = Deno.env.get("KWAAI_SCREENSHOTS");
const PHONE: View = { width: 390, height: 844 };
const DESK: View = { width: 1280, height: 800 };
/** Rows in the page at most: those of a window of 844 px, and eight around them in each of three models. */
const MAX_ROWS = 90;

/** What the page is tried with. */
interface Tried {
  readonly url: string;
  readonly browser: Browser;
  /** What the node tells from now on. */
  swarm: SwarmDocument;
  /** How often it was asked. */
  asked: number;
}

/** The real API over a swarm of 1,000 servers, and a browser. */
async function withMap(use: (tried: Tried) => Promise<void>): Promise<void> {
  const world = openSystemWorld({ level: "error", json: false });
  const tried = { swarm: manyServers(1000, world.clock.now()), asked: 0 };
  const status = statusDocument();
  const handler = apiHandler(apiOptions({
    world,
    log: world.log,
    status: () => status,
    energy: () => energyOf(status),
    swarm: {
      swarm: () => (tried.asked++, Promise.resolve(tried.swarm)),
      peers: () => Promise.resolve({ schema: 1, self: tried.swarm.self, peers: [] }),
    },
  }));
  await using server = openApiServer(world, "127.0.0.1:0", handler);
  await using browser = await Browser.open(chromium!);
  await use(Object.assign(tried, { url: server.url, browser }));
}

const test = (claim: string, use: (tried: Tried) => Promise<void>) =>
  Deno.test({
    name: `${claim}${skip}`,
    ignore: chromium === undefined,
    sanitizeResources: false, // a page that was closed keeps its streams for a moment
    sanitizeOps: false,
    fn: () => withMap(use),
  });

const text = (page: Page, id: string) =>
  page.evaluate<string>(`document.getElementById("${id}").textContent`);
const rows = (page: Page) => page.evaluate<number>(`document.querySelectorAll("#models .row").length`);
const isShown = `document.querySelectorAll("#models .row").length > 0 &&
  document.getElementById("live").dataset.state === "on" && /read/.test(document.getElementById("facts").textContent)`;
/** Whether an element is within the window, and not below what sticks to its top. */
const isSeen = (selector: string) =>
  `(() => { const it = document.querySelector(${JSON.stringify(selector)}); if (it === null) return false;
    const { top, bottom, left } = it.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight && it.contains(document.elementFromPoint(left + 40, (top + bottom) / 2)); })()`;

async function open({ browser, url }: Tried, path: string, view: View): Promise<Page> {
  const page = await browser.page(`${url}${path}`, view);
  await page.until(isShown);
  return page;
}

/** Rules of WCAG 2.2 AA and best practices that the page breaks. */
async function violations(page: Page): Promise<unknown[]> {
  await page.evaluate(`${axe}; undefined`);
  return await page.evaluate(`axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => html + failureSummary) })))`);
}

async function press(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const typed = key === "Enter" ? { text: "\r", windowsVirtualKeyCode: 13 } : {};
    for (const type of ["keyDown", "keyUp"]) {
      await page.send("Input.dispatchKeyEvent", { type, key, code: key, ...typed });
    }
  }
}

const type = async (page: Page, words: string) => {
  await page.evaluate(`document.getElementById("text").select(); document.getElementById("text").focus()`);
  await page.send("Input.insertText", { text: words });
};

async function picture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  const { data } = await page.send("Page.captureScreenshot");
  await Deno.writeFile(`${pictures}/map-${name}.png`, Uint8Array.fromBase64(data as string));
}

test(
  "the map of 1,000 servers is clean and accessible on a phone and a desk, light and dark, and asks nobody but its node",
  async (tried) => {
    const other = tried.swarm.models[1]!.servers[7]!;
    for (const view of [PHONE, DESK, { ...PHONE, dark: true }, { ...DESK, dark: true }]) {
      const seen = `${view.width}${"dark" in view ? "-dark" : ""}`;
      const page = await open(tried, "/map", view);
      assertMatch(
        await text(page, "headline"),
        /^3 models, 7\d\d servers online; nobody serves blocks 23 to 25 and 40 of Mixtral/,
      );
      assertMatch(
        await text(page, "facts"),
        /^kwaai network · .* kwaainet, .* Petals, .* other · .* · read \d/,
      );
      assertMatch(await text(page, "models"), /Nobody serves blocks 23 to 25 and 40/);
      assertEquals(await violations(page), [], seen);
      await picture(page, seen);
      const chosen = await open(tried, `/map?peer=${other.peerId}`, view);
      assertEquals(await violations(chosen), [], `${seen}, with details`);
      await picture(chosen, `${seen}-details`);
      for (const one of [page, chosen]) {
        const { wide, window: inner } = await one.evaluate<{ wide: number; window: number }>(
          `({ wide: document.documentElement.scrollWidth, window: innerWidth })`,
        );
        assert(wide <= inner, `${wide} wide in ${inner}: ${seen}`);
        assertEquals(one.requests.filter((asked) => new URL(asked).host !== new URL(tried.url).host), []);
        assertEquals(one.complaints, []);
      }
    }
  },
);

test("only rows in view are elements, from the first of 1,000 servers to the last", async (tried) => {
  for (const view of [PHONE, DESK]) {
    const page = await open(tried, "/map", view);
    const seen = new Set<string>();
    let most = 0;
    const height = await page.evaluate<number>("document.documentElement.scrollHeight");
    for (let y = 0; y < height + 400; y += 400) {
      const now = await page.evaluate<string[]>(
        `scrollTo(0, ${y}), new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
          done([...document.querySelectorAll("#models .row")].map((row) => row.dataset.key)))))`,
      );
      most = Math.max(most, now.length);
      for (const key of now) seen.add(key);
    }
    assertEquals(seen.size, 1000, "each came into view");
    assert(most <= MAX_ROWS, `${most} rows`);
    assertEquals(await page.evaluate("document.getElementById('grid').ariaRowCount"), "1004");
    await page.evaluate("scrollTo(0, 0)");
  }
});

test("the search finds servers by name and by peer id, filters and orders hold, and few rows are elements", async (tried) => {
  const page = await open(tried, "/map", DESK);
  const own = tried.swarm.models[2]!.servers[0]!;
  for (const words of ["my-board", own.peerId, own.peerId.slice(-9).toLowerCase()]) {
    await type(page, words);
    await page.until(`document.getElementById("shown").textContent === "1 of 1,000 shown"`);
    assertEquals(await rows(page), 1);
    assertMatch(
      await page.evaluate(`document.querySelector("#models .row").textContent`),
      /^my-board.*this node/,
    );
  }
  await press(page, "Enter");
  await page.until(`!document.getElementById("details").hidden`);
  assertEquals(await text(page, "details-title"), "my-board");
  assertMatch(await text(page, "details-rows"), new RegExp(`Peer id${own.peerId}Model`));
  await type(page, "nobody at all");
  await page.until(`document.getElementById("shown").textContent === "No server matches"`);
  assertEquals(await rows(page), 0);
  await type(page, "-");
  await page.until(`/^[56]\\d\\d of 1,000/.test(document.getElementById("shown").textContent)`);
  assert(await rows(page) <= MAX_ROWS);
  const choose = (id: string, value: string) =>
    page.evaluate(`document.getElementById("${id}").value = ${JSON.stringify(value)};
      document.getElementById("${id}").dispatchEvent(new Event("input", { bubbles: true })); undefined`);
  await page.evaluate(`document.getElementById("text").value = "";
    document.getElementById("text").dispatchEvent(new Event("input")); undefined`);
  await choose("model", tried.swarm.models[2]!.prefix);
  await choose("profile", "petals");
  const petals = tried.swarm.models[2]!.servers.filter(({ profile }) => profile === "petals");
  assertEquals(await text(page, "shown"), `${petals.length} of 1,000 shown`);
  await page.evaluate(`document.querySelector('[data-sort="speed"] button').click()`);
  const fastest = Math.max(...petals.map(({ throughput }) => throughput));
  const first = `document.querySelector('#models .row[aria-rowindex="3"] .speed').textContent`;
  assertEquals(parseFloat(await page.evaluate<string>(first)), Number(fastest.toPrecision(3)));
  assertEquals(
    await page.evaluate(`document.querySelector('[data-sort="speed"]').ariaSort`),
    "descending",
  );
});

test("a link to a peer shows it, one to an unknown peer says so, and the own node is a press away", async (tried) => {
  const wanted = tried.swarm.models[1]!.servers[200]!;
  for (const view of [DESK, PHONE]) {
    const page = await open(tried, `/map?peer=${wanted.peerId}`, view);
    await page.until(isSeen(`#models .row[aria-selected="true"]`));
    assertMatch(
      await page.evaluate<string>(`document.querySelector('#models .row[aria-selected="true"]').dataset.key`),
      new RegExp(`\n${wanted.peerId}$`),
    );
    assertMatch(await text(page, "details-rows"), new RegExp(`^Peer id${wanted.peerId}`));
    await page.evaluate(`document.getElementById("find-own").click()`);
    await page.until(isSeen(`#models .row.self[aria-selected="true"]`));
    assertEquals(new URL(await page.evaluate("location.href")).search, `?peer=${tried.swarm.self}`);
  }
  const page = await open(tried, "/map?peer=12D3KooWNobody%3Cb%3E", DESK);
  assertMatch(await text(page, "find-note"), /^12D3KooWNobody<b> is not here: it serves nothing now/);
  assertEquals(await page.evaluate(`document.getElementById("details").hidden`), true);
});

test("keys move through the servers, open one and leave it", async (tried) => {
  const page = await open(tried, "/map", DESK);
  const active = () =>
    page.evaluate<string | null>(
      `document.getElementById(document.getElementById("grid").getAttribute("aria-activedescendant"))?.ariaRowIndex ?? null`,
    );
  await page.evaluate(`document.getElementById("grid").focus()`);
  await press(page, "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp");
  assertEquals(await active(), "4");
  await press(page, "End");
  assertEquals(await active(), "1004");
  await page.until(isSeen("#models .row.active"));
  assert(await rows(page) <= MAX_ROWS);
  await press(page, "PageUp", "Enter");
  assertEquals(await active(), "994");
  assertEquals(await page.evaluate("document.activeElement.id"), "details");
  await press(page, "Escape");
  assertEquals(await page.evaluate("document.activeElement.id"), "grid");
  assertEquals(await page.evaluate(`document.getElementById("details").hidden`), true);
  await page.evaluate("scrollTo(0, 0)");
  await page.until(`document.querySelector('#models .row[aria-rowindex="3"]') !== null`);
  assertEquals(await active(), "994", "the active row stays an element, so that it can be named");
});

test("the map is read again every half minute while it is seen, and a hidden page asks nothing", async (tried) => {
  const page = await tried.browser.page("about:blank", DESK);
  await page.send("Page.addScriptToEvaluateOnNewDocument", {
    source: `globalThis.timers = 0;
      for (const name of ["setTimeout", "setInterval", "requestAnimationFrame"]) {
        const real = globalThis[name];
        globalThis[name] = (...args) => (globalThis.timers++, real.apply(globalThis, args));
      }
      globalThis.EventSource = class extends EventTarget {
        static CLOSED = 2;
        constructor() { super(); globalThis.source = this; this.isOpen = true; }
        close() { this.isOpen = false; }
      };
      globalThis.tell = (now) => source.dispatchEvent(
        new MessageEvent("time", { data: JSON.stringify({ now, uptimeSeconds: 1 }) }));`,
  });
  const turn = (hidden: boolean) =>
    page.evaluate(`Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
      document.dispatchEvent(new Event("visibilitychange")); undefined`);
  const tell = (now: number) => page.evaluate(`tell(${now})`);
  await page.go(`${tried.url}/map`);
  await page.until(`document.querySelectorAll("#models .row").length > 0`);
  assertEquals(tried.asked, 1);
  const start = tried.swarm.readAt;
  for (const later of [0, 2000, 29_999]) await tell(start + later);
  const left = tried.swarm.models[0]!.servers[0]!;
  assertEquals(tried.asked, 1);
  await page.evaluate("scrollTo(0, 12000)");
  tried.swarm = { ...tried.swarm, models: [...tried.swarm.models], readAt: start + 29_000 };
  await tell(start + 30_000);
  await page.until(`/read 1 s ago$/.test(document.getElementById("facts").textContent)`);
  assertEquals([tried.asked, await page.evaluate("scrollY")], [2, 12000]);
  assert(await rows(page) > 10, "rows are drawn where the window stands");
  tried.swarm = { ...tried.swarm, models: tried.swarm.models.slice(2), readAt: start + 60_000 };
  await tell(start + 30_001);
  await tell(start + 60_001);
  await page.until(`/^1 model, [0-9][0-9] servers/.test(document.getElementById("headline").textContent)`);
  assertEquals(tried.asked, 3);
  assertEquals(
    await page.evaluate(`document.body.textContent.includes(${JSON.stringify(left.peerId)})`),
    false,
  );
  await turn(true);
  assertEquals(await page.evaluate("[timers, source.isOpen]"), [0, false]);
  await turn(false);
  assertEquals(await page.evaluate("source.isOpen"), true);
  await tell(start + 62_000);
  assertEquals(tried.asked, 3);
});

test("without scripts the map says what it needs", async ({ browser, url }) => {
  const page = await browser.page(`${url}/map`, { ...PHONE, script: false });
  const { root } = await page.send("DOM.getDocument", { depth: -1 }) as { root: { nodeId: number } };
  const isDrawn = async (selector: string) => {
    const { nodeId } = await page.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    return await page.send("DOM.getBoxModel", { nodeId }).then(() => true, () => false);
  };
  assertEquals([await isDrawn("noscript p"), await isDrawn("#search"), await isDrawn("#live")], [
    true,
    false,
    false,
  ]);
  assertEquals(page.complaints, []);
  await picture(page, "390-no-script");
});

test("a phone shows the whole name of the own node", async (tried) => {
  const own = tried.swarm.models.at(-1)!.servers[0]!;
  for (const width of [320, 390]) {
    tried.swarm = {
      ...tried.swarm,
      models: [{ ...tried.swarm.models.at(-1)!, servers: [{ ...own, name: null, throughput: 847 }] }],
    };
    const page = await open(tried, "/map", { width, height: 844 });
    const [words, isCut] = await page.evaluate<[string, boolean]>(`(() => {
      const name = document.querySelector(".row.self .who");
      return [name.textContent, name.scrollWidth > name.clientWidth];
    })()`);
    assertEquals([words, isCut], [`…${own.peerId.slice(-8)}`, false], `${width} px`);
    assertEquals(await violations(page), []);
  }
});
