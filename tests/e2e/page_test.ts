import { assert, assertEquals, assertMatch } from "@std/assert";
import axe from "axe-core" with { type: "text" };
import { Browser, findChromium, type Page, type View } from "../support/browser.ts";
import { TINY, writeTinyGguf } from "../support/tiny_model.ts";
import { TINY_VOCABULARY } from "../support/tiny_tokenizer.ts";
import { alone, FLAVOUR, Program, withFolder } from "./program.ts";

const chromium = findChromium();
const skip = chromium === undefined ? ": skipped, no Chromium is installed (KWAAI_CHROMIUM names one)" : "";
/** Where pictures go, where somebody wants to look at them. */
const pictures = Deno.env.get("KWAAI_SCREENSHOTS");
const PHONE: View = { width: 390, height: 844 };
const DESK: View = { width: 1280, height: 800 };

/** A node that serves a tiny model, and a browser. */
async function withPage(use: (url: string, browser: Browser) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model, { ...TINY, vocab: TINY_VOCABULARY });
    await using node = Program.start([
      ...alone(`${folder}/data`),
      ...["--model", model, "--set", "name=my-board", "--set", "policy.other_cpu_percent=0"],
      ...["--set", "energy.model_idle_watts=3", "--set", "energy.model_load_watts=7"],
    ]);
    const { api } = await node.event("ready");
    await using browser = await Browser.open(chromium!);
    await use(api, browser);
    assertEquals(await node.stop(), 0);
  });
}

const test = (claim: string, use: (url: string, browser: Browser) => Promise<void>) =>
  Deno.test({
    name: `${FLAVOUR}: ${claim}${skip}`,
    ignore: chromium === undefined,
    sanitizeResources: false, // a page that was closed keeps its streams for a moment
    sanitizeOps: false,
    fn: () => withPage(use),
  });

const text = (page: Page, id: string) =>
  page.evaluate<string>(`document.getElementById("${id}").textContent`);
const isLive = `document.getElementById("live").dataset.state === "on"`;
const isShown = `${isLive} && document.getElementById("verdict-facts").textContent !== "" &&
  !document.getElementById("speed-plot").hidden && !/Looking/.test(document.getElementById("chat-model").textContent)`;

/** Rules of WCAG 2.2 AA and best practices that the page breaks. */
async function violations(page: Page): Promise<unknown[]> {
  await page.evaluate(`${axe}; undefined`);
  return await page.evaluate(`axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => html + failureSummary) })))`);
}

test(
  "the page is whole, clean and accessible on a phone and a desk, light and dark, and asks nobody but its node",
  async (url, browser) => {
    for (const view of [PHONE, DESK, { ...PHONE, dark: true }, { ...DESK, dark: true }]) {
      const seen = JSON.stringify(view);
      const page = await browser.page(`${url}/`, view);
      await page.until(isShown);
      assertMatch(await text(page, "verdict"), /^Reachability unknown: ./);
      assertMatch(
        await text(page, "verdict-facts"),
        /^not announced yet · 0 peers on the private network · up for /,
      );
      assertMatch(await text(page, "power-method"), /^Modelled, ±\d+ %: the board/);
      assertMatch(await text(page, "public"), /Namemy-boardPeer id12D3Koo.*Blocks0 to 3Version\S*\+kwaainet/);
      assertEquals(await page.evaluate(`document.querySelectorAll("#strip .own").length`), TINY.blocks);
      assertMatch(await text(page, "machine"), /Memory\S+ .B of .* free/);
      assertEquals(await violations(page), [], seen);
      const { wide, window: inner } = await page.evaluate<{ wide: number; window: number }>(
        `({ wide: document.documentElement.scrollWidth, window: innerWidth })`,
      );
      assert(wide <= inner, `${wide} wide in ${inner}: ${seen}`);
      const rows = await page.evaluate<number[]>(`Object.values(Object.groupBy(
        document.querySelectorAll("#power-figures .gauge"), (gauge) => gauge.offsetTop)).map((row) => row.length)`);
      assert(rows.every((length) => length === rows[0]), `no gauge is left alone: ${rows}`);
      if (pictures !== undefined) {
        await page.screenshot(`${pictures}/${view.width}${"dark" in view ? "-dark" : ""}.png`);
      }
      const own = new URL(url).host;
      assertEquals(page.requests.filter((asked) => new URL(asked).host !== own), []);
      assertEquals(page.complaints.filter((line) => !/404.*\/api\/v1\/swarm/.test(line)), []);
    }
  },
);

