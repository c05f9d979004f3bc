import { assertEquals } from "@std/assert";
import { apiHandler } from "../../src/api/handler.ts";
import { openApiServer } from "../../src/api/server.ts";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { apiOptions, energyOf, statusDocument } from "../api/support.ts";
import { Browser, findChromium } from "../support/browser.ts";
import { ToyModels } from "../text/toy_model.ts";

const chromium = findChromium();
const skip = chromium === undefined ? ": skipped, no Chromium is installed (KWAAI_CHROMIUM names one)" : "";

Deno.test({
  name:
    `a browser that brings the key as a password sees the page live and talks with the model, and none without it${skip}`,
  ignore: chromium === undefined,
  sanitizeResources: false, // a page that was closed keeps its streams for a moment
  sanitizeOps: false,
  async fn() {
    const world = openSystemWorld({ level: "error", json: false });
    const status = statusDocument();
    const paused: number[] = [];
    const handler = apiHandler(apiOptions({
      world,
      log: world.log,
      status: () => status,
      energy: () => energyOf(status),
      text: new ToyModels(),
      pause: (untilMs) => void paused.push(untilMs),
      apiKeys: ["long-random-key"],
    }));
    await using server = openApiServer(world, "127.0.0.1:0", handler);
    await using browser = await Browser.open(chromium!);
    const view = { width: 390, height: 844 };
    const shut = await browser.page(`${server.url}/`, view);
    assertEquals(await shut.evaluate(`document.getElementById("verdict")`), null);
    // a browser takes what an address brings where it would ask its user, and remembers it
    const page = await browser.page(server.url.replace("//", "//owner:long-random-key@"), view);
    await page.go(`${server.url}/`);
    await page.until(`document.getElementById("live")?.dataset.state === "on" &&
      /Toy-1M/.test(document.getElementById("chat-model").textContent)`);
    await page.evaluate(`document.getElementById("chat-text").value = "hi";
      document.getElementById("chat-form").requestSubmit()`);
    await page.until(`/Hello there friend\\./.test(document.getElementById("chat-log").textContent)`);
    await page.evaluate(`document.querySelector("#pause button").click()`);
    await page.until(`document.getElementById("pause-error").textContent === ""`);
    for (let looks = 0; paused.length === 0 && looks < 50; looks++) await page.evaluate("fetch('/healthz')");
    assertEquals(paused.length, 1);
    assertEquals(page.complaints.filter((line) => !/404.*\/api\/v1\/swarm|\/\/owner:/.test(line)), []);
  },
});
