/**
 * The page at `/`: what this node does, for its owner.
 *
 * @module
 */
import { Hono } from "hono";
import uplotScript from "uplot/script" with { type: "text" };
import uplotStyle from "uplot/style" with { type: "text" };
import type { RouteEnvironment } from "../route_parts.ts";
import type { StatusDocument } from "../status.ts";
import { type Asset, assetAnswers, pageResponse, scriptAsset, styleAsset } from "./assets.ts";
import chatScript from "./client/chat.js" with { type: "text" };
import chatTextScript from "./client/chat_text.js" with { type: "text" };
import dashboardScript from "./client/dashboard.js" with { type: "text" };
import machineScript from "./client/machine.js" with { type: "text" };
import plotScript from "./client/plot.js" with { type: "text" };
import readScript from "./client/read.js" with { type: "text" };
import wordsScript from "./client/words.js" with { type: "text" };
import template from "./client/dashboard.html" with { type: "text" };
import plainStyle from "./client/plain.css" with { type: "text" };
import style from "./client/dashboard.css" with { type: "text" };
import { escapeHtml, verdictOf } from "./verdict.ts";

/** uPlot's first line names the site it comes from; a page here names no other. */
const withoutBanner = (script: string): string =>
  script.replace(/^\/\*![^*]*\*\//, "/*! uPlot 1.6.32, (c) 2022 Leon Sorokin, MIT licence */");

/** Files of the page. */
export const DASHBOARD_ASSETS: readonly Asset[] = [
  scriptAsset("uplot.js", withoutBanner(uplotScript)),
  styleAsset("uplot.css", uplotStyle),
  styleAsset("dashboard.css", style),
  styleAsset("plain.css", plainStyle),
  scriptAsset("dashboard.js", dashboardScript),
  scriptAsset("machine.js", machineScript),
  scriptAsset("plot.js", plotScript),
  scriptAsset("read.js", readScript),
  scriptAsset("words.js", wordsScript),
  scriptAsset("chat.js", chatScript),
  scriptAsset("chat_text.js", chatTextScript),
];

/** The page with what is true without a script: whether others reach this node. */
export function dashboardPage({ reachability, version }: StatusDocument): string {
  const values: Readonly<Record<string, string>> = {
    state: reachability.state,
    verdict: verdictOf(reachability),
    version,
  };
  return template.replace(/\{\{ ?(\w+) ?\}\}/g, (_, name) => escapeHtml(values[name] ?? ""));
}

const answerAsset = assetAnswers(DASHBOARD_ASSETS);

/** `/` and `/assets/…`. */
export function dashboardRoutes(status: () => StatusDocument): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>();
  app.get("/", () => pageResponse(dashboardPage(status())));
  app.get("/assets/:name", async (context) => await answerAsset(context.req.raw) ?? context.notFound());
  return app;
}