test("on the narrowest phone the blocks are one row of equal cells, few or many", async (url, browser) => {
  const page = await browser.page(`${url}/`, { width: 320, height: 700 });
  await page.until(isShown);
  for (const blocks of [4, 30, 32, 80]) {
    const [rows, widths] = await page.evaluate<[number, number]>(`(() => {
      const strip = document.getElementById("strip");
      strip.style.setProperty("--blocks", "${blocks}");
      strip.replaceChildren(...Array.from({ length: ${blocks} }, () =>
        Object.assign(document.createElement("span"), { className: "cell own" })));
      const cells = [...strip.children].map((cell) => cell.getBoundingClientRect());
      return [new Set(cells.map(({ top }) => top)).size,
        Math.max(...cells.map(({ width }) => width)) - Math.min(...cells.map(({ width }) => width))];
    })()`);
    assert(widths < 0.5, `${blocks} blocks differ by ${widths} px`);
    assertEquals(rows, blocks > 40 ? 3 : 1, `${blocks} blocks`);
  }
});

test("without scripts the page says the verdict and nothing that is not true", async (url, browser) => {
  const page = await browser.page(`${url}/`, { ...PHONE, script: false });
  const { root } = await page.send("DOM.getDocument", { depth: -1 }) as { root: { nodeId: number } };
  const shown = async (selector: string) => {
    const { nodeId } = await page.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    return await page.send("DOM.getBoxModel", { nodeId }).then(() => true, () => false);
  };
  const { outerHTML } = await page.send("DOM.getOuterHTML", { nodeId: root.nodeId });
  assertMatch(String(outerHTML), /<h1 id="verdict">Reachability unknown: [^<]+<\/h1>/);
  assertEquals([await shown("#verdict"), await shown("#watts"), await shown("#pause")], [true, false, false]);
  assertEquals(page.complaints, []);
  if (pictures !== undefined) await page.screenshot(`${pictures}/390-no-script.png`);
});

test(
  "the chat answers, can be stopped, keeps the conversation over a reload and forgets it when told",
  async (url, browser) => {
    const page = await browser.page(`${url}/`, DESK);
    await page.until(isShown);
    assertEquals(await text(page, "chat-model"), "Answers come from tiny.");
    const say = async (words: string) => {
      await page.evaluate(`document.getElementById("chat-text").focus()`);
      await page.send("Input.insertText", { text: words });
      await page.send("Input.dispatchKeyEvent", {
        type: "keyDown",
        key: "Enter",
        code: "Enter",
        windowsVirtualKeyCode: 13,
        text: "\r",
      });
    };
    const turns = () =>
      page.evaluate<string[]>(
        `[...document.querySelectorAll("#chat-log .turn b")].map((who) => who.textContent)`,
      );
    const isDone = `document.getElementById("chat-stop").disabled`;
    await say("hello");
    await page.until(`document.querySelectorAll("#chat-log .turn").length === 2`);
    await page.until(isDone);
    assertEquals(await turns(), ["You", "Model"]);
    const log = await text(page, "chat-log");
    if (pictures !== undefined) await page.screenshot(`${pictures}/1280-chat.png`);
    assertEquals(await violations(page), []);
    await page.go(`${url}/`);
    await page.until(`${isShown} && document.querySelectorAll("#chat-log .turn").length === 2`);
    assertEquals(await text(page, "chat-log"), log);
    await say("and now stop");
    await page.evaluate(`document.getElementById("chat-stop").click()`);
    await page.until(isDone);
    assertEquals((await turns()).includes("No answer"), false, "to be stopped is no failure");
    await page.evaluate(`document.getElementById("chat-new").click()`);
    assertEquals(await turns(), []);
    assertEquals(await page.evaluate(`sessionStorage.length`), 0);
  },
);

/** Takes the node's place in a page's chat: what is given to `say` comes as pieces of an answer. */
const OWN_MODEL = `(() => {
  const real = globalThis.fetch;
  globalThis.fetch = (path, init) => {
    if (path !== "/v1/chat/completions") return real(path, init);
    const body = new ReadableStream({ start: (control) => void (globalThis.control = control) });
    init.signal.addEventListener("abort", () => control.error(init.signal.reason));
    return Promise.resolve(new Response(body));
  };
  globalThis.say = (content, finish_reason = null) => control.enqueue(new TextEncoder().encode(
    "data: " + JSON.stringify({ choices: [{ delta: { content }, finish_reason }] }) + "\\n\\n"));
  globalThis.end = () => (control.enqueue(new TextEncoder().encode("data: [DONE]\\n\\n")), control.close());
  globalThis.ask = (words) => {
    document.getElementById("chat-text").value = words;
    document.getElementById("chat-form").requestSubmit();
  };
  globalThis.answer = () => [...document.querySelectorAll("#chat-log .turn")].at(-1);
  globalThis.log = document.getElementById("chat-log");
})()`;

test(
  "the chat shows code as code, leaves who reads further up there, and says what was cut or never came",
  async (url, browser) => {
    const page = await browser.page(`${url}/`, PHONE);
    await page.until(isShown);
    await page.evaluate(OWN_MODEL);
    const isDone = `document.getElementById("chat-stop").disabled`;
    const say = (words: string, more = "") => page.evaluate(`say(${JSON.stringify(words)}${more})`);
    await page.evaluate(`ask("code, please")`);
    await page.until(`answer()?.querySelector("b").textContent === "Model"`);
    const waits = `getComputedStyle(answer().querySelector(".said > span"), "::before").content`;
    assertEquals(await page.evaluate(waits), `"…"`);
    await say("Here:\n```py\n");
    await say(`print("${"wide ".repeat(60)}")\n`);
    await page.until(`/wide/.test(answer().querySelector("pre")?.textContent)`);
    assertEquals(await page.evaluate(`answer().querySelector(".said > span").textContent`), "Here:");
    await say("```\n" + "line\n".repeat(60));
    await page.until(`log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2`);
    await page.evaluate(`log.scrollTop = 40`);
    await say("and the end", `, "length"`);
    await page.until(`/the end/.test(answer().textContent)`);
    assertEquals(await page.evaluate(`log.scrollTop`), 40, "while it comes");
    if (pictures !== undefined) await page.screenshot(`${pictures}/390-code.png`);
    await page.evaluate("end()");
    await page.until(isDone);
    assertEquals(await page.evaluate(`log.scrollTop`), 40, "when it is whole");
    assertMatch(await page.evaluate<string>(`answer().textContent`), /Cut here/);
    assertEquals(await page.evaluate(`document.documentElement.scrollWidth <= innerWidth`), true);
    assertEquals(await violations(page), []);
    await page.evaluate(`ask("and nothing")`);
    await page.until(`answer().querySelector("b").textContent === "Model" && !${isDone}`);
    await page.evaluate(`end()`);
    await page.until(isDone);
    assertEquals(await page.evaluate(`answer().textContent`), "No answerThe model ended without a word");
    assertEquals(page.complaints.filter((line) => !/404.*\/api\/v1\/swarm/.test(line)), []);
  },
);

test("the pause buttons pause and resume the node, and the page says so", async (url, browser) => {
  const page = await browser.page(`${url}/`, PHONE);
  await page.until(isShown);
  const click = (name: string) =>
    page.evaluate(
      `[...document.querySelectorAll("#pause button")].find((b) => b.textContent === "${name}").click()`,
    );
  const policy = async () => (await (await fetch(`${url}/api/v1/status`)).json()).policy;
  assertEquals(await text(page, "policy"), "Contributing");
  for (const name of ["5 minutes", "1 hour", "Until morning"]) {
    await click(name);
    await page.until(`/^Paused by the owner /.test(document.getElementById("policy").textContent)`);
    assertEquals((await policy()).because[0].rule, "pause", name);
    await page.until(`!document.getElementById("resume").disabled`);
    await click("Resume");
    await page.until(`document.getElementById("policy").textContent === "Contributing"`);
    assertEquals((await policy()).action, "contribute", name);
  }
});

test(
  "a hidden page holds no connection and no timer, and is live again when it is seen",
  async (url, browser) => {
    const page = await browser.page("about:blank", DESK);
    await page.send("Page.addScriptToEvaluateOnNewDocument", {
      source: `globalThis.timers = 0;
      for (const name of ["setTimeout", "setInterval", "requestAnimationFrame"]) {
        const real = globalThis[name];
        globalThis[name] = (...args) => (globalThis.timers++, real.apply(globalThis, args));
      }`,
    });
    await page.go(`${url}/`);
    await page.until(isShown);
    const turn = (hidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
      timers = 0; document.dispatchEvent(new Event("visibilitychange")); undefined`);
    await turn(true);
    assertEquals(await text(page, "live"), "Not live while it is hidden");
    // sixteen may listen: all places are free only once the page has left
    let open: Response[] = [];
    for (let tries = 0; tries < 60 && open.length < 16; tries++) {
      const answer = await fetch(`${url}/api/v1/events`);
      if (answer.status === 200) open.push(answer);
      else await answer.body?.cancel().then(() => new Promise((resolve) => setTimeout(resolve, 500)));
    }
    assertEquals(open.length, 16, "the page still listens");
    assertEquals(await page.evaluate("timers"), 0);
    for (const { body } of open) await body!.cancel();
    open = [];
    await turn(false);
    await page.until(isLive);
  },
);
